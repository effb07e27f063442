"""What the pipeline's work shows in the metrics and in the log."""

import json
import logging

import pytest

from monitor.cli.logs import JsonLines
from monitor.storage.memory import MemoryStore
from monitor.telemetry import STEPS, Telemetry
from monitor.tracing import trace_of
from tests.pipeline.harness import MODEL, PREDICTIONS, LogRecord, Plant, events, whole_card

DRIFT = events(900, drift=[(300, 900)])
BROKEN = LogRecord(offset=900, key=MODEL.encode(), value=b'{"trace_id": "req-7", "model": broken')


def _dropped(telemetry: Telemetry, step: str) -> float:
    return sum(
        sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "plumbline_step_dropped_total" and sample.labels["step"] == step
    )


def test_every_step_counts_what_it_took_and_passed_on_and_its_seconds() -> None:
    plant = Plant(whole_card()).run([*DRIFT, BROKEN])
    telemetry = plant.telemetry
    own = [step for step in STEPS if step != "intake"]  # the worker's
    for step in own:
        assert telemetry.value("plumbline_step_received_total", step=step) > 0, step
        assert telemetry.value("plumbline_step_emitted_total", step=step) > 0, step
        assert (
            telemetry.registry.get_sample_value("plumbline_step_seconds_total", {"step": step})
            is not None
        )
    for step in ("validation", "windows", "storage", "publishing"):  # what is taken is not remade
        received = telemetry.value("plumbline_step_received_total", step=step)
        emitted = telemetry.value("plumbline_step_emitted_total", step=step)
        assert received == emitted + _dropped(telemetry, step), step


def test_a_model_shows_its_drift_and_its_alerts_until_its_partition_moves() -> None:
    plant = Plant(whole_card()).run(DRIFT)
    value = plant.telemetry.value
    amount = {"model": MODEL, "model_version": "1", "feature": "amount"}
    effect = value("plumbline_model_drift_effect", **amount)
    assert effect > value("plumbline_model_drift_limit", **amount) >= 0.1
    shop = value("plumbline_model_drift_effect", **{**amount, "feature": "shop"})
    assert 0 < shop < effect
    assert value("plumbline_model_firing_alerts", model=MODEL, severity="warning") >= 1
    plant.commit(snapshot=True)
    size = value("plumbline_state_bytes")
    assert size > 1_000
    again = plant.reborn()
    assert again.telemetry.value("plumbline_state_bytes") == size
    plant.pipeline.forget()
    assert value("plumbline_state_bytes") == 0
    assert value("plumbline_model_drift_effect", **amount) == 0


def test_series_are_bounded_and_those_nearest_to_trouble_are_shown() -> None:
    telemetry = Telemetry(Plant(store=MemoryStore()).clock, series_limit=10)
    for number in range(25):
        telemetry.models.drift(
            ("m", "1"), f"f{number}", ("ks", 1_000), effect=number / 100, limit=0.1
        )
        telemetry.models.loss((f"m{number}", "1"), 0.5 + number / 100, 0.5)
    telemetry.models.firing({("quiet", "warning"): 99, ("loud", "critical"): 1})
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in telemetry.models.collect()
        for sample in family.samples
    }
    shown = {key[3] for key in samples if key[0] == "plumbline_model_drift_effect"}
    assert shown == {f"f{number}" for number in range(15, 25)}
    assert {key[1] for key in samples if key[0] == "plumbline_model_loss"} == {
        f"m{number}" for number in range(15, 25)
    }
    left_out = {key[1]: n for key, n in samples.items() if key[0] == "plumbline_series_left_out"}
    assert left_out == {"drift": 15, "losses": 15, "alerts": 0}
    telemetry.models.keep({("m24", "1")})
    kept = {
        tuple(sample.labels.values())
        for family in telemetry.models.collect()
        for sample in family.samples
        if family.name == "plumbline_model_loss"
    }
    assert kept == {("m24", "1")}


def test_the_log_ties_rejections_and_alerts_to_their_batch_commit_and_events(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines: list[dict[str, object]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonLines("worker-3").format(record)))

    handler = Keeping()
    logger = logging.getLogger("monitor")
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, "monitor"):
            plant = Plant(whole_card())
            plant.take(DRIFT)
            plant.take([LogRecord(offset=n, key=None, value=BROKEN.value) for n in range(900, 905)])
            plant.commit()
    finally:
        logger.removeHandler(handler)
    refused = [line for line in lines if line.get("event_trace_id")]
    assert [line["offset"] for line in refused] == [900, 901, 902]
    assert refused[0]["event_trace_id"] == "req-7"
    assert refused[0]["reason"] == "not_json"
    assert {line["trace_id"] for line in refused} == {trace_of({(PREDICTIONS, 0): 900}).trace_id}
    assert any("and 2 more" in str(line["message"]) for line in lines)
    fired = next(line for line in lines if line.get("state") == "firing")
    assert (fired["alertname"], fired["feature"]) == ("FeatureDrift", "amount")
    assert fired["trace_id"] == trace_of({(PREDICTIONS, 0): 905}).trace_id
    assert fired["slot"] == "worker-3"
    assert isinstance(fired["last_offset"], int)

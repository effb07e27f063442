"""A worker that is killed again and again publishes what one that never stopped publishes."""

import json
import signal
import time

import numpy as np
import orjson
import pandas as pd
import pytest

from monitor.intake.alerts import read_alerts
from schemas import ModelCard
from tests.integration.conftest import MODEL, Site, Wire, order_card, order_events, order_rows

pytestmark = pytest.mark.integration

N = 20_000
CHANGES = (4_500, 8_000, 13_000, 16_500)


def _events() -> list[Wire]:
    """Two models, each with two spells of drift; a few resends."""
    frames = []
    for seed, model in ((2, MODEL), (3, "returns")):
        frame = order_rows(N, seed=seed)
        for first, last in (CHANGES[:2], CHANGES[2:]):
            frame.loc[first:last, "amount"] += 1.0
        frames.append(order_events(frame, model))
    mixed = [event for pair in zip(*frames, strict=True) for event in pair]
    return mixed + mixed[-3_000:]


def _labels() -> list[Wire]:
    """What came true of the first model's answers ten minutes later: they have nothing to do with
    it, and are worse than the mean."""
    rng = np.random.default_rng(5)
    frame = order_rows(N, seed=2)
    observed = frame["occurred_at"] + pd.Timedelta(minutes=10)
    return [
        (
            MODEL.encode(),
            orjson.dumps(
                {
                    "schema_version": "1.0",
                    "event_id": event_id,
                    "model": MODEL,
                    "label": 0.1 * float(value),
                    "observed_at": at.isoformat(),
                }
            ),
            [],
        )
        for event_id, value, at in zip(frame["event_id"], rng.normal(size=N), observed, strict=True)
    ]


def _card(model: str) -> ModelCard:
    return order_card(model=model).model_copy(update={"label_horizon_hours": 0.5})


def _published(site: Site) -> list[str]:
    """Every published move, in order within its alert."""
    moves: dict[str, list[str]] = {}
    for event in read_alerts(site.settings):
        moves.setdefault(event.subject, []).append(event.model_dump_json())
    return [json.dumps(moves[subject]) for subject in sorted(moves)]


def test_kills_change_nothing_that_is_published(site: Site, another_site: Site) -> None:
    events, labels = _events(), _labels()
    stored_both = {"predictions": len(events), "labels": len(labels)}
    for one in (site, another_site):
        for model in (MODEL, "returns"):
            one.register(_card(model), order_rows(20_000, seed=1))
        one.send(events)
        one.send(labels, one.settings.kafka.topics.labels)
    undisturbed = site.start_worker()
    site.wait(lambda: site.counts() == stored_both, "all events and labels")
    undisturbed.send_signal(signal.SIGTERM)
    assert undisturbed.wait(timeout=60) == 0, site.log()

    killed = 0
    deadline = time.monotonic() + 480
    worker = another_site.start_worker()
    while (stored := another_site.counts().get("predictions", 0)) < len(events):
        if stored >= (killed + 1) * len(events) // 7 and killed < 6:
            worker.send_signal(signal.SIGKILL)
            worker.wait(timeout=60)
            killed += 1
            worker = another_site.start_worker()
        assert worker.poll() is None, another_site.log()
        assert time.monotonic() < deadline, another_site.log()
        time.sleep(0.05)
    another_site.wait(lambda: another_site.counts() == stored_both, "all events and labels")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 0, another_site.log()

    assert killed >= 4
    assert another_site.counts() == site.counts()
    [raw] = another_site.store.connection.query("SELECT count() AS n FROM predictions")
    assert raw["n"] == len(events)
    ours, theirs = _published(another_site), _published(site)
    name, other = (s.settings.kafka.group_id for s in (another_site, site))
    assert [text.replace(name, other) for text in ours] == theirs
    assert sum("FeatureDrift" in text for text in theirs) == 2
    assert any("WorseThanBaseline" in text for text in theirs)
    stored_moves = [
        one.store.connection.query(
            "SELECT event_id, state FROM alerts FINAL ORDER BY event_id, state"
        )
        for one in (site, another_site)
    ]
    assert stored_moves[0] == stored_moves[1]
    cohorts = [
        one.store.connection.query(
            "SELECT model, cohort_start, predictions, labelled, metrics['mae'] AS mae, "
            "baseline_loss FROM cohorts FINAL WHERE segment = '' ORDER BY cohort_start"
        )
        for one in (site, another_site)
    ]
    assert [row["labelled"] for row in cohorts[0]] == [3_600] * 4
    np.testing.assert_equal(cohorts[1], cohorts[0])

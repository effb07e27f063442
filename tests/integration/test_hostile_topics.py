"""Garbage on every topic that the worker reads, and hostile names all the way into ClickHouse."""

import random
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from monitor.intake.alerts import read_alerts
from monitor.packing import pack
from monitor.storage.queries import EVENT_BY_ID, ask
from schemas import FeatureSpec, ModelCard, Monitoring
from tests.contract.registry_fuzz import TEXTS, cards, commands
from tests.contract.state_fuzz import hostile_bytes
from tests.integration.conftest import MODEL, Site, Wire, order_card, order_events, order_rows

pytestmark = pytest.mark.integration

NAMES = sorted({text[:100] for text in TEXTS if text.strip() and "\x00" not in text})
"""Quotes, semicolons, backslashes, braces, markup, paths: at most as long as a name may be."""
MODELS = ("a.b-c_d:e", "model", "NULL", "0")
"""Names of models are words of few characters; these are the strangest."""


def _garbage_state(draw: random.Random) -> list[Wire]:
    """Records under keys of the right form and of none."""
    keys: list[Any] = [
        ["head", MODEL, 0],
        ["pane", MODEL, "1", 0, 0],
        ["ids", MODEL, 0, 0],
        ["card", MODEL, "1", 0],
        ["said", 0],
        ["moves", 0],
    ]
    return [
        (pack(draw.choice(keys)) if draw.random() < 0.7 else draw.randbytes(20), raw, [])
        for _, raw in hostile_bytes()
        if len(raw) < 500_000
    ]


def test_garbage_on_every_topic_stops_nothing(site: Site) -> None:
    topics, draw = site.settings.kafka.topics, random.Random(1)
    garbage = [draw.randbytes(draw.randint(1, 200)) for _ in range(100)]
    for topic, values in (
        (topics.models, [*cards(3, 150), *garbage]),
        (topics.commands, [*commands(4, 150), *garbage]),
        (topics.labels, garbage),
        (topics.predictions, garbage),
    ):
        # What is too large for the broker is left to the tests without one.
        sent: list[Wire] = [(MODEL.encode(), v, []) for v in values if len(v) < 50_000]
        site.send(sent, topic)
    site.send(_garbage_state(draw), topics.state)
    site.register(order_card(), order_rows(20_000, seed=1))
    worker = site.start_worker()
    site.send(order_events(order_rows(1_500, seed=2)))
    site.wait(lambda: site.counts().get("predictions", 0) == 1_500, "the events among the garbage")
    assert worker.poll() is None, site.log()
    site.send([(MODEL.encode(), value, []) for value in garbage], topics.models)
    site.send(order_events(order_rows(1_000, seed=3)))
    site.wait(lambda: site.counts().get("predictions", 0) == 2_500, "the events after it")
    site.stop_workers()
    refused = site.store.connection.query(
        "SELECT topic, count() AS n FROM rejections FINAL GROUP BY topic"
    )
    counts = {row["topic"]: row["n"] for row in refused}
    assert counts[topics.predictions] == len(garbage)
    assert counts[topics.labels] == len(garbage)
    [tested] = site.store.connection.query("SELECT count() AS n FROM findings WHERE check = 'ks'")
    assert tested["n"] > 0


def test_hostile_names_come_back_from_clickhouse_as_they_were_sent(site: Site) -> None:
    rng, draw = np.random.default_rng(5), random.Random(5)
    card = ModelCard(
        model=MODEL,
        model_version=NAMES[0],
        task="multiclass",
        features={name: FeatureSpec(type="number") for name in NAMES},
        monitoring=Monitoring(pane_events=50, scales=(200,)),
    )
    frame = pd.DataFrame(rng.normal(size=(5_000, len(NAMES))), columns=NAMES)
    frame["prediction"] = rng.choice(NAMES, len(frame))
    frame["occurred_at"] = pd.date_range("2026-01-01", periods=len(frame), freq="s", tz="UTC")
    site.register(card, frame)
    sent: dict[str, dict[str, Any]] = {}
    for i in range(600):
        known = i < 400
        event = {
            "schema_version": "1.0",
            "event_id": f"{NAMES[i % len(NAMES)]}-{i}",
            "model": MODEL if known else MODELS[i % len(MODELS)],
            "model_version": NAMES[0] if known else NAMES[i % len(NAMES)],
            "occurred_at": f"2026-01-02T00:{i // 60:02}:{i % 60:02}Z",
            "entity_id": draw.choice(NAMES),
            "segments": {draw.choice(NAMES): draw.choice(NAMES)},
            "features": {name: 9.0 if known else draw.choice(NAMES) for name in NAMES},
            "prediction": draw.choice(NAMES),
        }
        sent[str(event["event_id"])] = event
    site.start_worker()
    site.send([(str(e["model"]).encode(), orjson.dumps(e), []) for e in sent.values()])
    site.wait(lambda: site.counts().get("predictions", 0) == len(sent), "all events")
    site.stop_workers()
    rows = site.store.connection.query("SELECT * FROM predictions FINAL")
    assert {row["event_id"] for row in rows} == set(sent)
    for row in rows:
        event = sent[row["event_id"]]
        for name in ("model", "model_version", "entity_id", "segments", "prediction"):
            assert row[name] == event[name], name
        values = {**row["numbers"], **row["strings"]}
        assert {name: values[name] for name in NAMES} == event["features"]
    [found] = ask(
        site.store.connection, EVENT_BY_ID, {"model": MODEL, "event_id": next(iter(sent))}
    )
    assert found["event_id"] == next(iter(sent))
    labels = [event.data.alerts[0].labels for event in read_alerts(site.settings)]
    assert {label["feature"] for label in labels if "feature" in label} <= {*NAMES, "prediction"}
    assert {label["model_version"] for label in labels} <= set(NAMES)
    assert any(label.get("feature") in NAMES for label in labels)
    stored = site.store.connection.query("SELECT DISTINCT column AS name FROM pane_summaries")
    assert {*NAMES, "prediction"} <= {row["name"] for row in stored}

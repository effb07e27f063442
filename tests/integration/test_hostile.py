"""Whatever arrives on the broker is stored or refused with its reason, and the worker goes on."""

import json
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.intake.follower import TopicFollower
from schemas import ModelCard, Rejection
from tests.contract.examples import CARD, Example, invalid_examples, valid_examples
from tests.contract.fuzz import fuzz_records
from tests.integration.conftest import Site, Wire

pytestmark = pytest.mark.integration

FUZZED = 25_000


def _reference(card: ModelCard, n: int = 20_000) -> pd.DataFrame:
    """Clean rows of the card's features."""
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"score": rng.uniform(size=n)})
    for name, spec in card.features.items():
        if spec.type == "number":
            frame[name] = rng.uniform(spec.min or 0, spec.max or 100, size=n)
        elif spec.type == "boolean":
            frame[name] = rng.uniform(size=n) < 0.5
        else:
            frame[name] = rng.choice(list(spec.categories or ("north", "south")), size=n)
    frame["prediction"] = np.where(frame["score"] >= 0.5, "1", "0")
    frame["occurred_at"] = pd.date_range("2024-01-01", periods=n, freq="min", tz="UTC")
    return frame


def _rejections(site: Site) -> dict[tuple[str, int, int], Rejection]:
    """What the dead-letter topic says, by topic, partition, offset; nothing there twice."""
    follower = TopicFollower(site.settings.kafka, site.settings.kafka.topics.rejections)
    found: dict[tuple[str, int, int], Rejection] = {}
    for record in follower.read_all():
        rejection = Rejection.model_validate_json(record.value or b"")
        place = (rejection.topic, rejection.partition, rejection.offset)
        assert place not in found
        found[place] = rejection
    follower.close()
    return found


def _stored(site: Site, table: str, columns: str) -> dict[tuple[str, int, int], dict[str, Any]]:
    rows = site.store.connection.query(
        f"SELECT topic, partition, offset, {columns} FROM {table} FINAL"
    )
    return {(row["topic"], row["partition"], row["offset"]): row for row in rows}


def test_every_example_is_stored_or_refused_with_its_reason(site: Site) -> None:
    site.register(CARD, _reference(CARD))
    names = site.settings.kafka.topics
    topics = {"prediction": names.predictions, "label": names.labels}
    examples = [*invalid_examples(), *valid_examples("prediction", "label")]
    places: dict[tuple[str, int, int], Example] = {}
    for contract, topic in topics.items():
        mine = [example for example in examples if example.contract == contract]
        sent = site.send([(e.key, e.value, list(e.headers)) for e in mine], topic)
        places |= {(topic, *place): example for place, example in zip(sent, mine, strict=True)}
    site.start_worker()
    site.wait(lambda: sum(site.counts().values()) == len(examples), "all examples")
    site.stop_workers()
    refused = _rejections(site)
    events = _stored(site, "predictions", "faults, registered")
    labels = _stored(site, "labels", "label")
    for place, example in places.items():
        if example.reason is not None:
            reasons = {(detail.reason, detail.field) for detail in refused.pop(place).reasons}
            assert example.reason in {reason for reason, _ in reasons}, example.name
            assert not example.field or (example.reason, example.field) in reasons, example.name
        elif example.contract == "label":
            assert place in labels, example.name
        else:
            faults = events[place]["faults"]
            if example.fault is not None:
                assert faults.get(example.field) == example.fault, example.name
            elif events[place]["registered"]:
                assert not faults, example.name
    assert not refused


def test_fuzzed_records_are_all_accounted_for(site: Site) -> None:
    site.register(CARD, _reference(CARD))
    worker = site.start_worker()
    # Kafka's client refuses a record with neither key nor value: that one gets a key.
    records: list[Wire] = [
        (b"" if key is None and value is None else key, value, headers)
        for key, value, headers in fuzz_records(seed=20_261_121, n=FUZZED)
    ]
    topic = site.settings.kafka.topics.predictions
    sent = [(topic, *place) for place in site.send(records, topic)]
    site.wait(lambda: sum(site.counts().values()) == FUZZED, "all fuzzed records")
    assert worker.poll() is None, site.log()
    site.stop_workers()
    events = _stored(site, "predictions", "event_id")
    refused = _rejections(site)
    assert not events.keys() & refused.keys()
    assert events.keys() | refused.keys() == set(sent)
    stored_refusals = _stored(site, "rejections", "reasons")
    assert stored_refusals.keys() == refused.keys()
    reasons = Counter(rejection.reasons[0].reason for rejection in refused.values())
    assert len(reasons) >= 6, json.dumps(reasons)
    assert len(events) > FUZZED // 20

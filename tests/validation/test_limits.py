"""Limits: whatever a record holds, it is refused cheaply, and it costs nobody else anything."""

import base64
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from monitor.config import LimitSettings
from monitor.sketches.category import MAX_NAMES, CategoryReference
from monitor.validation import Validator
from monitor.validation.reasons import MAX_REASONS
from schemas.model import FeatureSpec, ModelCard
from schemas.prediction import MAX_FEATURES
from tests.contract.records import LABELS, PREDICTIONS, LogRecord

DEEP = 100_000
CARD = ModelCard(
    model="orders",
    model_version="1",
    task="regression",
    features={
        "amount": FeatureSpec(type="number"),
        "shop": FeatureSpec(type="category"),
    },
)


def _validator(record_bytes: int = 1_000_000) -> Validator:
    validator = Validator(LimitSettings(record_bytes=record_bytes), PREDICTIONS, LABELS)
    validator.set_card(CARD)
    return validator


def _event(number: int = 0, model: str = "orders", **changes: Any) -> LogRecord:
    fields = {
        "schema_version": "1.0",
        "event_id": f"e{number}",
        "model": model,
        "model_version": "1",
        "occurred_at": "2024-05-02T09:30:00Z",
        "features": {"amount": 1.5, "shop": "a"},
        "prediction": 1.5,
        **changes,
    }
    return LogRecord(json.dumps(fields).encode(), offset=number)


def _nested(opening: str, closing: str) -> bytes:
    return (opening * DEEP + closing * DEEP).encode()


@pytest.mark.parametrize("nested", [_nested("[", "]"), _nested('{"a":', "}"), b"[" * DEEP])
@pytest.mark.parametrize("way", ["plain", "feature", "structured", "base64", "binary"])
def test_deep_json_is_a_rejection_and_cheap(nested: bytes, way: str) -> None:
    structured = [("content-type", b"application/cloudevents+json")]
    shell = b'{"specversion":"1.0","id":"1","source":"s","type":"t",'
    records: dict[str, tuple[bytes, list[tuple[str, bytes]]]] = {
        "plain": (nested, []),
        "feature": (b'{"features":{"a":' + nested + b"}}", []),
        "structured": (shell + b'"data":' + nested + b"}", structured),
        "base64": (shell + b'"data_base64":"' + base64.b64encode(nested) + b'"}', structured),
        "binary": (nested, [("ce_specversion", b"1.0"), ("content-type", b"application/json")]),
    }
    value, headers = records[way]
    validator = _validator()
    best_s = float("inf")
    for _ in range(3):
        started_s = time.perf_counter()
        (rejected,) = validator.validate([LogRecord(value, headers=headers)]).rejected
        best_s = min(best_s, time.perf_counter() - started_s)
    assert best_s < 0.05  # it takes about half a millisecond
    assert rejected.reasons[0][0] in ("too_deep", "not_json", "cloudevent")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"x" * 2_000_000, "oversize"),
        (
            json.dumps({"features": {f"f{i}": 1 for i in range(MAX_FEATURES + 1)}}).encode(),
            "too_many_features",
        ),
        (json.dumps({"segments": {f"s{i}": "a" for i in range(10_000)}}).encode(), "bad_value"),
        (json.dumps({"scores": {f"s{i}": "a" for i in range(10_000)}}).encode(), "wrong_type"),
        (json.dumps({"event_id": "e" * 100_000}).encode(), "bad_value"),
        (json.dumps({"features": {"a" * 100_000: 1}}).encode(), "bad_value"),
    ],
)
def test_what_is_too_much_is_refused_in_few_words(value: bytes, reason: str) -> None:
    (rejected,) = _validator().validate([LogRecord(value)]).rejected
    assert reason in {kind for kind, _, _ in rejected.reasons}
    assert len(rejected.reasons) <= MAX_REASONS
    assert sum(len(name) + len(text) for _, name, text in rejected.reasons) < 20_000


def test_categories_nobody_knew_leave_no_memory_behind() -> None:
    validator = _validator()
    reference = CategoryReference.from_values("shop", ["a", "b"])

    def batch(first: int) -> None:
        events = [
            _event(n, features={"amount": 1.0, "shop": f"shop-{n}-{'x' * 200}"})
            for n in range(first, first + 2_000)
        ]
        (columns,) = validator.validate(events).predictions
        assert set(reference.codes(columns.categories["shop"]).tolist()) == {2}

    batch(0)
    tracemalloc.start()
    batch(2_000)
    before = tracemalloc.get_traced_memory()[0]
    for first in range(4_000, 16_000, 2_000):
        batch(first)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 1_000_000  # 12,000 names of 200 characters would be 3 MB
    crowd = CategoryReference.from_values("shop", [f"s{n}" for n in range(50_000)])
    assert len(crowd.names) == MAX_NAMES


STORMS: dict[str, Callable[[int], LogRecord]] = {
    "no JSON": lambda n: LogRecord(b'{"model": "storm", ', offset=n, key=b"storm"),
    "no fields": lambda n: LogRecord(b'{"model": "storm"}', offset=n, key=b"storm"),
    "unregistered": lambda n: _event(n, model="storm"),
    "faulty": lambda n: _event(n, model="storm", features={"amount": "x", "colour": f"c{n}"}),
}


@pytest.mark.parametrize("storm", STORMS)
def test_a_storm_of_one_model_changes_nothing_of_another(storm: str) -> None:
    good = [_event(n) for n in range(2_000)]
    bad = [STORMS[storm](n) for n in range(2_000, 4_000)]
    mixed = [record for pair in zip(good, bad, strict=True) for record in pair]
    alone, beside = _validator().validate(good), _validator().validate(mixed)
    [expected] = alone.predictions
    [found] = [part for part in beside.predictions if part.model == "orders"]
    assert found.event_ids == expected.event_ids
    assert found.faults == expected.faults
    assert found.categories == expected.categories
    assert _best_s(mixed) < 10 * _best_s(good)  # a bad record costs at most about five good ones


def _best_s(records: list[LogRecord]) -> float:
    validator, best = _validator(), float("inf")
    for _ in range(5):
        started_s = time.perf_counter()
        validator.validate(records)
        best = min(best, time.perf_counter() - started_s)
    return best

"""Sensitivity classes: what is kept of a value, wherever it could turn up."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import LimitSettings
from monitor.errors import ConfigError
from monitor.events import Validated
from monitor.profiling.build import build_profile, read_as_stream
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.rejection import rejection
from monitor.storage.predictions import prediction_rows
from monitor.storage.tables import label_rows, rejection_rows
from monitor.validation import ColumnReader, Validator, column_layout
from monitor.validation.sensitivity import REST_CATEGORY
from schemas.model import FeatureSpec, ModelCard
from schemas.values import HashKey
from tests.contract.records import LABELS, PREDICTIONS, LogRecord

KEY = HashKey("the key of these tests, long enough")
CANARY = "Canary 4711 äö"
NUMBER = 471_100_471.5
"""Values that must not be found in anything that leaves validation."""

CARD = ModelCard(
    model="credit",
    model_version="1",
    task="regression",
    entity_sensitivity="hash",
    features={
        "name": FeatureSpec(type="category", sensitivity="hash", hidden_nulls=("NA",)),
        "account": FeatureSpec(type="number", sensitivity="hash", min=0),
        "age": FeatureSpec(type="number", sensitivity="bucket", buckets=(0, 18, 65), max=120),
        "town": FeatureSpec(type="category", sensitivity="bucket", categories=("Bonn", "Trier")),
        "note": FeatureSpec(type="category", sensitivity="drop"),
        "amount": FeatureSpec(type="number"),
    },
)
GOOD: dict[str, Any] = {
    "name": CANARY,
    "account": NUMBER,
    "age": 44,
    "town": "Bonn",
    "note": CANARY,
    "amount": 7.5,
}


def _validator(*cards: ModelCard, key: HashKey | None = KEY) -> Validator:
    validator = Validator(LimitSettings(), PREDICTIONS, LABELS, key)
    for card in cards:
        validator.set_card(card)
    return validator


def _event(features: object = None, **changes: Any) -> LogRecord:
    fields = {
        "schema_version": "1.0",
        "event_id": "e1",
        "model": "credit",
        "model_version": "1",
        "occurred_at": "2024-05-02T09:29:59Z",
        "features": dict(GOOD) if features is None else features,
        "prediction": 1.5,
        "entity_id": CANARY,
        **changes,
    }
    return LogRecord(json.dumps(fields).encode(), key=b"credit")


def _label(features: dict[str, Any], **changes: Any) -> LogRecord:
    fields = {
        "schema_version": "1.0",
        "event_id": "e1",
        "model": "credit",
        "label": 1.0,
        "observed_at": "2024-05-02T09:29:59Z",
        "offline_features": features,
        **changes,
    }
    return LogRecord(json.dumps(fields).encode(), topic=LABELS, key=b"credit")


def _everything(validated: Validated) -> str:
    """All that the steps behind validation are given, and what they would store and publish."""
    rows = [prediction_rows([part]).to_pylist() for part in validated.predictions]
    rows += [label_rows([part]).to_pylist() for part in validated.labels]
    if validated.rejected:
        rows.append(rejection_rows(validated.rejected).to_pylist())
    published = [rejection(record).model_dump() for record in validated.rejected]
    return repr((validated, rows, published))


def _leaks(text: str) -> bool:
    plain = (CANARY, json.dumps(CANARY)[1:-1], "4711", "471100471")
    return any(word in text for word in plain)


def test_each_class_keeps_what_it_says_and_no_more() -> None:
    validated = _validator(CARD).validate([_event()])
    (columns,) = validated.predictions
    assert columns.categories == {
        "name": [KEY.text("name", CANARY)],
        "account": [KEY.text("account", NUMBER)],
        "town": ["Bonn"],
    }
    assert {name: values.tolist() for name, values in columns.numbers.items()} == {
        "age": [18.0],
        "amount": [7.5],
        "prediction": [1.5],
    }
    assert columns.events[0]["features"]["age"] == 18.0
    assert "note" not in columns.events[0]["features"]
    assert columns.events[0]["entity_id"] == KEY.text("entity_id", CANARY)
    assert columns.faults == ()
    assert validated.redacted == {"hash": 2, "bucket": 2, "drop": 1, "entity_id": 1}
    assert not _leaks(_everything(validated))


def test_a_dropped_column_is_not_tested_and_never_missing() -> None:
    layout = column_layout(CARD)
    assert "note" not in (*layout.numbers, *layout.categories)
    features = {name: value for name, value in GOOD.items() if name != "note"}
    (columns,) = _validator(CARD).validate([_event(features)]).predictions
    assert columns.faults == ()


@pytest.mark.parametrize(
    ("feature", "value", "reason", "kept"),
    [
        ("name", 4711.5, "wrong_type", KEY.text("name", 4711.5)),
        ("name", CANARY * 80, "oversize", KEY.text("name", CANARY * 80)),
        ("name", "NA", "hidden_null", "NA"),
        ("name", None, "null", None),
        ("account", -4711.25, "out_of_range", KEY.text("account", -4711.25)),
        ("account", CANARY, "wrong_type", KEY.text("account", CANARY)),
        ("age", 4711, "out_of_range", 65.0),
        ("age", CANARY, "wrong_type", None),
        ("age", 10**400, "non_finite", "Infinity"),
        ("secret", CANARY, "extra", None),
    ],
)
def test_a_fault_of_a_masked_value_is_told_without_it(
    feature: str, value: object, reason: str, kept: object
) -> None:
    validated = _validator(CARD).validate([_event({**GOOD, feature: value})])
    (fault,) = validated.predictions[0].faults
    assert (fault.feature, fault.reason) == (feature, reason)
    assert fault.value == (kept[:512] if isinstance(kept, str) else kept)
    assert not _leaks(_everything(validated))


def test_categories_outside_the_card_are_one_and_no_fault_where_they_are_buckets() -> None:
    (columns,) = _validator(CARD).validate([_event({**GOOD, "town": CANARY})]).predictions
    assert columns.categories["town"] == [REST_CATEGORY]
    assert columns.faults == ()


def test_the_reference_has_the_hashes_of_the_stream() -> None:
    frame = pd.DataFrame([{**GOOD, "name": f"n{i % 3}", "prediction": 0.5} for i in range(400)])
    profile, audit = build_profile(frame_dataset(frame, CARD), CARD, key=KEY)
    events = [_event({**GOOD, "name": f"n{i}"}) for i in range(4)]
    (columns,) = _validator(CARD).validate(events).predictions
    codes = profile.encode(columns.numbers, columns.categories, 4)
    name = profile.columns[profile.names.index("name")]
    assert codes[profile.names.index("name")].tolist() != [3, 3, 3, 3]
    assert sorted(codes[profile.names.index("name")].tolist()) == [0, 1, 2, 3]  # n3 is unseen
    assert name.missing_rate == 0.0
    assert b"Canary" not in profile.to_bytes()
    assert not _leaks(audit.to_json())


def test_a_file_and_the_stream_are_masked_alike() -> None:
    values: list[dict[str, Any]] = [
        GOOD,
        {**GOOD, "name": "NA", "account": 12.0, "age": 3.0},
        {**GOOD, "account": -1.0, "age": 200.0, "town": "Ulm"},
    ]
    frame = pd.DataFrame([{**row, "prediction": 1.5} for row in values])
    by_file = read_as_stream(frame_dataset(frame, CARD), CARD, KEY)
    (by_stream,) = _validator(CARD).validate([_event(row) for row in values]).predictions
    assert by_file.categories == by_stream.categories
    for name, column in by_stream.numbers.items():
        np.testing.assert_array_equal(by_file.numbers[name], column)
    assert by_file.faults == by_stream.faults


def test_labels_and_versions_without_a_card_are_masked_by_the_models_strictest_card() -> None:
    later = CARD.model_copy(
        update={
            "model_version": "2",
            "features": {**CARD.features, "town": FeatureSpec(type="category", sensitivity="drop")},
        }
    )
    offline = {**GOOD, "unknown": CANARY}
    validated = _validator(CARD, later).validate(
        [_label(offline), _event(offline, model_version="3")]
    )
    kept: dict[str, Any] = {
        "name": KEY.text("name", CANARY),
        "account": KEY.text("account", NUMBER),
    }
    kept |= {"age": 18.0, "amount": 7.5}
    assert validated.labels[0].events[0]["offline_features"] == kept
    assert validated.predictions[0].events[0]["features"] == kept
    assert not _leaks(_everything(validated))


def test_a_refused_record_is_kept_masked_where_it_can_be_read() -> None:
    record = _event({**GOOD, "secret": CANARY}, prediction=[CANARY], colour=CANARY)
    validated = _validator(CARD).validate([record])
    (rejected,) = validated.rejected
    assert json.loads(rejected.original) == {
        "plumbline": "masked",
        "schema_version": "1.0",
        "event_id": "e1",
        "model": "credit",
        "model_version": "1",
        "occurred_at": "2024-05-02T09:29:59Z",
        "entity_id": KEY.text("entity_id", CANARY),
        "features": {
            "name": KEY.text("name", CANARY),
            "account": KEY.text("account", NUMBER),
            "age": 18.0,
            "town": "Bonn",
            "amount": 7.5,
        },
    }
    assert rejected.size_bytes == len(record.value or b"")
    assert validated.redacted == {"original": 1}
    assert not _leaks(_everything(validated))


@pytest.mark.parametrize(
    "value",
    [
        b'{"model": "credit", "features": {"name": "' + CANARY.encode(),
        CANARY.encode(),
        json.dumps([CANARY]).encode(),
        json.dumps({"name": CANARY}).encode(),
        json.dumps({"model": "creditt", "features": {"name": CANARY}}).encode(),
        json.dumps({"model": {"name": CANARY}, "score": {"name": CANARY}}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_record_that_cannot_be_masked_is_withheld(value: bytes) -> None:
    validated = _validator(CARD).validate([LogRecord(value, key=b"open")])
    (rejected,) = validated.rejected
    told = json.loads(rejected.original)
    assert told["plumbline"] == "withheld"
    assert told["size_bytes"] == rejected.size_bytes == len(value)
    assert len(told["hash"]) == 32
    assert not _leaks(_everything(validated))


def test_without_a_sensitive_card_the_original_stays() -> None:
    plain = ModelCard.model_validate(
        {**CARD.model_dump(), "features": {"a": {"type": "number"}}, "entity_sensitivity": "raw"}
    )
    (rejected,) = _validator(plain).validate([LogRecord(b"{x")]).rejected
    assert rejected.original == b"{x"
    other = plain.model_copy(update={"model": "open"})
    body = json.dumps({"model": "open", "features": 1}).encode()
    (rejected,) = _validator(CARD, other).validate([LogRecord(body)]).rejected
    assert rejected.original == body


def test_what_a_card_that_was_turned_away_would_mask_is_withheld() -> None:
    plain = ModelCard(
        model="open",
        model_version="1",
        task="regression",
        features={"amount": FeatureSpec(type="number")},
    )
    known = plain.model_copy(update={"model": "known"})
    validator = _validator(plain, known)
    validator.turn_away(CARD)
    validator.turn_away(CARD.model_copy(update={"model": "known", "model_version": "2"}))
    validated = validator.validate(
        [
            _event(),
            _event(model="known", model_version="2"),
            _label(dict(GOOD)),
            _label(dict(GOOD), model="known"),
            _event(prediction=[CANARY]),
            _event(model="known", prediction=[CANARY]),
            LogRecord(CANARY.encode()),
        ]
    )
    predictions = [columns.events[0] for columns in validated.predictions]
    labels = [columns.events[0] for columns in validated.labels]
    assert [event["features"] for event in predictions] == [{}, {}]
    assert [event["offline_features"] for event in labels] == [{}, {}]
    assert not any("entity_id" in event for event in predictions)
    assert validated.redacted == {"unknown": 4 * len(GOOD), "entity_id": 2, "original": 3}
    assert not _leaks(_everything(validated))
    others = validator.validate([_event({"amount": 1.0}, model="open", prediction=[CANARY])])
    assert json.loads(others.rejected[0].original)["prediction"] == [CANARY]
    for model in ("open", "known"):
        (columns,) = validator.validate([_event({"amount": 7.5}, model=model)]).predictions
        assert columns.events[0]["features"] == {"amount": 7.5}
        assert columns.events[0]["entity_id"] == CANARY


def test_a_card_without_secrets_that_was_turned_away_withholds_nothing() -> None:
    validator = _validator()
    plain = {"features": {"a": {"type": "number"}}, "entity_sensitivity": "raw"}
    validator.turn_away(ModelCard.model_validate({**CARD.model_dump(), **plain}))
    (columns,) = validator.validate([_event()]).predictions
    assert columns.events[0]["features"] == GOOD


VALUES = st.sampled_from(
    [CANARY, NUMBER, -NUMBER, 4711, True, None, "NA", [CANARY], {"a": CANARY}, CANARY * 99]
)
NAMES = st.sampled_from([*(set(GOOD) - {"amount"}), "secret", "Name"])


SHAPES = st.sampled_from([[CANARY], {"name": CANARY}])


@given(
    st.dictionaries(NAMES, VALUES),
    # Segments are tags that nothing masks (docs/security.md).
    st.dictionaries(st.sampled_from(["model_version", "score", "prediction", "status"]), SHAPES),
    st.dictionaries(st.sampled_from(["colour", "name", "trace"]), VALUES),
    st.booleans(),
)
def test_no_shape_of_an_event_carries_a_masked_value_out(
    features: dict[str, Any], changes: dict[str, Any], extras: dict[str, Any], is_label: bool
) -> None:
    wire = _label if is_label else _event
    record = wire(features, **changes, **extras)
    assert not _leaks(_everything(_validator(CARD).validate([record])))


def test_masking_needs_the_key_and_the_same_one() -> None:
    for reads in (lambda: ColumnReader(CARD), lambda: _validator(CARD, key=None)):
        with pytest.raises(ConfigError, match="PLUMBLINE_SENSITIVITY__HASH_KEY"):
            reads()
    registered = CARD.model_copy(update={"hash_key_id": KEY.id})
    _validator(registered)
    with pytest.raises(ConfigError, match="registered with"):
        _validator(registered, key=HashKey("another key, as long as this"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "number", "sensitivity": "bucket"}, "give both or neither"),
        ({"type": "number", "buckets": [1, 2]}, "give both or neither"),
        ({"type": "number", "sensitivity": "bucket", "buckets": [2, 1]}, "must rise"),
        ({"type": "category", "sensitivity": "bucket"}, "needs categories"),
        ({"type": "boolean", "sensitivity": "bucket"}, "has no buckets"),
    ],
)
def test_a_card_that_masks_what_it_cannot_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureSpec.model_validate(spec)

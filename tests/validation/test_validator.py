"""The validator: grouping, order, times, and every record in exactly one place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import LimitSettings
from monitor.errors import ConfigError
from monitor.events import LabelColumns, PredictionColumns
from monitor.validation import Validator
from monitor.validation.reasons import MAX_REASONS
from tests.contract.examples import CARD, valid_examples
from tests.contract.records import LABELS, PREDICTIONS, LogRecord, validator

PREDICTION: dict[str, Any] = {}
LABEL: dict[str, Any] = {}
for example in valid_examples():
    if example.name == "prediction.minimal.json":
        PREDICTION = json.loads(example.value or b"")
    if example.name == "label.json":
        LABEL = json.loads(example.value or b"")


def _prediction(offset: int = 0, partition: int = 0, **changes: Any) -> LogRecord:
    value = json.dumps({**PREDICTION, "event_id": f"e{offset}", **changes}).encode()
    return LogRecord(value, offset=offset, partition=partition)


def _label(offset: int = 0, partition: int = 0, **changes: Any) -> LogRecord:
    value = json.dumps({**LABEL, **changes}).encode()
    return LogRecord(value, topic=LABELS, offset=offset, partition=partition)


kinds = st.sampled_from(["good", "other version", "unregistered", "label", "broken", "fault"])


def _record(kind: str, partition: int, offset: int) -> LogRecord:
    if kind == "label":
        return _label(offset, partition)
    changes: dict[str, dict[str, Any]] = {
        "good": {},
        "other version": {"model_version": "0"},
        "unregistered": {"model": "pricing"},
        "broken": {"features": {"age": []}},
        "fault": {"features": {}},
    }
    return _prediction(offset, partition, **changes[kind])


@given(st.lists(st.tuples(kinds, st.integers(0, 2)), max_size=30))
def test_every_record_ends_in_exactly_one_place_in_order(drawn: list[tuple[str, int]]) -> None:
    records = [_record(kind, partition, i) for i, (kind, partition) in enumerate(drawn)]
    validated = validator().validate(records)
    groups: list[PredictionColumns | LabelColumns] = [*validated.predictions, *validated.labels]
    places = [offset for columns in groups for offset in columns.offsets.tolist()]
    places += [rejected.offset for rejected in validated.rejected]
    assert sorted(places) == list(range(len(records)))
    for columns in groups:
        assert columns.offsets.tolist() == sorted(columns.offsets.tolist())
        assert all(records[offset].partition == columns.partition for offset in columns.offsets)
    firsts = [int(columns.offsets[0]) for columns in validated.predictions]
    assert firsts == sorted(firsts)
    keys = [(c.partition, c.model, c.model_version) for c in validated.predictions]
    assert len(set(keys)) == len(keys)
    assert [r.offset for r in validated.rejected] == [
        offset for offset, (kind, _) in enumerate(drawn) if kind == "broken"
    ]


def test_columns_stand_beside_their_records() -> None:
    record = _prediction(7, partition=2, occurred_at="2024-05-02T11:30:00.25+02:00")
    (columns,) = validator().validate([record]).predictions
    assert (columns.model, columns.model_version) == ("churn", "2024.1")
    assert (columns.topic, columns.partition, columns.offsets.tolist()) == (PREDICTIONS, 2, [7])
    assert columns.registered
    assert columns.occurred_us.tolist() == [1_714_642_200_250_000]
    assert columns.appended_us.tolist() == columns.sent_us.tolist() == [1_714_642_200_500_000]
    assert columns.event_ids == ["e7"]
    assert columns.numbers["age"].tolist() == [41.0]
    assert columns.numbers["autopay"].tolist() == [1.0]
    assert columns.categories["plan"] == ["plus"]
    assert columns.categories["prediction"] == ["1"]
    assert columns.repeated.tolist() == [False]
    assert columns.events[0]["features"]["region"] == "north"


def test_an_unknown_model_or_version_is_kept_without_columns() -> None:
    records = [_prediction(0, model="pricing"), _prediction(1, model_version="2025.1")]
    validated = validator().validate(records)
    assert [columns.registered for columns in validated.predictions] == [False, False]
    assert all(not columns.numbers for columns in validated.predictions)
    assert validated.predictions[0].events[0]["features"]["age"] == 41


def test_a_card_counts_from_the_next_batch_and_replaces_its_forerunner() -> None:
    checked = Validator(LimitSettings(), PREDICTIONS, LABELS)
    assert not checked.validate([_prediction()]).predictions[0].registered
    checked.set_card(CARD)
    assert checked.validate([_prediction()]).predictions[0].faults == ()
    strict = CARD.features["age"].model_copy(update={"max": 40.0})
    checked.set_card(CARD.model_copy(update={"features": {**CARD.features, "age": strict}}))
    (columns,) = checked.validate([_prediction()]).predictions
    assert [fault.reason for fault in columns.faults] == ["out_of_range"]


@pytest.mark.parametrize(
    ("header", "sent_us"),
    [
        (b"1362114000000000", 1_362_114_000_000_000),
        (b"soon", 1_714_642_200_500_000),
        (b"", 1_714_642_200_500_000),
        (b"-5", 1_714_642_200_500_000),
        (b"9" * 30, 1_714_642_200_500_000),
        (b"9" * 16, 7_258_118_400_000_000),
    ],
)
def test_the_send_time_of_a_replay(header: bytes, sent_us: int) -> None:
    record = _prediction()
    record.headers = [("plumbline-sent-at", header)]
    (columns,) = validator().validate([record]).predictions
    assert columns.sent_us.tolist() == [sent_us]


@pytest.mark.parametrize("timestamp", [-1, -(2**63), 2**63 - 1])
def test_an_absurd_append_time_is_cut(timestamp: int) -> None:
    good, broken = _prediction(), LogRecord(b"{")
    good.timestamp = broken.timestamp = timestamp
    validated = validator().validate([good, broken])
    assert 0 <= int(validated.predictions[0].appended_us[0]) <= 7_258_118_400_000_000
    assert 0 <= validated.rejected[0].appended_us <= 7_258_118_400_000_000


def test_every_reason_is_given_and_their_number_bounded() -> None:
    several = LogRecord(b'{"model": "churn", "features": {"a": []}, "event_id": 7}')
    many = _prediction(scores={str(i): "x" for i in range(500)})
    validated = validator().validate([several, many])
    first, second = (rejected.reasons for rejected in validated.rejected)
    assert {reason[:2] for reason in first} == {
        ("missing_field", "model_version"),
        ("missing_field", "occurred_at"),
        ("missing_field", "prediction"),
        ("wrong_type", "event_id"),
    }
    assert len(second) == MAX_REASONS
    assert second[-1][2] == f"and {500 - MAX_REASONS + 1} more faults"


def test_a_time_and_a_nested_feature_are_both_named() -> None:
    features: dict[str, list[int]] = {f"f{i}": [] for i in range(50)}
    record = _prediction(occurred_at="2024-02-30T00:00:00Z", features=features)
    (rejected,) = validator().validate([record]).rejected
    assert len(rejected.reasons) == MAX_REASONS
    assert rejected.reasons[0][:2] == ("bad_value", "occurred_at")
    assert rejected.reasons[1][:2] == ("wrong_type", "features.f0")


@pytest.mark.parametrize(
    ("value", "key", "model"),
    [
        (b'{"model": "churn"}', b"other", "churn"),
        (b'{"data": {"model": "churn"}}', b"other", "churn"),
        (b'{"model": "a b"}', b"other", "other"),
        (b"\xff", b"other", "other"),
        (b"\xff", b"\xff", None),
        (None, None, None),
        (b"[" * 5000, b"x" * 500, None),
    ],
)
def test_the_model_of_a_refused_record(
    value: bytes | None, key: bytes | None, model: str | None
) -> None:
    (rejected,) = validator().validate([LogRecord(value, key=key)]).rejected
    assert rejected.model == model


def test_a_huge_integer_reaches_no_store() -> None:
    token = "9" * 400
    bodies = [_prediction(model="pricing", prediction="@"), _label(label="@")]
    for record in bodies:
        assert record.value is not None
        record.value = record.value.replace(b'"@"', token.encode())
    validated = validator().validate(bodies)
    assert validated.predictions[0].events[0]["prediction"] == float("inf")
    assert validated.labels[0].events[0]["label"] == float("inf")


def test_a_topic_that_nobody_named_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ConfigError, match=r"plumbline\.models"):
        validator().validate([LogRecord(b"{}", topic="plumbline.models")])


def test_an_empty_batch_is_empty() -> None:
    validated = validator().validate([])
    assert (validated.predictions, validated.labels, validated.rejected) == ((), (), ())

"""A future timestamp must not poison event time; features known too late are told."""

import json
from typing import Any

import numpy as np

from monitor.events import SIGNALS, PredictionColumns
from tests.contract.examples import CARD
from tests.contract.records import LogRecord, validator

SENT_MS = 1_714_642_200_500  # 2024-05-02T09:30:00.5Z, as the broker appended it


def _columns(*events: dict[str, Any]) -> PredictionColumns:
    base = {
        "schema_version": "1.0",
        "model": CARD.model,
        "model_version": CARD.model_version,
        "prediction": 1,
        "features": {"age": 41},
    }
    records = [
        LogRecord(json.dumps({**base, "event_id": str(i), **event}).encode(), offset=i)
        for i, event in enumerate(events)
    ]
    validated = validator().validate(records)
    assert not validated.rejected
    return validated.predictions[0]


def test_an_event_from_the_future_is_stored_as_sent_and_tested_at_its_sending() -> None:
    columns = _columns(
        {"occurred_at": "2024-05-02T09:29:00Z"},
        {"occurred_at": "2199-01-01T00:00:00Z"},
        {"occurred_at": "2024-05-02T09:31:00Z"},  # within the tolerance
    )
    found = [(f.row, f.feature, f.reason) for f in columns.faults if f.reason == "from_future"]
    assert found == [(1, "occurred_at", "from_future")]
    assert columns.occurred_us[1] > columns.sent_us[1]
    assert columns.event_us.max() == SENT_MS * 1_000
    assert columns.event_us[0] == columns.occurred_us[0]
    assert columns.signals[SIGNALS.index("lag_s"), 0] == 60.5


def test_a_feature_known_after_its_event_is_a_fault_and_the_oldest_gives_the_age() -> None:
    occurred = {"occurred_at": "2024-05-02T09:00:00Z"}
    times = {
        "age": "2024-05-02T10:00:00Z",
        "plan": "2024-05-02T08:00:00Z",
        "other": "1990-01-01T00:00Z",
    }
    columns = _columns(
        {**occurred, "feature_times": times}, occurred, {**occurred, "feature_times": None}
    )
    late = [f for f in columns.faults if f.reason == "known_later"]
    assert [(f.row, f.feature, f.value) for f in late] == [(0, "feature_times.age", 3600.0)]
    age_s = columns.signals[SIGNALS.index("age_s")]
    assert age_s[0] == 3600.0
    assert np.isnan(age_s[1:]).all()
    assert columns.numbers["age"].tolist() == [41.0, 41.0, 41.0]  # the value is used all the same


def test_scores_that_contradict_the_answer_are_marked() -> None:
    occurred = {"occurred_at": "2024-05-02T09:00:00Z"}
    columns = _columns(
        {**occurred, "scores": {"0": 0.3, "1": 0.7}},
        {**occurred, "scores": {"0": 0.8, "1": 0.2}},
        {**occurred, "scores": {"0": 0.8, "1": 0.9}},
        {**occurred, "scores": {"0": -0.5, "1": 1.5}},
        occurred,
    )
    row = columns.signals[SIGNALS.index("incoherence")]
    assert row[:4].tolist() == [0.0, 4.0, 2.0, 1.0]
    assert np.isnan(row[4])

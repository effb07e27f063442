"""Every record of the logger fits its contract, whatever a service hands in."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.records import (
    InvalidRecordError,
    LoggedLabel,
    LoggedPrediction,
    label_json,
    prediction_json,
)
from schemas import LabelEvent, PredictionEvent

NOW_NS = 1_362_114_000_123_456_789

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.floats().map(np.float64),
    st.floats(width=32).map(np.float32),
    st.integers(-100, 100).map(np.int64),
    st.booleans().map(np.bool_),
)
anything = st.one_of(
    scalars, st.lists(scalars, max_size=2), st.binary(max_size=3), st.builds(object)
)


def logged(**fields: Any) -> LoggedPrediction:
    given_fields: dict[str, Any] = {
        "event_id": "a-1",
        "occurred_at": NOW_NS,
        "features": {"x": 1.0},
    }
    return LoggedPrediction(**(given_fields | {"prediction": True} | fields))


def sent(**fields: Any) -> dict[str, Any]:
    value, _ = prediction_json(logged(**fields), "demo", "1")
    record: dict[str, Any] = orjson.loads(value)
    return record


@given(
    features=st.dictionaries(st.one_of(st.text(max_size=140), st.integers()), anything, max_size=4),
    prediction=anything,
    score=anything,
    event_id=st.one_of(st.text(max_size=210), st.integers(), st.none()),
    role=st.sampled_from([None, "live", "shadow", "other"]),
)
def test_what_is_sent_fits_the_contract(**fields: Any) -> None:
    try:
        value, _ = prediction_json(logged(**fields), "demo", "1")
    except InvalidRecordError:
        return
    # Only the features' values may differ from the contract's own view, by a repair to null.
    event = PredictionEvent.model_validate_json(value)
    assert set(event.features) == set(fields["features"])


@pytest.mark.parametrize("score", [np.False_, np.True_])
def test_a_numpy_truth_value_is_no_score(score: np.bool_) -> None:
    with pytest.raises(InvalidRecordError, match="score"):
        sent(score=score)


@given(label=anything, features=st.dictionaries(st.text(min_size=1, max_size=5), anything))
def test_labels_fit_the_contract(label: Any, features: dict[str, Any]) -> None:
    entry = LoggedLabel("a-1", label, NOW_NS, None, features)
    try:
        value, _ = label_json(entry, "demo")
    except InvalidRecordError:
        return
    LabelEvent.model_validate_json(value)


def test_an_everyday_record_loses_nothing() -> None:
    features = {"f": 1.5, "i": 3, "s": "UA", "b": True, "n": None}
    record = sent(features=features, prediction="late", score=0.25, latency_ms=1.5)
    assert record == {
        "schema_version": "1.0",
        "event_id": "a-1",
        "model": "demo",
        "model_version": "1",
        "occurred_at": "2013-03-01T05:00:00.123457Z",
        "features": features,
        "prediction": "late",
        "score": 0.25,
        "latency_ms": 1.5,
    }


def test_all_fields_pass_through() -> None:
    moment = datetime(2013, 3, 1, 5, tzinfo=UTC)
    record = sent(
        occurred_at=moment,
        scores={"a": 0.5, "b": 0.5},
        request_id="r",
        role="shadow",
        entity_id="e",
        segments={"region": "north"},
        feature_times={"x": moment},
        status="fallback",
        trace_id="t",
        attributions={"x": 0.1},
    )
    assert record["occurred_at"] == "2013-03-01T05:00:00Z"
    assert record["feature_times"] == {"x": "2013-03-01T05:00:00Z"}
    assert record["scores"] == {"a": 0.5, "b": 0.5}
    assert (record["request_id"], record["role"], record["entity_id"]) == ("r", "shadow", "e")
    assert (record["segments"], record["status"]) == ({"region": "north"}, "fallback")
    assert (record["trace_id"], record["attributions"]) == ("t", {"x": 0.1})


def test_numpy_scalars_become_plain() -> None:
    features = {"a": np.float32(0.5), "b": np.int64(7), "c": np.bool_(True), "d": np.float64(2.5)}
    record = sent(features=features, prediction=np.int64(1), score=np.float32(0.5))
    assert record["features"] == {"a": 0.5, "b": 7, "c": True, "d": 2.5}
    assert (record["prediction"], record["score"]) == (1, 0.5)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_json_cannot_carry_is_repaired_and_counted(broken: float) -> None:
    value, repairs = prediction_json(
        logged(features={"x": broken, "y": 1.0}, score=broken), "demo", "1"
    )
    record = orjson.loads(value)
    assert record["features"] == {"x": None, "y": 1.0}
    assert "score" not in record
    assert record["status"] == "error"
    assert repairs == 2


def test_a_model_that_answers_nan_is_seen() -> None:
    record = sent(prediction=math.nan)
    assert (record["prediction"], record["status"]) == ("error", "error")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"features": {"x": [1]}}, "features.x"),
        ({"features": {"x": {"y": 1}}}, "features.x"),
        ({"features": {"": 1}}, "features"),
        ({"event_id": ""}, "event_id"),
        ({"prediction": None}, "prediction"),
        ({"prediction": object()}, "prediction"),
        ({"occurred_at": datetime(2013, 3, 1)}, "occurred_at"),  # noqa: DTZ001 - the fault
        ({"role": "spare"}, "role"),
        ({"features": {"x": 2**70}}, "Integer"),
        ({"features": {"x": "\ud800"}}, "surrogates"),
    ],
)
def test_what_breaks_the_contract_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRecordError, match=named):
        prediction_json(logged(**fields), "demo", "1")

"""Columns and the one-value rules must say the same of every value."""

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.events import Fault
from monitor.validation import ColumnReader
from monitor.validation.columns import MAX_EXTRAS
from schemas.model import FeatureSpec, ModelCard
from schemas.values import USABLE_FAULTS, as_float, category_text, value_fault

STRING_CHARS = 16

POOL = (-999, -999.0, 0, 1, 1.0, True, False, "", "NA", "a", "b", "1", "-999", 120, 120.5, -0.0)
EXTREMES = (10**400, -(10**400), 2**63, -(2**63), 2**53 + 1, math.inf, -math.inf, math.nan, 5e-324)
values = st.one_of(
    st.none(),
    st.sampled_from(POOL),
    st.sampled_from(EXTREMES),
    st.text(max_size=20),
    st.floats(),
    st.integers(),
)
hidden_nulls = st.lists(st.sampled_from([-999, -999.5, "", "NA", 1, 0, 2**53 + 1]), max_size=3).map(
    tuple
)


@st.composite
def specs(draw: st.DrawFn) -> FeatureSpec:
    kind = draw(st.sampled_from(["number", "category", "boolean"]))
    limits: dict[str, Any] = {}
    if kind == "number" and draw(st.booleans()):
        limits = {"min": draw(st.sampled_from([-5, 0, 0.5])), "max": draw(st.sampled_from([1, 99]))}
    if kind == "category" and draw(st.booleans()):
        limits = {"categories": ("a", "1", "NA")}
    return FeatureSpec(
        type=kind, nullable=draw(st.booleans()), hidden_nulls=draw(hidden_nulls), **limits
    )


def _card(spec: FeatureSpec) -> ModelCard:
    return ModelCard(model="m", model_version="1", task="regression", features={"x": spec})


def _events(raw: list[Any]) -> list[dict[str, Any]]:
    return [{"features": {"x": value}, "prediction": 0.0} for value in raw]


@given(spec=specs(), raw=st.lists(values, min_size=1, max_size=12))
def test_columns_agree_with_the_rules_for_one_value(spec: FeatureSpec, raw: list[Any]) -> None:
    read = ColumnReader(_card(spec), string_chars=STRING_CHARS).read(_events(raw))
    expected = [value_fault(spec, value, string_chars=STRING_CHARS) for value in raw]
    found = {fault.row: fault.reason for fault in read.faults}
    assert len(found) == len(read.faults)
    assert [found.get(row) for row in range(len(raw))] == expected
    for row, value in enumerate(raw):
        usable = value is not None and (expected[row] is None or expected[row] in USABLE_FAULTS)
        if spec.type == "category":
            assert read.categories["x"][row] == (category_text(value) if usable else None)
        else:
            number = float(read.numbers["x"][row])
            assert math.isnan(number) if not usable else number == as_float(value)


@given(raw=st.lists(values, min_size=1, max_size=12))
def test_no_integer_stays_that_no_store_could_take(raw: list[Any]) -> None:
    for kind in ("number", "category", "boolean"):
        events = _events(raw)
        ColumnReader(_card(FeatureSpec(type=kind))).read(events)
        for event in events:
            value = event["features"]["x"]
            assert not isinstance(value, int) or math.isfinite(float(value))


def _churn(task: str, **more: Any) -> ModelCard:
    return ModelCard.model_validate(
        {"model": "m", "model_version": "1", "task": task, "features": {"x": {"type": "number"}}}
        | more
    )


def test_a_missing_feature_is_missing_even_where_null_is_allowed() -> None:
    reader = ColumnReader(_card(FeatureSpec(type="number", nullable=True)))
    read = reader.read([{"features": {}, "prediction": 0.0}])
    assert read.faults == (Fault(0, "x", "missing", None),)
    assert np.isnan(read.numbers["x"][0])


def test_extras_are_named_up_to_a_limit_and_the_rest_counted() -> None:
    extras = {f"e{i}": i for i in range(MAX_EXTRAS + 36)}
    read = ColumnReader(_card(FeatureSpec(type="number"))).read(
        [{"features": {"x": 1.0, **extras}, "prediction": 0.0}]
    )
    assert len(read.faults) == MAX_EXTRAS + 1
    assert read.faults[0] == Fault(0, "e0", "extra", 0.0)
    assert read.faults[-1] == Fault(0, "*", "extra", 36.0)


def test_an_extra_is_seen_beside_a_missing_feature() -> None:
    read = ColumnReader(_card(FeatureSpec(type="number"))).read(
        [{"features": {"y": "red"}, "prediction": 0.0}, {"features": {"x": 1}, "prediction": 0}]
    )
    assert read.faults == (Fault(0, "x", "missing", None), Fault(0, "y", "extra", "red"))


def test_a_class_is_text_however_it_was_logged() -> None:
    raw = [True, 1, 1.0, "1", 0, "2", math.nan, 10**30]
    reader = ColumnReader(_churn("multiclass", classes=["0", "1"]))
    read = reader.read([{"features": {"x": 1.0}, "prediction": value} for value in raw])
    assert read.categories["prediction"] == ["1", "1", "1", "1", "0", "2", None, "1e+30"]
    assert [(fault.row, fault.reason) for fault in read.faults] == [
        (5, "unseen_category"),
        (6, "non_finite"),
        (7, "unseen_category"),
    ]
    assert "score" not in read.numbers


def test_a_regression_answers_with_a_number() -> None:
    raw: list[Any] = [1.5, 2, "3", True, math.inf]
    events = [{"features": {"x": 1.0}, "prediction": value} for value in raw]
    read = ColumnReader(_churn("regression")).read(events)
    np.testing.assert_array_equal(read.numbers["prediction"], [1.5, 2.0, np.nan, np.nan, np.nan])
    assert [fault.reason for fault in read.faults] == ["wrong_type", "wrong_type", "non_finite"]


def test_an_absent_score_is_no_fault_and_a_broken_one_is() -> None:
    scores: list[dict[str, Any]] = [{}, {"score": None}, {"score": 0.5}, {"score": 1.5}]
    events = [{"features": {"x": 1.0}, "prediction": 1} | score for score in scores]
    read = ColumnReader(_churn("binary")).read(events)
    np.testing.assert_array_equal(read.numbers["score"], [np.nan, np.nan, 0.5, 1.5])
    assert read.faults == (Fault(3, "score", "out_of_range", 1.5),)


def test_a_broken_number_in_scores_or_attributions_is_named_by_its_path() -> None:
    event = {"features": {"x": 1.0}, "prediction": "a", "attributions": {"x": math.nan}}
    read = ColumnReader(_churn("multiclass")).read([event])
    assert read.faults == (Fault(0, "attributions.x", "non_finite", "NaN"),)

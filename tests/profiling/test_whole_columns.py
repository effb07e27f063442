"""Rows read by whole columns and rows read as events of the stream are the same columns."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.profiling.dataset import Dataset, frame_dataset
from monitor.validation.columns import ColumnReader, Columns
from schemas.model import FeatureSpec, ModelCard

ROWS = 6
KINDS: tuple[st.SearchStrategy[Any], ...] = (
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, -999, 2**53 + 1, 120]),
    st.sampled_from([0.0, 1.0, -999.0, 0.5, math.inf]),
    st.booleans(),
    st.sampled_from(["a", "b", "1", "NA", "", "x" * 20]),
    st.sampled_from([1, 0.5, True, "a", "NA", 10**400, -999]),
    st.datetimes().map(lambda moment: pd.Timestamp(moment.replace(year=2026), tz="UTC")),
)


@st.composite
def columns_of_one_kind(draw: st.DrawFn) -> list[Any]:
    kind = draw(st.sampled_from(KINDS))
    values = kind if draw(st.booleans()) else st.one_of(st.none(), kind)
    return draw(st.lists(values, min_size=ROWS, max_size=ROWS))


@st.composite
def specs(draw: st.DrawFn) -> FeatureSpec:
    kind = draw(st.sampled_from(["number", "category", "boolean"]))
    limits: dict[str, Any] = {}
    if kind == "number" and draw(st.booleans()):
        limits = {"min": 0, "max": draw(st.sampled_from([1, 99]))}
    if kind == "category" and draw(st.booleans()):
        limits = {"categories": ("a", "1", "NA")}
    hidden = draw(st.lists(st.sampled_from([-999, "", "NA", 1, 2**53 + 1]), max_size=2))
    nullable = draw(st.booleans())
    return FeatureSpec(type=kind, nullable=nullable, hidden_nulls=tuple(hidden), **limits)


def assert_same(by_columns: Columns, by_events: Columns) -> None:
    assert by_columns.faults == by_events.faults
    assert by_columns.categories == by_events.categories
    assert list(by_columns.numbers) == list(by_events.numbers)
    for name, numbers in by_events.numbers.items():
        np.testing.assert_array_equal(by_columns.numbers[name], numbers)


def both(dataset: Dataset, card: ModelCard, start: int, stop: int) -> tuple[Columns, Columns]:
    reader = ColumnReader(card, string_chars=16)
    return dataset.read(reader, start, stop), reader.read(dataset.events(card, start, stop))


@settings(max_examples=100, deadline=None)
@given(
    feature=specs(),
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    raw=st.fixed_dictionaries({"x": columns_of_one_kind(), "prediction": columns_of_one_kind()}),
    scores=st.lists(st.one_of(st.none(), st.floats()), min_size=ROWS, max_size=ROWS),
    cut=st.integers(0, ROWS),
)
def test_whole_columns_are_read_as_events_are(
    feature: FeatureSpec, task: Any, raw: dict[str, list[Any]], scores: list[Any], cut: int
) -> None:
    card = ModelCard(model="m", model_version="1", task=task, features={"x": feature})
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in raw.items()})
    frame["score"] = pd.Series(scores, dtype=object)
    frame["score_a"] = frame["score"]
    dataset = frame_dataset(frame, card)
    for start, stop in ((0, ROWS), (cut, ROWS)):
        assert_same(*both(dataset, card, start, stop))


def test_an_output_that_the_file_lacks_is_no_fault() -> None:
    card = ModelCard(
        model="m", model_version="1", task="binary", features={"x": FeatureSpec(type="number")}
    )
    read = frame_dataset(pd.DataFrame({"x": [1.0, 2.0]}), card).read(ColumnReader(card))
    assert read.faults == ()
    assert read.categories == {"prediction": [None, None]}
    assert np.isnan(read.numbers["score"]).all()


def test_a_frame_without_rows_or_features_is_refused() -> None:
    card = ModelCard(
        model="m", model_version="1", task="binary", features={"age": FeatureSpec(type="number")}
    )
    with pytest.raises(ConfigError, match="no rows"):
        frame_dataset(pd.DataFrame({"age": []}), card)
    with pytest.raises(ConfigError, match="rename column 'Age'"):
        frame_dataset(pd.DataFrame({"Age": [1]}), card)

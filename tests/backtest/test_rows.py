"""Rows of a file are the records of the stream, whichever way they are read."""

import numpy as np
import pandas as pd
import pytest

from monitor.backtest.rows import RowBatch, RowValidator, check_rows
from monitor.config import LimitSettings
from monitor.errors import ConfigError
from monitor.events import Validated
from monitor.profiling.dataset import Dataset, frame_dataset
from monitor.validation.validator import Validator
from schemas.model import ModelCard
from tests.backtest.conftest import rows

N = 400
TOPICS = ("predictions", "labels")


def messy() -> pd.DataFrame:
    """Rows with something of everything that can be wrong."""
    frame = rows(N, seed=3).astype({"amount": object, "prediction": object, "items": object})
    frame.loc[3, "amount"] = None
    frame.loc[4, "amount"] = -999
    frame.loc[5, "amount"] = 51.5
    frame.loc[6, "items"] = None
    frame.loc[7, "items"] = np.inf
    frame.loc[8, "country"] = None
    frame.loc[9, "country"] = "x" * 600
    frame.loc[10, "score"] = 1.5
    frame.loc[11, "prediction"] = None
    frame.loc[12, "event_id"] = "y" * 201
    frame.loc[13, "event_id"] = ""
    frame.loc[14, "occurred_at"] = pd.Timestamp("1969-12-31", tz="UTC")
    frame.loc[15, "occurred_at"] = pd.Timestamp("2200-01-01", tz="UTC")
    frame.loc[16, "model_version"] = "v" * 129
    frame.loc[[20, 40, 41], "model_version"] = "2"
    frame.loc[0, "model_version"] = "0"
    return frame


def read(dataset: Dataset, card: ModelCard) -> tuple[Validated, Validated]:
    """By whole columns, and record by record."""
    batch = RowBatch(0, dataset.n_rows, dataset, card, TOPICS[0])
    by_columns = RowValidator(LimitSettings(), *TOPICS)
    by_records = Validator(LimitSettings(), *TOPICS)
    by_columns.set_card(card)
    by_records.set_card(card)
    return by_columns.validate(batch), by_records.validate(list(batch))


def test_a_file_is_validated_as_the_records_that_it_stands_for(card: ModelCard) -> None:
    ours, theirs = read(frame_dataset(messy(), card), card)
    assert [r.offset for r in theirs.rejected] == [11, 12, 13, 14, 15, 16]
    assert ours.rejected == theirs.rejected
    assert [(p.model_version, len(p)) for p in ours.predictions] == [("0", 1), ("1", 390), ("2", 3)]
    for mine, other in zip(ours.predictions, theirs.predictions, strict=True):
        assert mine.registered == other.registered
        assert (mine.topic, mine.partition) == (other.topic, other.partition)
        assert mine.event_ids == other.event_ids
        assert mine.categories == other.categories
        assert mine.faults == other.faults
        np.testing.assert_array_equal(mine.offsets, other.offsets)
        np.testing.assert_array_equal(mine.occurred_us, other.occurred_us)
        assert list(mine.numbers) == list(other.numbers)
        for name, values in other.numbers.items():
            np.testing.assert_array_equal(mine.numbers[name], values)
    faults = {(fault.row, fault.feature, fault.reason) for fault in ours.predictions[1].faults}
    assert {reason for _, _, reason in faults} == {
        "hidden_null",
        "out_of_range",
        "null",
        "non_finite",
        "oversize",
    }


def test_events_are_made_when_they_are_asked_for(card: ModelCard) -> None:
    ours, _ = read(frame_dataset(messy(), card), card)
    other = ours.predictions[2]
    assert [event["event_id"] for event in other.events] == other.event_ids
    assert [event["model_version"] for event in other.events[1:]] == ["2", "2"]


def test_what_the_file_lacks_is_made_up_from_its_rows(card: ModelCard) -> None:
    frame = rows(3, seed=1).drop(columns=["event_id", "occurred_at", "model_version"])
    [columns] = read(frame_dataset(frame, card), card)[0].predictions
    assert columns.event_ids == ["row-0", "row-1", "row-2"]
    assert columns.model_version == "1"
    assert columns.occurred_us.tolist() == [0, 0, 0]


def test_a_file_without_predictions_is_tested_for_what_it_has(card: ModelCard) -> None:
    frame = rows(3, seed=1).drop(columns=["prediction", "score"])
    validated, _ = read(frame_dataset(frame, card), card)
    [columns] = validated.predictions
    assert validated.rejected == ()
    assert columns.categories["prediction"] == [None] * 3
    assert columns.faults == ()


def test_a_score_that_is_no_number_is_a_mistake_of_the_file(card: ModelCard) -> None:
    with pytest.raises(ConfigError, match="column score: holds text"):
        check_rows(frame_dataset(rows(3, seed=1, score="high"), card))

"""Columns as values: what fits becomes what is asked for, a fault names file, row and column."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from producers.errors import InputFileError
from producers.rows import Batch

START = datetime(2013, 3, 1, 12, tzinfo=UTC)


def one(**values: Any) -> Batch:
    return Batch("file.csv", 11, {name: pa.array(column) for name, column in values.items()})


def test_texts_become_numbers_booleans_and_times() -> None:
    batch = one(
        n=["1", " 2.5", "NA", "", None, "1e3"],
        b=["true", "False", "1", "0", "", "NA"],
        t=[
            "2013-03-01T12:00:00Z",
            "2013-03-01T14:00:00+02:00",
            "2013-03-01 12:00:00",
            "",
            "NA",
            "NaN",
        ],
        a=["true", "1", "0.5", "late", "", "NA"],
    )
    assert batch.numbers("n") == [1, 2.5, None, None, None, 1000.0]
    assert batch.booleans("b") == [True, False, True, False, None, None]
    noon_us = int(START.timestamp() * 1e6)
    assert batch.times_us("t").tolist() == [noon_us] * 3 + [-1] * 3
    assert batch.answers("a") == [True, 1, 0.5, "late", None, "NA"]


@pytest.mark.parametrize(
    ("column", "read", "words"),
    [
        (["1", "x"], "numbers", r"file.csv, row 12, column 'c': 'x' is not a number"),
        (["1", "inf"], "numbers", r"row 12, column 'c': 'inf' is not a number"),
        ([True, False], "numbers", r"row 11, column 'c': True is not a number"),
        (["1", "maybe"], "booleans", r"row 12, column 'c': 'maybe' is not a boolean"),
        (["2013-03-01T12:00:00Z", "soon"], "times_us", r"row 12, column 'c': 'soon' is not a time"),
        ([1, 2], "times_us", r"row 11, column 'c': a time is text or a timestamp, not int64"),
        ([{"a": 1}, None], "texts", r"row 11, column 'c': a category is text, not struct"),
        (["a", None], "required", r"row 12, column 'c': no value, but every row needs one"),
    ],
)
def test_a_fault_names_row_and_column(column: list[Any], read: str, words: str) -> None:
    with pytest.raises(InputFileError, match=words):
        getattr(one(c=column), read)("c")

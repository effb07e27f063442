"""Rows as typed columns: what a replay reads, whatever they came from.

In: Arrow columns of a part of a file or table. Out: their values as Python's own, of the type that
is asked for. Never: a value guessed. What does not fit is an `InputFileError` that names file, row
and column; rows count from 1, the header of a CSV file not among them.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from producers.errors import InputFileError

BATCH_ROWS: Final = 5_000
NO_NUMBER: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})
"""Texts that stand for "no value" in a column of numbers, booleans or times."""
_TRUE: Final = frozenset({"true", "True", "TRUE", "1"})
_FALSE: Final = frozenset({"false", "False", "FALSE", "0"})
RawColumns = dict[str, Any]
_UTC_US: Final = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows `first_row` and following of `source`, as columns."""

    source: str
    first_row: int
    columns: Mapping[str, pa.Array]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def error(self, index: int, column: str, problem: str) -> InputFileError:
        """What is wrong with one value."""
        row = self.first_row + index
        return InputFileError(f"{self.source}, row {row}, column {column!r}: {problem}")

    def required(self, column: str) -> pa.Array:
        """A column without a gap."""
        array = self.columns[column]
        if array.null_count:
            gap = array.is_null().to_pylist().index(True)
            raise self.error(gap, column, "no value, but every row needs one")
        return array

    def texts(self, column: str) -> list[str | None]:
        """Values as text; numbers as their digits."""
        array = self.columns[column]
        if pa.types.is_nested(array.type) or pa.types.is_binary(array.type):
            raise self.error(0, column, f"a category is text, not {array.type}")
        values: list[str | None] = array.cast(pa.string()).to_pylist()
        return values

    def numbers(self, column: str) -> list[float | int | None]:
        """Values as numbers; text must look like one."""
        array = self.columns[column]
        kind = array.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
            if pa.types.is_decimal(kind):
                array = array.cast(pa.float64())
            else:
                return [self._number(i, column, v) for i, v in enumerate(array.to_pylist())]
        values: list[float | int | None] = array.to_pylist()
        return values

    def booleans(self, column: str) -> list[bool | None]:
        """Values as booleans; 0 and 1, "true" and "false" are some."""
        array = self.columns[column]
        if pa.types.is_boolean(array.type) or pa.types.is_null(array.type):
            values: list[bool | None] = array.to_pylist()
            return values
        return [self._boolean(i, column, v) for i, v in enumerate(array.to_pylist())]

    def answers(self, column: str) -> list[bool | int | float | str | None]:
        """Predictions or labels as they are; text that is a boolean or a number becomes one."""
        values = self.columns[column].to_pylist()
        return [_answer(value) if isinstance(value, str) else value for value in values]

    def times_us(self, column: str) -> NDArray[np.int64]:
        """Times as microseconds since 1970; -1 where there is none. Without an offset: UTC."""
        array = self.columns[column]
        kind = array.type
        if pa.types.is_timestamp(kind) or pa.types.is_null(kind):
            array = array.cast(_UTC_US if getattr(kind, "tz", None) else pa.timestamp("us"))
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            array = self._parsed_times(column, array)
        else:
            raise self.error(0, column, f"a time is text or a timestamp, not {kind}")
        filled = array.cast(pa.int64()).fill_null(-1)
        times_us: NDArray[np.int64] = filled.to_numpy(zero_copy_only=False).astype(np.int64)
        return times_us

    def _parsed_times(self, column: str, texts: pa.Array) -> pa.Array:
        texts = compute.if_else(
            compute.is_in(texts, value_set=pa.array(sorted(NO_NUMBER))), None, texts
        )
        for kind in (_UTC_US, pa.timestamp("us")):
            try:
                return texts.cast(kind)
            except pa.ArrowInvalid:
                continue
        times = [self._time(index, column, text) for index, text in enumerate(texts.to_pylist())]
        return pa.array(times, _UTC_US)

    def _time(self, index: int, column: str, text: str | None) -> Any:
        if text is None:
            return None
        for kind in (_UTC_US, pa.timestamp("us")):
            try:
                return pa.scalar(text).cast(kind).as_py()
            except pa.ArrowInvalid:
                continue
        raise self.error(index, column, f"{text!r} is not a time such as 2013-03-01T12:00:00Z")

    def _number(self, index: int, column: str, value: Any) -> float | int | None:
        if value is None or (isinstance(value, str) and value.strip() in NO_NUMBER):
            return None
        if isinstance(value, str):
            number = _parsed_number(value)
            if number is not None:
                return number
        elif isinstance(value, int | float) and not isinstance(value, bool):
            return value
        raise self.error(index, column, f"{value!r} is not a number")

    def _boolean(self, index: int, column: str, value: Any) -> bool | None:
        if value is None:
            return None
        text = str(int(value)) if value in (0, 1) else str(value)
        if text in NO_NUMBER:
            return None
        if text not in _TRUE and text not in _FALSE:
            raise self.error(index, column, f"{value!r} is not a boolean")
        return text in _TRUE


def numbered(source: str, parts: Iterable[RawColumns]) -> Iterator[Batch]:
    """Columns as batches that know their rows' numbers."""
    row = 1
    for columns in parts:
        batch = Batch(source, row, columns)
        yield batch
        row += len(batch)


def table_batches(table: pa.Table, source: str) -> Iterator[Batch]:
    """Batches of a table in memory."""
    parts = table.to_batches(max_chunksize=BATCH_ROWS)
    return numbered(source, (dict(zip(p.schema.names, p.columns, strict=True)) for p in parts))


def _answer(text: str) -> bool | int | float | str | None:
    if text == "":
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    number = _parsed_number(text)
    return text if number is None else number


def _parsed_number(text: str) -> float | int | None:
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None

"""Files of rows as typed columns, batch by batch.

In: CSV, Parquet or NDJSON (an object a line; `features` may be an object inside it), or a table in
memory. Out: `Batch`es of Arrow columns, at most 5,000 rows each, and their values as Python's own.
Never: a whole file in memory, a value guessed: what does not fit is an `InputFileError` that names
file, row and column. Rows count from 1, the header of a CSV file not among them.
"""

import contextlib
import io
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, csv, parquet

from producers.errors import InputFileError

BATCH_ROWS: Final = 5_000
CSV_BLOCK_BYTES: Final = 1 << 20
NO_NUMBER: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"})
"""Texts that stand for "no value" in a column of numbers, booleans or times."""
_TRUE: Final = frozenset({"true", "True", "TRUE", "1"})
_FALSE: Final = frozenset({"false", "False", "FALSE", "0"})
_Columns = dict[str, Any]
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


def column_names(path: Path) -> list[str]:
    """The columns of a file; of NDJSON those of its first row."""
    return _format(path).names(path)


def read_batches(path: Path, columns: Sequence[str], optional: Sequence[str]) -> Iterator[Batch]:
    """Batches of a file by its name's ending; `optional` columns only where the file has them.

    What is wrong with the file as a whole is raised at once, what is wrong with a row on the way.
    """
    names = column_names(path)
    missing = [name for name in columns if name not in names]
    if missing:
        raise InputFileError(
            f"{path} has no column {', '.join(map(repr, missing))}: it has {', '.join(names)}. "
            "Map a field to the column that holds it"
        )
    wanted = [*columns, *(name for name in optional if name in names)]
    return _numbered(str(path), _format(path).read(path, wanted))


def _numbered(source: str, parts: Iterable[_Columns]) -> Iterator[Batch]:
    row = 1
    for columns in parts:
        batch = Batch(source, row, columns)
        yield batch
        row += len(batch)


def table_batches(table: pa.Table, source: str) -> Iterator[Batch]:
    """Batches of a table in memory."""
    parts = table.to_batches(max_chunksize=BATCH_ROWS)
    return _numbered(source, (dict(zip(p.schema.names, p.columns, strict=True)) for p in parts))


@dataclass(frozen=True, slots=True)
class _Format:
    names: Callable[[Path], list[str]]
    read: Callable[[Path, list[str]], Iterator[_Columns]]


def _format(path: Path) -> _Format:
    if not path.is_file():
        raise InputFileError(f"{path} is not a file")
    ending = next((part for part in reversed(path.suffixes) if part not in (".gz", ".zst")), "")
    found = _FORMATS.get(ending)
    if found is None:
        raise InputFileError(f"{path} ends in {ending!r}: replay reads {', '.join(_FORMATS)}")
    return found


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise InputFileError(f"{path}: {error}") from None


# Row numbers in Arrow's messages are right only without threads.
_CSV_READING: Final = csv.ReadOptions(block_size=CSV_BLOCK_BYTES, use_threads=False)


def _csv_names(path: Path) -> list[str]:
    with _told(path), csv.open_csv(path, read_options=_CSV_READING) as head:
        names: list[str] = head.schema.names
        return names


def _csv_batches(path: Path, wanted: list[str]) -> Iterator[_Columns]:
    converting = csv.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.string()),
        include_columns=wanted,
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=False,
    )
    parsing = csv.ParseOptions(newlines_in_values=True)
    with (
        _told(path),
        csv.open_csv(
            path, read_options=_CSV_READING, convert_options=converting, parse_options=parsing
        ) as file,
    ):
        for block in file:
            for start in range(0, len(block), BATCH_ROWS):
                part = block.slice(start, BATCH_ROWS)
                yield dict(zip(wanted, part.columns, strict=True))


def _parquet_names(path: Path) -> list[str]:
    with _told(path), parquet.ParquetFile(path) as file:
        names: list[str] = file.schema_arrow.names
        return names


def _parquet_batches(path: Path, wanted: list[str]) -> Iterator[_Columns]:
    with _told(path), parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
            yield dict(zip(batch.schema.names, batch.columns, strict=True))


def _ndjson_rows(path: Path) -> Iterator[dict[str, Any]]:
    with _told(path), io.BufferedReader(pa.input_stream(str(path))) as file:
        for number, line in enumerate(file, start=1):
            if not line.isspace():
                yield _object(path, number, line)


def _ndjson_names(path: Path) -> list[str]:
    return list(next(_ndjson_rows(path), {}))


def _ndjson_batches(path: Path, wanted: list[str]) -> Iterator[_Columns]:
    rows = _ndjson_rows(path)
    while part := list(itertools.islice(rows, BATCH_ROWS)):
        yield {name: _array([row.get(name) for row in part]) for name in wanted}


_FORMATS: Final = {
    ".csv": _Format(_csv_names, _csv_batches),
    ".parquet": _Format(_parquet_names, _parquet_batches),
    ".ndjson": _Format(_ndjson_names, _ndjson_batches),
    ".jsonl": _Format(_ndjson_names, _ndjson_batches),
}


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputFileError(f"{path}, row {number}: not JSON ({error})") from None
    if not isinstance(row, dict):
        raise InputFileError(f"{path}, row {number}: a JSON object is needed, not {row!r:.50}")
    features = row.get("features")
    return row | features if isinstance(features, dict) else row


def _array(values: list[Any]) -> Any:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        # Of several types: as text, so that the conversion can name the row that does not fit.
        return pa.array([None if value is None else str(value) for value in values])


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

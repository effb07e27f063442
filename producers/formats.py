"""Files of rows, batch by batch: CSV, Parquet, or NDJSON.

In: a path (NDJSON is an object a line; its `features` may be an object inside it). Out: `Batch`es
of at most 5,000 rows. Never: a whole file in memory. A file that does not fit is an
`InputFileError` that names what is wrong with it.
"""

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
from pyarrow import csv, parquet

from producers.errors import InputFileError
from producers.rows import BATCH_ROWS, Batch, RawColumns, numbered

CSV_BLOCK_BYTES: Final = 1 << 20


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
    return numbered(str(path), _format(path).read(path, wanted))


@dataclass(frozen=True, slots=True)
class _Format:
    names: Callable[[Path], list[str]]
    read: Callable[[Path, list[str]], Iterator[RawColumns]]


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


def _csv_batches(path: Path, wanted: list[str]) -> Iterator[RawColumns]:
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


def _parquet_batches(path: Path, wanted: list[str]) -> Iterator[RawColumns]:
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


def _ndjson_batches(path: Path, wanted: list[str]) -> Iterator[RawColumns]:
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

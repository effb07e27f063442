"""Data files: CSV, Parquet or newline-delimited JSON in, columns out.

The suffix says the format; `.gz`, `.bz2` and `.zst` behind it are unpacked. Never: a value changed
on the way; a broken row passed over.
"""

import csv
import io
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from monitor.errors import ConfigError
from monitor.profiling.columns import (
    Column,
    declared_number,
    inferred_column,
    mixed_column,
    number_column,
    parses_as_number,
    text_column,
    time_column,
)
from schemas.values import NULL_WORDS

Declared = Mapping[str, str]
"""Column name to what the model card calls it: number, boolean or category."""

IDENTIFIERS: Final = frozenset({"event_id", "request_id", "entity_id", "model", "model_version"})
"""Columns that are text whatever they look like."""

_COMPRESSED: Final = (".gz", ".bz2", ".zst")
_NESTED: Final = {"features": "", "scores": "score_"}
"""Objects of a prediction event whose members become columns, with what goes before the name."""


def read_columns(path: Path, declared: Declared) -> dict[str, Column]:
    """All columns of a data file; ConfigError names file, column, row, value and fix."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    read = _READERS.get(suffixes[-1] if suffixes else "")
    if read is None:
        raise ConfigError(
            f"{path}: the suffix says no format: name it {', '.join(sorted(_READERS))} "
            f"(with {', '.join(_COMPRESSED)} behind it if compressed)"
        )
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: give the path of a CSV, Parquet or NDJSON file")
    try:
        columns = read(path, declared)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read: {error}: save it as UTF-8") from None
    except (OSError, EOFError, pa.ArrowException) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if not columns or not len(next(iter(columns.values()))):
        raise ConfigError(f"{path} holds no rows: a data file needs at least one")
    return columns


def frame_columns(frame: pd.DataFrame, source: str) -> dict[str, Column]:
    """All columns of a data frame; `source` names it in errors."""
    _check_names(source, [str(name) for name in frame.columns])
    if frame.empty:
        raise ConfigError(f"{source} holds no rows: at least one is needed")
    columns = {}
    for name, series in frame.items():
        try:
            values = pa.Array.from_pandas(series)
        except (pa.ArrowException, OverflowError):  # several kinds side by side, huge integers
            columns[str(name)] = _json_column(str(name), series.tolist())
        else:
            columns[str(name)] = _arrow_column(source, str(name), values)
    return columns


def _read_csv(path: Path, declared: Declared) -> dict[str, Column]:
    with _open_text(path) as text:
        names = next(csv.reader(text), [])
    _check_names(path, names)
    table = pyarrow.csv.read_csv(
        str(path),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    columns = {}
    for name in table.column_names:
        text = table[name].combine_chunks()
        if name in IDENTIFIERS or declared.get(name) == "category":
            columns[name] = text_column(name, text)
        elif declared.get(name) in ("number", "boolean") or _numbers_beside_null_words(text):
            columns[name] = declared_number(name, text)
        else:
            columns[name] = inferred_column(name, text)
    return columns


def _numbers_beside_null_words(text: Any) -> bool:
    """Whether a column is numbers but for some words such as NA."""
    words = set(pc.unique(text).to_pylist()) - {None}
    numbers = {word for word in words if parses_as_number(word)}
    rest = words - numbers
    return bool(numbers and rest) and all(word.strip().lower() in NULL_WORDS for word in rest)


def _read_parquet(path: Path, declared: Declared) -> dict[str, Column]:
    del declared  # Parquet says its own types
    with pa.input_stream(str(path), compression=_compression(path)) as stream:
        table = pyarrow.parquet.read_table(io.BytesIO(stream.read()))
    _check_names(path, table.column_names)
    return {name: _arrow_column(path, name, table[name]) for name in table.column_names}


def _arrow_column(path: Path | str, name: str, chunks: Any) -> Column:
    values = chunks.combine_chunks() if isinstance(chunks, pa.ChunkedArray) else chunks
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _arrow_column(path, name, values.cast(kind.value_type))
    if pa.types.is_boolean(kind):
        return Column(name, "boolean", values)
    if name not in IDENTIFIERS and (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    ):
        return number_column(name, values)
    if pa.types.is_timestamp(kind):
        return time_column(name, values)
    if pa.types.is_date(kind):
        return time_column(name, values.cast(pa.timestamp("ms")))
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise ConfigError(
            f"{path}, column {name}: its type {kind} is none of a feature: "
            "write numbers, text, booleans or times"
        )
    return text_column(name, values)


def _read_ndjson(path: Path, declared: Declared) -> dict[str, Column]:
    del declared  # JSON says its own types
    values: dict[str, list[Any]] = {}
    n_rows = 0
    with _open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            for name, value in _flat(path, number, line).items():
                column = values.setdefault(name, [])
                column.extend([None] * (n_rows - len(column)))
                column.append(value)
            n_rows += 1
    for column in values.values():
        column.extend([None] * (n_rows - len(column)))
    return {name: _json_column(name, column) for name, column in values.items()}


def _json_column(name: str, values: list[Any]) -> Column:
    if name in IDENTIFIERS:
        text = [None if value is None else str(value) for value in values]
        return text_column(name, pa.array(text, pa.string()))
    column = mixed_column(name, values)
    if column.kind == "text" and name == "occurred_at":
        return inferred_column(name, column.values)
    return column


def _flat(path: Path, number: int, line: str) -> dict[str, Any]:
    """One line as column values; `features` and `scores` of a prediction event are unfolded."""
    try:
        loaded = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path}, line {number}: {line.strip()[:60]!r} is not JSON ({error}): "
            "write one object a line"
        ) from None
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path}, line {number}: {line.strip()[:60]!r} is not an object")
    row: dict[str, Any] = {}
    for name, value in loaded.items():
        if name in _NESTED and isinstance(value, dict):
            row |= {f"{_NESTED[name]}{key}": inner for key, inner in value.items()}
        elif not isinstance(value, dict | list):
            row[name] = value
    return row


def _check_names(path: Path | str, names: Collection[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if not name.strip():
            raise ConfigError(f"{path}: a column has no name: give every column one")
        if name in seen:
            raise ConfigError(f"{path}: column {name} stands there twice: rename one of them")
        seen.add(name)


def _compression(path: Path) -> str | None:
    return {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}.get(path.suffix.lower())


def _open_text(path: Path) -> io.TextIOWrapper:
    stream = pa.input_stream(str(path), compression=_compression(path))
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


_READERS: Final[Mapping[str, Callable[[Path, Declared], dict[str, Column]]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".ndjson": _read_ndjson,
    ".jsonl": _read_ndjson,
}

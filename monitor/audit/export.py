"""Rows as files: predictions, outcomes, alerts, rejections of a model and a stretch of time.

In: a `Reader`, what to export, where to. Out: a Parquet or CSV file and how many rows it has.
Never: more than a batch of rows in memory; a file under its name before it is whole.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from monitor.errors import ConfigError
from monitor.storage.audit_queries import (
    EXPORTED_ALERTS,
    EXPORTED_OUTCOMES,
    EXPORTED_PREDICTIONS,
    EXPORTED_REJECTIONS,
)
from monitor.storage.queries import Query
from monitor.storage.reader import Reader

Format = Literal["parquet", "csv"]
EXPORTS: Final[dict[str, Query]] = {
    "predictions": EXPORTED_PREDICTIONS,
    "outcomes": EXPORTED_OUTCOMES,
    "alerts": EXPORTED_ALERTS,
    "rejections": EXPORTED_REJECTIONS,
}
_ROWS_A_GROUP: Final = 65_536
"""Rows of a Parquet row group: what is in memory at once."""


def export(
    reader: Reader,
    what: str,
    file: Path,
    *,
    model: str,
    since: datetime,
    until: datetime,
    form: Format,
    on_rows: Callable[[int], None],
) -> int:
    """Write the rows between two moments (event time; of rejections, append time); their number.

    `on_rows` is told how many were written, again and again.
    """
    if since >= until:
        raise ConfigError(
            f"nothing lies between {since} and {until}: --since must be before --until"
        )
    asked = {"model": model, "since": since, "until": until}
    part = file.with_name(f"{file.name}.part")
    write = _parquet if form == "parquet" else _csv
    try:
        rows = write(reader.stream(EXPORTS[what], asked), part, on_rows)
        part.replace(file)
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return rows


def _parquet(batches: Iterator[pa.RecordBatch], file: Path, on_rows: Callable[[int], None]) -> int:
    schema = next(batches).schema
    rows, held = 0, list[pa.RecordBatch]()
    with pa.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            held.append(batch)
            rows += batch.num_rows
            if sum(one.num_rows for one in held) >= _ROWS_A_GROUP:
                writer.write_table(pa.Table.from_batches(held), row_group_size=_ROWS_A_GROUP)
                held = []
                on_rows(rows)
        writer.write_table(pa.Table.from_batches(held, schema))
    on_rows(rows)
    return rows


def _csv(batches: Iterator[pa.RecordBatch], file: Path, on_rows: Callable[[int], None]) -> int:
    first, rows = _flat(next(batches)), 0
    with pa.csv.CSVWriter(file, first.schema) as writer:
        for batch in batches:
            writer.write_batch(_flat(batch))
            rows += batch.num_rows
            on_rows(rows)
    return rows


def _flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same with JSON in the place of maps and lists, and times as ISO 8601."""
    columns = [_flat_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _flat_column(column: Any) -> Any:
    kind = column.type
    if pa.types.is_map(kind):
        texts = [None if row is None else _json(dict(row)) for row in column.to_pylist()]
    elif pa.types.is_list(kind):
        texts = [None if row is None else _json(row) for row in column.to_pylist()]
    elif pa.types.is_timestamp(kind):
        texts = [None if at is None else _iso(at) for at in column.to_pylist()]
    else:
        return column
    return pa.array(texts, pa.string())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_iso)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

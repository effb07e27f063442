"""Rows that ClickHouse refuses for what is in them: found by halving, told as rejections.

In: a refused insert. Out: its good rows stored, its bad ones one by one. Never: a row stored
before an earlier one of its source partition, nor after a bad one that was not told yet: whatever
crash cuts it off, what is stored is a prefix, and every gap in it has its rejection.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np

from monitor.errors import StorageError
from monitor.events import LabelColumns, PredictionColumns, RejectedRecord
from monitor.storage.store import REFUSED, StoreBatch, StoredUntil, new_rows

Place = tuple[str, int, int]
"""Topic, partition and offset of a record."""

OF_CONTENT: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        153,  # ILLEGAL_DIVISION
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        395,  # FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: a view that watches over the rows
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
    }
)
"""Codes that say that a row is at fault. With any other, every row would be refused."""

MOST_INSERTS: Final = 2_000
"""So often a refused insert is halved; then what is refused is not looked into further."""
MESSAGE_CHARS: Final = 300


def store_by_halves(
    rows: Any,
    insert: Callable[[Any], None],
    refuse: Callable[[Any, StorageError], None],
) -> None:
    """Insert every row of a refused Arrow table but those at fault, which go to `refuse`.

    Rows are inserted in their order, and `refuse` is called before any later row is inserted.
    Raises the StorageError that is not about the rows.
    """
    waiting, inserts = _halves(rows), 0
    while waiting:
        piece = waiting.pop()
        inserts += 1
        try:
            insert(piece)
        except StorageError as again:
            if again.code not in OF_CONTENT:
                raise
            if piece.num_rows == 1 or inserts > MOST_INSERTS:
                refuse(piece, again)
            else:
                waiting += _halves(piece)


def refusal(batch: StoreBatch, place: Place, message: str) -> RejectedRecord:
    """The rejection of the prediction or label at `place`, which the store refused.

    Its original is the validated event, in which sensitive features are masked already.
    """
    topic, partition, offset = place
    for columns in _parts(batch):
        if (columns.topic, columns.partition) != (topic, partition):
            continue
        row = int(np.searchsorted(columns.offsets, offset))
        if row < len(columns) and columns.offsets[row] == offset:
            return RejectedRecord(
                topic=topic,
                partition=partition,
                offset=offset,
                appended_us=int(columns.appended_us[row]),
                model=columns.model,
                reasons=((REFUSED, "", message[:MESSAGE_CHARS]),),
                original=json.dumps(columns.events[row], default=str).encode(),
            )
    raise ValueError(f"{topic}[{partition}] offset {offset} is not in this batch")


def refused_before(batch: StoreBatch, stored: Iterable[StoredUntil]) -> list[RejectedRecord]:
    """The rejections of those rows that were refused before a restart.

    Later rows of theirs are stored, so that they are not tried again: their rejection was stored
    before those, but may not have been published.
    """
    found = []
    for until in stored:
        for columns in _parts(batch):
            if not until.refused or columns.topic != until.topic:
                continue
            is_label = isinstance(columns, LabelColumns)
            mark = (until.labels if is_label else until.predictions).get(columns.partition)
            new = new_rows(columns.offsets, columns.appended_us, mark)
            for row in () if new is None else np.flatnonzero(~new).tolist():
                offset = int(columns.offsets[row])
                message = until.refused.get((columns.partition, offset))
                if message is not None:
                    place = (columns.topic, columns.partition, offset)
                    found.append(refusal(batch, place, message))
    return found


def in_log_order(rows: Any) -> Any:
    """The rows of an Arrow table, all of one topic, by source partition and offset."""
    return rows.sort_by([("partition", "ascending"), ("offset", "ascending")])


def places(rows: Any) -> list[Place]:
    """Topic, partition and offset of each row of an Arrow table."""
    columns = (rows.column(name).to_pylist() for name in ("topic", "partition", "offset"))
    return list(zip(*columns, strict=True))


def _parts(batch: StoreBatch) -> Iterator[PredictionColumns | LabelColumns]:
    yield from batch.predictions
    yield from batch.labels


def _halves(rows: Any) -> list[Any]:
    """The later half, then the earlier one: the last is taken first."""
    middle = rows.num_rows // 2
    return [rows.slice(middle), rows.slice(0, middle)] if middle else [rows]

"""The store in ClickHouse: one insert per table and commit, all models together.

In: the rows of a commit. Out: rows in ClickHouse, or StorageError. Never: a row twice after a
repeat (the tables' keys end in topic, partition, offset, so that repeats collapse), an insert that
spans two months of a table (an insert is atomic within one table partition only).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa

from monitor.alerts import AlertMove
from monitor.clock import to_us
from monitor.config import ClickHouseSettings
from monitor.storage.connection import Connection
from monitor.storage.schema import migrate
from monitor.storage.store import StoreBatch, StoredUntil, Watermark
from monitor.storage.tables import (
    MONTHLY_TABLES,
    alert_rows,
    audit_rows,
    batch_tables,
    card_rows,
    profile_rows,
)
from schemas import ModelCard

_STORED_UNTIL: Final = """
SELECT 'predictions' AS source, partition, max(offset) AS offset, max(appended_at) AS appended_at
FROM predictions WHERE topic = {topic:String} GROUP BY partition
UNION ALL
SELECT 'labels', partition, max(offset), max(appended_at)
FROM labels WHERE topic = {topic:String} GROUP BY partition
UNION ALL
SELECT 'rejections', partition, max(offset), max(appended_at)
FROM rejections WHERE topic = {topic:String} GROUP BY partition
"""
"""Predictions and labels answer from a projection: one row a part, however many rows are stored."""

_PROFILE: Final = """
SELECT content FROM profiles WHERE profile_hash = {profile_hash:String} LIMIT 1
"""


class ClickHouseStore:
    """Rows to ClickHouse with the writer's account."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.connection = Connection(settings)

    def migrate(self) -> list[str]:
        """Create what is missing; gives the names of the migrations applied now."""
        return migrate(self.connection)

    def store(self, batch: StoreBatch) -> None:
        """Step 1 of a commit: predictions, labels, rejections, panes, findings."""
        for table, rows in batch_tables(batch):
            self._insert(table, rows)

    def store_alerts(self, moves: Sequence[AlertMove]) -> None:
        """Step 3 of a commit: the moves that were just published."""
        if moves:
            self._insert("alerts", alert_rows(moves))

    def stored_until(self, topic: str) -> StoredUntil:
        """How far the rows of a topic are stored, for a restore."""
        marks: dict[str, dict[int, Watermark]] = {table: {} for table in MONTHLY_TABLES}
        for row in self.connection.query(_STORED_UNTIL, {"topic": topic}):
            marks[row["source"]][row["partition"]] = Watermark(
                row["offset"], to_us(row["appended_at"])
            )
        return StoredUntil(topic, **marks)

    def save_card(self, card: ModelCard, *, appended_us: int) -> None:
        """Keep a registration."""
        self._insert("cards", card_rows(card, appended_us=appended_us))

    def save_profile(self, profile_hash: str, content: bytes) -> None:
        """Keep a reference profile under its content address, once."""
        if self.load_profile(profile_hash) is None:
            self._insert("profiles", profile_rows(profile_hash, content))

    def save_audit(self, profile_hash: str, dataset_fingerprint: str, audit: str) -> None:
        """Keep the data audit (JSON) of the data set that a profile was built from."""
        self._insert("audits", audit_rows(profile_hash, dataset_fingerprint, audit))

    def load_profile(self, profile_hash: str) -> bytes | None:
        """A reference profile, or None when there is none of this address."""
        rows = self.connection.query(_PROFILE, {"profile_hash": profile_hash}, binary=("content",))
        return rows[0]["content"] if rows else None

    def close(self) -> None:
        """Let go of the sockets."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _insert(self, table: str, rows: Any) -> None:
        monthly = table in MONTHLY_TABLES
        for piece in _months(rows) if monthly else (rows,):
            self.connection.insert(table, piece)


def _months(rows: Any) -> Iterator[Any]:
    """The rows by month of append time, oldest first: nearly always one piece."""
    months = (
        rows.column("appended_at")
        .combine_chunks()
        .cast(pa.int64())
        .to_numpy()
        .view("datetime64[us]")
        .astype("datetime64[M]")
    )
    if months.min() == months.max():
        yield rows
        return
    for month in np.unique(months):
        yield rows.filter(pa.array(months == month))

"""The store in ClickHouse: one insert per table and commit, all models together.

In: the rows of a commit. Out: rows in ClickHouse, or StorageError. Never: a row twice after a
repeat (the tables' keys end in topic, partition, offset, so that repeats collapse), an insert that
spans two months of a table (an insert is atomic within one table partition only).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa

from monitor.alerts import AlertMove
from monitor.clock import to_us
from monitor.config import ClickHouseSettings
from monitor.decisions import AcceptedTurn, Boundary, Ruling
from monitor.errors import StorageError
from monitor.events import RejectedRecord
from monitor.storage.baseline_rows import baseline_rows
from monitor.storage.cohort_rows import (
    LABEL_SCHEMA,
    LABELS_OF_SQL,
    LABELS_SQL,
    PREDICTION_SCHEMA,
    PREDICTIONS_SQL,
    CohortSpan,
    PendingRows,
    as_schema,
    with_pending,
)
from monitor.storage.connection import Connection
from monitor.storage.refusal import OF_CONTENT, in_log_order, places, refusal, store_by_halves
from monitor.storage.schema import migrate
from monitor.storage.store import REFUSED, StoreBatch, StoredUntil, Watermark
from monitor.storage.tables import (
    MONTHLY_TABLES,
    alert_rows,
    audit_rows,
    batch_tables,
    boundary_rows,
    card_rows,
    command_rows,
    profile_rows,
    rejection_rows,
)
from schemas import ModelCard

log = logging.getLogger(__name__)

_EVENT_TABLES: Final = ("predictions", "labels")
"""A row that is refused here is a record of the log, and becomes a rejection."""

_STORED_UNTIL: Final = """
SELECT 'predictions' AS source, partition, max(offset) AS offset, max(appended_at) AS appended_at
FROM predictions WHERE topic = {topic:String} GROUP BY partition
UNION ALL
SELECT 'labels', partition, max(offset), max(appended_at)
FROM labels WHERE topic = {topic:String} GROUP BY partition
UNION ALL
SELECT 'rejections', partition, max(offset), max(appended_at)
FROM rejections WHERE topic = {topic:String} AND NOT has(reasons, {refused:String})
GROUP BY partition
"""
"""Predictions and labels answer from a projection: one row a part, however many rows are stored."""

_REFUSED: Final = """
SELECT partition, offset, messages[1] AS message
FROM rejections WHERE topic = {topic:String} AND has(reasons, {refused:String})
ORDER BY partition, offset DESC LIMIT {most:UInt32} BY partition
"""
_MOST_REFUSED: Final = 50_000
"""More than a commit holds records: the older ones were published."""

_PROFILE: Final = """
SELECT content FROM profiles WHERE profile_hash = {profile_hash:String} LIMIT 1
"""


class ClickHouseStore:
    """Rows to ClickHouse with the writer's account; to read alone, with the `reader`'s."""

    def __init__(self, settings: ClickHouseSettings, *, reader: bool = False) -> None:
        self.connection = Connection(settings, reader=reader)

    def migrate(self) -> list[str]:
        """Create what is missing; gives the names of the migrations applied now."""
        return migrate(self.connection)

    def store(self, batch: StoreBatch) -> Sequence[RejectedRecord]:
        """Step 1 of a commit: predictions, labels, rejections, panes, findings.

        Gives the predictions and labels that ClickHouse refused for what is in them.
        """
        refused: list[RejectedRecord] = []
        for table, rows in batch_tables(batch):

            def reject(bad: Any, error: StorageError) -> None:
                records = [refusal(batch, place, str(error)) for place in places(bad)]
                self._insert("rejections", rejection_rows(records))
                refused.extend(records)

            self._insert(table, rows, reject if table in _EVENT_TABLES else None)
        return refused

    def store_alerts(self, moves: Sequence[AlertMove]) -> None:
        """Step 3 of a commit: the moves that were just published."""
        if moves:
            self._insert("alerts", alert_rows(moves))

    def store_decisions(
        self,
        boundaries: Sequence[Boundary],
        rulings: Sequence[Ruling],
        baselines: Sequence[AcceptedTurn] = (),
    ) -> None:
        """Step 3 of a commit: what of boundaries and decisions the state just published holds."""
        if boundaries:
            self._insert("boundaries", boundary_rows(boundaries))
        if rulings:
            self._insert("commands", command_rows(rulings))
        if baselines:
            self._insert("baselines", baseline_rows(baselines))

    def stored_until(self, topic: str) -> StoredUntil:
        """How far the rows of a topic are stored, for a restore."""
        marks: dict[str, dict[int, Watermark]] = {table: {} for table in MONTHLY_TABLES}
        named = {"topic": topic, "refused": REFUSED}
        for row in self.connection.query(_STORED_UNTIL, named):
            marks[row["source"]][row["partition"]] = Watermark(
                row["offset"], to_us(row["appended_at"])
            )
        rows = self.connection.query(_REFUSED, {**named, "most": _MOST_REFUSED})
        refused = {(row["partition"], row["offset"]): row["message"] for row in rows}
        return StoredUntil(topic, **marks, refused=refused)

    def cohort_rows(self, span: CohortSpan, pending: PendingRows) -> tuple[Any, Any] | None:
        """See `Store.cohort_rows`."""
        given = span.parameters()

        def named(ids: Sequence[str]) -> list[Any]:
            return [self._table(LABELS_OF_SQL, LABEL_SCHEMA, {**given, "ids": list(ids)})]

        stored = (
            self._table(PREDICTIONS_SQL, PREDICTION_SCHEMA, given),
            self._table(LABELS_SQL, LABEL_SCHEMA, given),
        )
        return with_pending(span, stored, named, pending)

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

    def _table(self, sql: str, schema: Any, given: Mapping[str, Any]) -> Any:
        used = {name: value for name, value in given.items() if f"{{{name}:" in sql}
        return as_schema(schema, pa.Table.from_batches(self.connection.arrow(sql, used)))

    def _insert(
        self, table: str, rows: Any, refuse: Callable[[Any, StorageError], None] | None = None
    ) -> None:
        """All rows of a table but those that ClickHouse refuses for what is in them."""
        for piece in _months(rows) if table in MONTHLY_TABLES else (rows,):
            try:
                self.connection.insert(table, piece)
            except StorageError as error:
                if error.code not in OF_CONTENT:
                    raise
                log.warning("%s; looking for the rows at fault among %d", error, piece.num_rows)
                store_by_halves(
                    in_log_order(piece) if table in _EVENT_TABLES else piece,
                    lambda part: self.connection.insert(table, part),
                    refuse or partial(self._give_up, table),
                )

    def _give_up(self, table: str, rows: Any, error: StorageError) -> None:
        """Nothing may be blocked by a row that was made from others, or is told on a topic."""
        log.error("%d rows of %s are not stored: %s", rows.num_rows, table, error)


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

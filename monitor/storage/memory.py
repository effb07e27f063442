"""A store in memory, with the contract of the real one: for backtests and tests.

In: the rows of a commit. Out: the same rows, as the same tables. Never: a file, a network.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from monitor.alerts import AlertMove
from monitor.clock import to_us
from monitor.decisions import AcceptedTurn, Boundary, Ruling
from monitor.errors import StorageError
from monitor.events import RejectedRecord
from monitor.storage.baseline_rows import baseline_rows
from monitor.storage.cohort_rows import (
    CohortSpan,
    PendingRows,
    labels_among,
    of_memory,
    with_pending,
)
from monitor.storage.refusal import Place, places, refusal
from monitor.storage.store import REFUSED, StoreBatch, StoredUntil, Watermark
from monitor.storage.tables import (
    MONTHLY_TABLES,
    alert_rows,
    batch_tables,
    boundary_rows,
    card_rows,
    command_rows,
    rejection_rows,
)
from schemas import ModelCard

KEYS: Final = {
    "predictions": ("model", "occurred_at", "topic", "partition", "offset"),
    "labels": ("model", "event_id", "request_id", "topic", "partition", "offset"),
    "rejections": ("topic", "partition", "offset"),
    "pane_summaries": (
        "model",
        "model_version",
        "column",
        "started_at",
        "pane",
        "topic",
        "partition",
        "first_offset",
    ),
    "findings": (
        "model",
        "alertname",
        "feature",
        "ended_at",
        "model_version",
        "segment",
        "check",
        "scale",
        "first_event",
        "topic",
        "partition",
        "first_offset",
        "last_offset",
    ),
    "alerts": ("model", "fingerprint", "event_id"),
    "cards": ("model", "model_version", "appended_at", "card_hash"),
    "boundaries": (
        "model",
        "model_version",
        "topic",
        "partition",
        "offset",
        "change",
        "card_hash",
    ),
    "commands": ("model", "fingerprint", "topic", "partition", "offset"),
    "baselines": ("model", "model_version", "column", "command_id", "turn"),
    "cohorts": ("model", "model_version", "segment", "cohort_start", "topic", "partition"),
    "comparisons": ("model", "new_version", "old_version", "blocks", "topic", "partition"),
}
"""By what a repeated row is recognised: the sorting keys of the tables."""


class MemoryStore:
    """Rows in memory. `refusals` are raised first, one a call: a store that is away.

    >>> store = MemoryStore()
    >>> store.store(StoreBatch())
    []
    >>> store.rows("predictions")
    []
    """

    def __init__(self) -> None:
        self.refusals: deque[StorageError] = deque()
        self.unfit: dict[Place, str] = {}
        """Predictions and labels that are not taken, by their place in the log: in which words."""
        self._tables: dict[str, list[Any]] = {table: [] for table in KEYS}
        self._profiles: dict[str, bytes] = {}

    def store(self, batch: StoreBatch) -> Sequence[RejectedRecord]:
        """Step 1 of a commit; gives what was not taken (`unfit`)."""
        self._refuse()
        refused: list[RejectedRecord] = []
        for table, rows in batch_tables(batch):
            kept = rows
            if self.unfit and table in ("predictions", "labels"):
                fits = [place not in self.unfit for place in places(rows)]
                kept = rows.filter(pa.array(fits))
                unfit = [place for place in places(rows) if place in self.unfit]
                refused += [refusal(batch, place, self.unfit[place]) for place in unfit]
            self._tables[table].append(kept)
        if refused:
            self._tables["rejections"].append(rejection_rows(refused))
        return refused

    def store_alerts(self, moves: Sequence[AlertMove]) -> None:
        """Step 3 of a commit."""
        self._refuse()
        if moves:
            self._tables["alerts"].append(alert_rows(moves))

    def store_decisions(
        self,
        boundaries: Sequence[Boundary],
        rulings: Sequence[Ruling],
        baselines: Sequence[AcceptedTurn] = (),
    ) -> None:
        """Step 3 of a commit."""
        self._refuse()
        if boundaries:
            self._tables["boundaries"].append(boundary_rows(boundaries))
        if rulings:
            self._tables["commands"].append(command_rows(rulings))
        if baselines:
            self._tables["baselines"].append(baseline_rows(baselines))

    def stored_until(self, topic: str) -> StoredUntil:
        """How far the rows of a topic are stored."""
        self._refuse()
        marks: dict[str, dict[int, Watermark]] = {table: {} for table in MONTHLY_TABLES}
        for table, found in marks.items():
            for row in self.rows(table):
                if row["topic"] == topic and REFUSED not in row.get("reasons", ()):
                    last = found.get(row["partition"], Watermark(row["offset"], 0))
                    found[row["partition"]] = Watermark(
                        max(last.offset, row["offset"]),
                        max(last.appended_us, to_us(row["appended_at"])),
                    )
        refused = {
            (row["partition"], row["offset"]): row["messages"][0]
            for row in self.rows("rejections")
            if row["topic"] == topic and REFUSED in row["reasons"]
        }
        return StoredUntil(topic, **marks, refused=refused)

    def cohort_rows(self, span: CohortSpan, pending: PendingRows) -> tuple[Any, Any] | None:
        """See `Store.cohort_rows`."""
        self._refuse()
        labels = self._tables["labels"]

        def named(ids: Sequence[str]) -> list[Any]:
            known = pa.chunked_array([list(ids)], pa.string())
            return [labels_among(labels, span, known)]

        return with_pending(
            span, of_memory(span, self._tables["predictions"], labels), named, pending
        )

    def save_card(self, card: ModelCard, *, appended_us: int) -> None:
        """Keep a registration."""
        self._refuse()
        self._tables["cards"].append(card_rows(card, appended_us=appended_us))

    def save_profile(self, profile_hash: str, content: bytes) -> None:
        """Keep a reference profile."""
        self._refuse()
        self._profiles.setdefault(profile_hash, content)

    def load_profile(self, profile_hash: str) -> bytes | None:
        """A reference profile, or None when there is none of this address."""
        self._refuse()
        return self._profiles.get(profile_hash)

    def close(self) -> None:
        """Nothing to let go of."""

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table, repeats collapsed, in the order of its key."""
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for rows in self._tables[table]:
            maps = [name for name in rows.schema.names if pa.types.is_map(rows[name].type)]
            for row in rows.to_pylist():
                row.update({name: dict(row[name]) for name in maps})
                found[tuple(row[name] for name in KEYS[table])] = row
        return [found[key] for key in sorted(found)]

    def _refuse(self) -> None:
        if self.refusals:
            raise self.refusals.popleft()

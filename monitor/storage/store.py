"""What every store can do, and the batch that it is given.

In: the rows of one commit. Out: the contract `Store`, kept by `ClickHouseStore` and `MemoryStore`.
Never: anything of ClickHouse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from monitor.alerts import AlertMove
from monitor.decisions import AcceptedTurn, Boundary, Ruling
from monitor.events import (
    Bool,
    Int64,
    LabelColumns,
    PaneSummary,
    PredictionColumns,
    RejectedRecord,
)
from monitor.findings import Finding
from monitor.performance.report import CohortReport
from schemas import ModelCard

if TYPE_CHECKING:
    from monitor.storage.cohort_rows import CohortSpan, PendingRows

REFUSED: Final = "refused_by_store"
"""Reason of the rejection of a valid record whose row the store would not take."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far one source partition is stored: its largest offset and largest append time.

    A row is stored already when neither is above these. Both are asked, because a topic that was
    deleted and created again counts its offsets from 0.
    """

    offset: int
    appended_us: int


@dataclass(frozen=True, slots=True)
class StoredUntil:
    """How far the rows of one topic are stored, by table and source partition."""

    topic: str
    predictions: Mapping[int, Watermark] = field(default_factory=dict)
    labels: Mapping[int, Watermark] = field(default_factory=dict)
    rejections: Mapping[int, Watermark] = field(default_factory=dict)
    """Of the records that validation rejected."""
    refused: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """(partition, offset) of the newest records that the store refused, with its words."""


@dataclass(frozen=True, slots=True)
class StoreBatch:
    """The rows of one commit, but for the alert moves: those are stored after publishing.

    Rows of one source partition stand in offset order.
    """

    predictions: Sequence[PredictionColumns] = ()
    labels: Sequence[LabelColumns] = ()
    rejected: Sequence[RejectedRecord] = ()
    panes: Sequence[PaneSummary] = ()
    findings: Sequence[Finding] = ()
    cohorts: Sequence[CohortReport] = ()

    def after(self, *stored: StoredUntil) -> "StoreBatch":
        """The batch without the rows that are stored already (one `StoredUntil` per topic)."""
        by_topic = {until.topic: until for until in stored}
        predictions = []
        for columns in self.predictions:
            until = by_topic.get(columns.topic)
            mark = until.predictions.get(columns.partition) if until else None
            kept = new_rows(columns.offsets, columns.appended_us, mark)
            predictions.append(columns if kept is None else columns.rows(np.flatnonzero(kept)))
        labels = []
        for truths in self.labels:
            until = by_topic.get(truths.topic)
            mark = until.labels.get(truths.partition) if until else None
            kept = new_rows(truths.offsets, truths.appended_us, mark)
            labels.append(truths if kept is None else _kept_labels(truths, kept))
        rejected = []
        for record in self.rejected:
            until = by_topic.get(record.topic)
            mark = until.rejections.get(record.partition) if until else None
            if mark is None or record.offset > mark.offset or record.appended_us > mark.appended_us:
                rejected.append(record)
        return replace(
            self,
            predictions=[columns for columns in predictions if len(columns)],
            labels=[truths for truths in labels if len(truths)],
            rejected=rejected,
        )


class Store(Protocol):
    """Where the rows go.

    A call either returns, and the rows are stored, or raises StorageError, and the same call may
    be made again: rows that were stored before do not double. The batch is never changed.
    """

    def store(self, batch: StoreBatch) -> Sequence[RejectedRecord]:
        """Step 1 of a commit; gives the predictions and labels that the store would not take.

        Their rejections are stored already, and are to be published. All other rows are stored.
        """
        ...

    def store_alerts(self, moves: Sequence[AlertMove]) -> None:
        """Step 3 of a commit: the moves that were just published."""
        ...

    def store_decisions(
        self,
        boundaries: Sequence[Boundary],
        rulings: Sequence[Ruling],
        baselines: Sequence[AcceptedTurn] = (),
    ) -> None:
        """Step 3 of a commit: what of boundaries and decisions the state just published holds."""
        ...

    def stored_until(self, topic: str) -> StoredUntil:
        """How far the rows of a topic are stored, for a restore."""
        ...

    def cohort_rows(self, span: "CohortSpan", pending: "PendingRows") -> tuple[Any, Any] | None:
        """The predictions and the labels of a cohort, as Arrow tables in offset order.

        With those of `pending`, which are on their way. None without a prediction.
        """
        ...

    def save_card(self, card: ModelCard, *, appended_us: int) -> None:
        """Keep a registration; `appended_us` is the broker's append time of the card."""
        ...

    def save_profile(self, profile_hash: str, content: bytes) -> None:
        """Keep a reference profile under its content address."""
        ...

    def load_profile(self, profile_hash: str) -> bytes | None:
        """A reference profile, or None when there is none of this address."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def new_rows(offsets: Int64, appended_us: Int64, mark: Watermark | None) -> Bool | None:
    """Which rows are new, or None when all are."""
    if mark is None or not len(offsets) or offsets[0] > mark.offset:
        return None
    return (offsets > mark.offset) | (appended_us > mark.appended_us)


def _kept_labels(columns: LabelColumns, kept: Bool) -> LabelColumns:
    rows = np.flatnonzero(kept)
    return replace(
        columns,
        offsets=columns.offsets[rows],
        appended_us=columns.appended_us[rows],
        observed_us=columns.observed_us[rows],
        events=[columns.events[row] for row in rows],
    )

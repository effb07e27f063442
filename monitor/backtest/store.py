"""The store of a backtest: findings and alert moves, and how many rows there were.

In: the rows of a commit. Out: what the report needs of them. Never: a prediction kept, it
stands in the file; unless labels are to be held against it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from monitor.alerts import AlertMove
from monitor.events import RejectedRecord
from monitor.performance.report import CohortReport
from monitor.storage.memory import MemoryStore
from monitor.storage.store import StoreBatch
from monitor.storage.tables import finding_rows


class ReportStore(MemoryStore):
    """A store in memory that keeps findings, moves and cohorts and counts the rest.

    With `keeps_rows` it keeps predictions and labels too, so that cohorts can be read back.
    """

    def __init__(self, *, keeps_rows: bool = False) -> None:
        super().__init__()
        self._keeps_rows = keeps_rows
        self.cohorts: list[CohortReport] = []
        self._findings: list[Any] = []
        self.moves: list[AlertMove] = []
        self.events_by_version: Counter[str] = Counter()
        """Valid events of each model version."""
        self.repeated = 0
        self.refused: Counter[str] = Counter()
        """Rows that are no predictions, by their first reason."""
        self.faults: Counter[tuple[str, str]] = Counter()
        """Value faults by (feature, reason)."""

    def store(self, batch: StoreBatch) -> Sequence[RejectedRecord]:
        """Step 1 of a commit; nothing is refused."""
        if self._keeps_rows:
            super().store(StoreBatch(predictions=batch.predictions, labels=batch.labels))
        self.cohorts += batch.cohorts
        if batch.findings:
            self._findings.append(finding_rows(batch.findings))
        for columns in batch.predictions:
            self.events_by_version[columns.model_version] += len(columns)
            self.repeated += int(columns.repeated.sum())
            self.faults.update((fault.feature, fault.reason) for fault in columns.faults)
        self.refused.update(record.reasons[0][0] for record in batch.rejected)
        return ()

    def store_alerts(self, moves: Sequence[AlertMove]) -> None:
        """Step 3 of a commit."""
        self.moves += moves

    def findings(self) -> Any:
        """All findings as one Arrow table with the columns of the table in ClickHouse."""
        return pa.concat_tables(self._findings) if self._findings else finding_rows([])

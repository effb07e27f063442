"""The labels of a backtest: rows of a file in the order in which they were observed.

In: a `Dataset` of labels, the model card. Out: `LabelBatch`es, which the validator of rows reads by
whole columns. Never: a label before it was observed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
import pyarrow as pa

from monitor.backtest.record import RowRecord
from monitor.clock import to_datetime
from monitor.events import Int64, LabelColumns, Record
from monitor.profiling.dataset import LABEL, Dataset
from schemas.model import ModelCard

PARTITION: Final = 0


@dataclass(frozen=True, slots=True)
class LabelBatch(Sequence[Record]):
    """Labels [start, stop) in the order of `rows`, each made a record only when it is asked for."""

    dataset: Dataset
    card: ModelCard
    topic: str
    rows: Int64
    """Rows of the file by time observed: the label at offset i is row `rows[i]`."""
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        offset = range(self.start, self.stop)[index]
        row = int(self.rows[offset])
        columns = self.dataset.columns
        observed_us = int(observed(self.dataset)[row])
        label = {
            "model": self.card.model,
            "event_id": columns["event_id"].to_list(row, row + 1)[0],
            "label": columns[LABEL].to_list(row, row + 1)[0],
            "observed_at": to_datetime(observed_us).isoformat(),
        }
        return RowRecord(
            topic=self.topic,
            partition=PARTITION,
            offset=offset,
            timestamp=observed_us // 1_000,
            key=self.card.model.encode(),
            value=json.dumps(label).encode(),
        )

    def columns(self) -> LabelColumns:
        """These labels as validation gives them."""
        rows = self.rows[self.start : self.stop].tolist()
        columns = self.dataset.columns
        ids, labels = columns["event_id"].to_list(), columns[LABEL].to_list()
        observed_us = observed(self.dataset)[rows]
        return LabelColumns(
            model=self.card.model,
            topic=self.topic,
            partition=PARTITION,
            offsets=np.arange(self.start, self.stop, dtype=np.int64),
            appended_us=observed_us,
            observed_us=observed_us,
            events=[{"event_id": ids[row], "label": labels[row]} for row in rows],
        )


class LabelRows:
    """All labels of a file, handed out up to a moment.

    A label without a value is left out: nobody would have sent it.
    """

    def __init__(self, dataset: Dataset, card: ModelCard, topic: str) -> None:
        self._dataset = dataset
        self._card = card
        self._topic = topic
        times = observed(dataset)
        told = ~np.asarray(dataset.columns[LABEL].values.is_null(), np.bool_)
        order = np.argsort(times, kind="stable")
        self._rows: Int64 = order[told[order]].astype(np.int64)
        self._times = times[self._rows]
        self._next = 0

    def until(self, time_us: int | None = None) -> LabelBatch:
        """The next labels, those observed up to a moment, or all that are left."""
        start = self._next
        end = len(self._rows)
        if time_us is not None:
            end = max(start, int(np.searchsorted(self._times, time_us, side="right")))
        self._next = end
        return LabelBatch(self._dataset, self._card, self._topic, self._rows, start, end)


def observed(labels: Dataset) -> Int64:
    """When each label was observed, microseconds since 1970."""
    return np.asarray(labels.columns["observed_at"].values.cast(pa.int64()), np.int64)

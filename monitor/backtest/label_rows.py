"""The labels of a backtest: rows of a file in the order in which they were observed.

In: a `Dataset` of labels, the model card. Out: `LabelBatch`es, which the validator of rows reads by
whole columns. Never: a label before it was observed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.backtest.record import PARTITION, FileBatch, RowRecord
from monitor.clock import to_datetime
from monitor.events import Int64, LabelColumns, Record
from monitor.profiling.dataset import LABEL, Dataset
from schemas.model import ModelCard


@dataclass(frozen=True, slots=True)
class LabelBatch(FileBatch):
    """Labels in the order in which they were observed: the place in it is the offset."""

    card: ModelCard
    topic: str
    event_ids: Sequence[Any]
    """Of all labels of the file, as `labels` and `times_us`."""
    labels: Sequence[Any]
    times_us: Int64

    def record(self, offset: int) -> Record:
        """A label as the record of it."""
        observed_us = int(self.times_us[offset])
        label = {
            "model": self.card.model,
            "event_id": self.event_ids[offset],
            "label": self.labels[offset],
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
        observed_us = self.times_us[self.start : self.stop]
        return LabelColumns(
            model=self.card.model,
            topic=self.topic,
            partition=PARTITION,
            offsets=np.arange(self.start, self.stop, dtype=np.int64),
            appended_us=observed_us,
            observed_us=observed_us,
            events=[
                {"event_id": self.event_ids[place], "label": self.labels[place]}
                for place in range(self.start, self.stop)
            ],
        )


class LabelRows:
    """All labels of a file, handed out up to a moment.

    A label without a value is left out: nobody would have sent it.
    """

    def __init__(self, dataset: Dataset, card: ModelCard, topic: str) -> None:
        self._card = card
        self._topic = topic
        columns = dataset.columns
        times = np.asarray(columns["observed_at"].values.cast(pa.int64()), np.int64)
        told = ~np.asarray(columns[LABEL].values.is_null(), np.bool_)
        order = np.argsort(times, kind="stable")
        rows = order[told[order]]
        ids, labels = columns["event_id"].to_list(), columns[LABEL].to_list()
        self._event_ids = [ids[row] for row in rows.tolist()]
        self._labels = [labels[row] for row in rows.tolist()]
        self._times_us: Int64 = times[rows]
        self._next = 0

    def until(self, time_us: int | None = None) -> LabelBatch:
        """The next labels, those observed up to a moment, or all that are left."""
        start = self._next
        end = len(self._times_us)
        if time_us is not None:
            end = max(start, int(np.searchsorted(self._times_us, time_us, side="right")))
        self._next = end
        return LabelBatch(
            start, end, self._card, self._topic, self._event_ids, self._labels, self._times_us
        )

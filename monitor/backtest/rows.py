"""Steps 1 and 2 of a backtest: rows of a file as micro-batches of the stream's records.

In: a `Dataset` in the file's order, the model card. Out: `RowBatch`es, and what validation makes of
them. Row i is the record at offset i of partition 0, so a finding names rows as it names offsets.
Never: a rule of its own: values are read by the stream's reader, and a row that the contract may
refuse is shown to the stream's validator as the record that it would be. Rows become JSON for that
alone, which keeps the fast path free of it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.backtest.label_rows import LabelBatch
from monitor.backtest.record import PARTITION, FileBatch, RowRecord
from monitor.config import LimitSettings
from monitor.errors import ConfigError
from monitor.events import Bool, Int64, PredictionColumns, Record, Validated
from monitor.profiling.columns import Column
from monitor.profiling.dataset import NO_TIME_US, Dataset
from monitor.validation.columns import ColumnReader, Columns
from monitor.validation.moments import LATEST_US
from monitor.validation.timing import future_faults
from monitor.validation.validator import Validator
from schemas.contract import MAX_ID_CHARS, MAX_NAME_CHARS, SENT_AT_HEADER
from schemas.model import ModelCard
from schemas.values import HashKey

BATCH_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class RowBatch(FileBatch):
    """Rows of a data set: the row is the offset."""

    dataset: Dataset
    card: ModelCard
    topic: str

    def record(self, offset: int) -> Record:
        """A row as the record of a prediction."""
        event = RowEvents(self.dataset, self.card, np.array([offset]))[0]
        event["occurred_at"] = event["occurred_at"].isoformat()
        present = {name: value for name, value in event.items() if value is not None}
        return RowRecord(
            topic=self.topic,
            partition=PARTITION,
            offset=offset,
            timestamp=0,
            key=self.card.model.encode(),
            value=json.dumps(present).encode(),
            headers=self._sent(offset),
        )

    def _sent(self, row: int) -> list[tuple[str, bytes]]:
        """The header that says when the row was sent."""
        sent_us = self.dataset.rows(row, row + 1).sent_us
        return [] if sent_us is None else [(SENT_AT_HEADER, b"%d" % max(int(sent_us[0]), 0))]


@dataclass(frozen=True, slots=True)
class RowEvents(Sequence[dict[str, Any]]):
    """Rows as prediction events, each made only when it is asked for."""

    dataset: Dataset
    card: ModelCard
    rows: Int64

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> "RowEvents": ...
    def __getitem__(self, index: int | slice) -> "dict[str, Any] | RowEvents":
        if isinstance(index, slice):
            return RowEvents(self.dataset, self.card, self.rows[index])
        row = int(self.rows[index])
        return self.dataset.events(self.card, row, row + 1)[0]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """All of them, made together."""
        if not len(self.rows):
            return
        first = int(self.rows[0])
        events = self.dataset.events(self.card, first, int(self.rows[-1]) + 1)
        yield from (events[place] for place in (self.rows - first).tolist())


def row_batches(dataset: Dataset, card: ModelCard, topic: str) -> Iterator[RowBatch]:
    """All rows in the file's order."""
    for start in range(0, dataset.n_rows, BATCH_ROWS):
        stop = min(start + BATCH_ROWS, dataset.n_rows)
        yield RowBatch(start, stop, dataset, card, topic)


class RowValidator(Validator):
    """The stream's validator, which reads a `RowBatch` by whole columns.

    The last batch is remembered, so that several pipelines can be given the same one.
    """

    def __init__(
        self,
        limits: LimitSettings,
        prediction_topic: str,
        label_topic: str,
        key: HashKey | None = None,
    ) -> None:
        super().__init__(limits, prediction_topic, label_topic, key)
        self._string_chars = limits.string_chars
        self._card_readers: dict[tuple[str, str], ColumnReader] = {}
        self._last: tuple[RowBatch, Validated] | None = None

    def set_card(self, card: ModelCard) -> None:
        """Take the card of a model version."""
        super().set_card(card)
        reader = ColumnReader(card, string_chars=self._string_chars, key=self._key)
        self._card_readers[card.model, card.model_version] = reader

    def validate(self, records: Sequence[Record]) -> Validated:
        """See `Validator.validate`."""
        if isinstance(records, LabelBatch):
            return Validated((), (records.columns(),), ())
        if not isinstance(records, RowBatch):
            return super().validate(records)
        if self._last is None or self._last[0] is not records:
            self._last = (records, self._read_batch(records))
        return self._last[1]

    def _read_batch(self, batch: RowBatch) -> Validated:
        suspects = np.flatnonzero(_suspect(batch))
        judged = super().validate([batch[place] for place in suspects.tolist()])
        refused = [record.offset - batch.start for record in judged.rejected]
        kept = np.ones(len(batch), dtype=np.bool_)
        kept[refused] = False
        return Validated(tuple(self._by_version(batch, kept)), (), judged.rejected)

    def _by_version(self, batch: RowBatch, kept: Bool) -> Iterator[PredictionColumns]:
        for version, mask in _versions(batch, kept):
            rows = None if mask.all() else np.flatnonzero(mask)
            dataset = batch.dataset.rows(batch.start, batch.stop, rows)
            reader = self._card_readers.get((batch.card.model, version))
            columns = Columns({}, {}, ()) if reader is None else dataset.read(reader)
            n = dataset.n_rows
            offsets = np.arange(batch.start, batch.stop, dtype=np.int64)[mask]
            occurred_us = dataset.occurred_us
            if occurred_us is None:
                occurred_us = np.full(n, NO_TIME_US, dtype=np.int64)
            sent_us = dataset.sent_us
            if sent_us is None:
                sent_us = occurred_us
            late, _ = dataset.time_faults(reader.known if reader is not None else frozenset())
            future = future_faults(occurred_us, sent_us, self._tolerance_us)
            yield PredictionColumns(
                model=batch.card.model,
                model_version=version,
                registered=reader is not None,
                topic=batch.topic,
                partition=PARTITION,
                offsets=offsets,
                appended_us=sent_us,
                occurred_us=occurred_us,
                sent_us=sent_us,
                event_ids=_event_ids(batch, dataset, offsets),
                numbers=columns.numbers,
                categories=columns.categories,
                faults=(*columns.faults, *future, *late),
                events=RowEvents(batch.dataset, batch.card, offsets),
                repeated=np.zeros(n, dtype=np.bool_),
                signals=dataset.signals(),
            )


def check_rows(dataset: Dataset) -> None:
    """Raise ConfigError where a whole column makes the file none of predictions."""
    score = dataset.columns.get("score")
    if score is not None and score.kind not in ("number", "empty"):
        raise ConfigError(
            f"{dataset.source}, column score: holds {score.kind}, but a score is a number: "
            "correct the column or rename it"
        )


def has_texts(dataset: Dataset, name: str) -> bool:
    """Whether a column of identifiers is there without a gap; a gap makes it useless."""
    column = dataset.columns.get(name)
    return column is not None and column.null_count() == 0


def _suspect(batch: RowBatch) -> Bool:
    """The rows that the contract might refuse, none of which it refuses left out."""
    dataset = batch.dataset
    found = np.zeros(len(batch), dtype=np.bool_)
    for name, longest in (("event_id", MAX_ID_CHARS), ("model_version", MAX_NAME_CHARS)):
        if has_texts(dataset, name):
            size = pc.utf8_length(dataset.columns[name].part(batch.start, batch.stop).values)
            chars = size.to_numpy(zero_copy_only=False)
            found |= (chars < 1) | (chars > longest)
    if "prediction" in dataset.columns:
        found |= _nulls(dataset.columns["prediction"].part(batch.start, batch.stop))
    moments = dataset.columns.get("occurred_at")
    if moments is not None:
        at_us = np.asarray(moments.part(batch.start, batch.stop).values.cast(pa.int64()))
        found |= (at_us < 0) | (at_us >= LATEST_US)
    return found


def _nulls(column: Column) -> Bool:
    if column.kind == "mixed":
        return np.array([value is None for value in column.values], dtype=np.bool_)
    return np.asarray(column.values.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _versions(batch: RowBatch, kept: Bool) -> Iterator[tuple[str, Bool]]:
    """The model versions of a batch with their rows, in the order of their first row."""
    if not kept.any():
        return
    names, codes = [batch.card.model_version], None
    if has_texts(batch.dataset, "model_version"):
        values = batch.dataset.columns["model_version"].part(batch.start, batch.stop).values
        encoded = values.dictionary_encode()
        names, codes = (
            encoded.dictionary.to_pylist(),
            encoded.indices.to_numpy(zero_copy_only=False),
        )
    if codes is None or len(names) == 1:
        yield str(names[0]), kept
        return
    masks = [(str(names[code]), kept & (codes == code)) for code in np.unique(codes[kept])]
    yield from sorted(masks, key=lambda pair: int(np.argmax(pair[1])))


def _event_ids(batch: RowBatch, dataset: Dataset, offsets: Int64) -> list[str]:
    if has_texts(batch.dataset, "event_id"):
        return dataset.columns["event_id"].to_list()
    return [f"row-{offset}" for offset in offsets.tolist()]

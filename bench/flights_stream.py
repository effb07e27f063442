"""The flights through a `PerformanceWatch`, as a worker would feed it: no broker, no store.

In: scored flights, one or several versions. Out: the reports of closed cohorts. Never: a label
before it was observed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from monitor.events import SIGNALS, Float64, Int64, LabelColumns, PredictionColumns
from monitor.performance.calendar import NEVER_US, LabelClock
from monitor.performance.reading import AnswerReader
from monitor.performance.reference import PerformanceReference
from monitor.performance.report import CohortReport
from monitor.performance.watch import PerformanceWatch
from monitor.profiling.card import load_card
from monitor.storage.cohort_rows import CohortSpan, PendingRows
from monitor.storage.memory import MemoryStore
from monitor.storage.store import StoreBatch
from producers import flights
from schemas import ModelCard

CARD = Path(__file__).parents[1] / "models" / "flights.yaml"
STEP = pd.Timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Shadowed:
    """Scored flights of one version and the requests that they answer."""

    card: ModelCard
    scored: pd.DataFrame
    """Columns of `flights.SCORED_COLUMNS`; the event id is also the request id."""


def flights_card(version: str = flights.MODEL_VERSION, previous: str | None = None) -> ModelCard:
    """The card of the demo's model, of another version if wanted."""
    card = load_card(CARD)
    return card.model_copy(update={"model_version": version, "previous_version": previous})


def reference_of(card: ModelCard, scored: pd.DataFrame) -> PerformanceReference:
    """What labelled reference flights tell."""
    columns = columns_of(card, scored, 0)
    truths = [None if pd.isna(one) else bool(one) for one in scored["label"]]
    found = AnswerReader(card).reference(columns.numbers, columns.categories, {}, truths)
    assert found is not None
    return found


def columns_of(card: ModelCard, scored: pd.DataFrame, first_offset: int) -> PredictionColumns:
    """Scored flights as validation gives them; ids of other versions get the version's name."""
    n = len(scored)
    times = microseconds(scored["occurred_at"])
    ids = scored["event_id"].tolist()
    prefix = "" if card.model_version == flights.MODEL_VERSION else f"{card.model_version}:"
    return PredictionColumns(
        model=card.model,
        model_version=card.model_version,
        registered=True,
        topic="plumbline.predictions",
        partition=0,
        offsets=np.arange(first_offset, first_offset + n, dtype=np.int64),
        appended_us=times,
        occurred_us=times,
        sent_us=times,
        event_ids=[prefix + one for one in ids],
        numbers={name: scored[name].to_numpy(np.float64) for name in (*flights.NUMBERS, "score")},
        categories={
            **{name: scored[name].tolist() for name in flights.CATEGORIES},
            "prediction": ["1" if yes else "0" for yes in scored["prediction"]],
        },
        faults=(),
        events=[
            {"request_id": one, "prediction": "1" if yes else "0"}
            for one, yes in zip(ids, scored["prediction"], strict=True)
        ],
        repeated=np.zeros(n, np.bool_),
        signals=np.full((len(SIGNALS), n), np.nan),
    )


def labels_of(arrived: pd.DataFrame, first_offset: int) -> LabelColumns:
    """Labels in order of arrival, by request id: every version that answered gets them."""
    times = microseconds(arrived["observed_at"])
    n = len(arrived)
    return LabelColumns(
        model=flights.MODEL,
        topic="plumbline.labels",
        partition=0,
        offsets=np.arange(first_offset, first_offset + n, dtype=np.int64),
        appended_us=times,
        observed_us=times,
        events=[
            {"request_id": request, "label": bool(label)}
            for request, label in zip(arrived["event_id"], arrived["label"], strict=True)
        ],
    )


def microseconds(moments: "pd.Series[pd.Timestamp]") -> Int64:
    """UTC moments as microseconds since 1970."""
    naive = moments.dt.tz_convert("UTC").dt.tz_localize(None).dt.as_unit("us")
    return np.asarray(naive.to_numpy().astype("datetime64[us]").astype(np.int64), np.int64)


class MemoryRows:
    """What a watch reads back, from memory."""

    topic = "plumbline.predictions"
    partition = 0

    def __init__(self, model: str) -> None:
        self._model = model
        self._store = MemoryStore()

    def show(self, groups: Sequence[PredictionColumns], labels: Sequence[LabelColumns]) -> None:
        """Store a batch."""
        self._store.store(StoreBatch(predictions=groups, labels=labels))

    def cohort_rows(
        self, started_us: int, ended_us: int, answers_below: int, truths_below: int
    ) -> tuple[Any, Any] | None:
        """See `StoredRows.cohort_rows`."""
        span = CohortSpan(
            *(self._model, self.topic, "plumbline.labels", self.partition),
            *(started_us, ended_us, answers_below, truths_below),
        )
        return self._store.cohort_rows(span, PendingRows())


class Feed:
    """Hands batches to a watch and to what it reads back; the labels' clock beside them."""

    def __init__(self, rows: MemoryRows) -> None:
        self._rows = rows
        self.clock = LabelClock()
        self._labelled = False

    def give(
        self,
        watch: PerformanceWatch,
        groups: Sequence[PredictionColumns],
        labels: LabelColumns | None,
    ) -> Iterator[CohortReport]:
        """One batch; what closes."""
        truths = [labels] if labels is not None and len(labels) else []
        self._rows.show(groups, truths)
        watch.on_predictions(groups)
        passed = self.clock.pass_labels(truths)
        if truths and not self._labelled:
            watch.cohorts.on_first_label(NEVER_US, int(truths[0].observed_us[0]))
            self._labelled = True
        if self._labelled:
            watch.cohorts.on_labels(passed)
        yield from watch.close_due()


def run(
    watch: PerformanceWatch, rows: MemoryRows, versions: Sequence[Shadowed]
) -> Iterator[CohortReport]:
    """Feed all versions' flights and their labels day by day; what closes."""
    feed = Feed(rows)
    offset = label_offset = 0
    tables = [one.scored.sort_values("occurred_at", kind="stable") for one in versions]
    union = pd.concat(tables).drop_duplicates("event_id")
    arrived = flights.arrivals(union)
    last = max(arrived["observed_at"].max(), union["occurred_at"].max()) + STEP
    moment = union["occurred_at"].min()
    while moment < last:
        until = moment + STEP
        groups = []
        for one, table in zip(versions, tables, strict=True):
            part = table[table["occurred_at"].between(moment, until, inclusive="left")]
            if len(part):
                groups.append(columns_of(one.card, part, 0))
        groups = _in_time(groups, offset)
        offset += sum(map(len, groups))
        part = arrived[arrived["observed_at"].between(moment, until, inclusive="left")]
        labels = labels_of(part, label_offset)
        label_offset += len(part)
        yield from feed.give(watch, groups, labels)
        moment = until


def _in_time(groups: Sequence[PredictionColumns], first_offset: int) -> list[PredictionColumns]:
    """Offsets in the order of time over all versions, as one log has them."""
    times = [one.occurred_us for one in groups]
    together = np.concatenate([np.zeros(0, np.int64), *times])
    place = np.empty(len(together), np.int64)
    place[np.argsort(together, kind="stable")] = np.arange(first_offset, first_offset + len(place))
    ends = np.cumsum([len(one) for one in groups])
    return [
        replace(one, offsets=place[end - len(one) : end])
        for one, end in zip(groups, ends.tolist(), strict=True)
    ]


def losses_of(truth: Float64, score: Float64) -> Float64:
    """Log loss of each row, nats."""
    p = np.clip(score, 1e-15, 1 - 1e-15)
    return np.asarray(-(truth * np.log(p) + (1 - truth) * np.log1p(-p)), np.float64)

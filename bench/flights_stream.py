"""The flights through a `PerformanceWatch`, as a worker would feed it: no broker, no store.

In: scored flights, one or several versions. Out: the reports of closed cohorts. Never: a label
before it was observed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from monitor.events import SIGNALS, Float64, Int64, LabelColumns, PredictionColumns
from monitor.performance.calendar import LabelClock
from monitor.performance.lookup import MemoryLookUp
from monitor.performance.metrics import Labelled
from monitor.performance.reading import AnswerReader
from monitor.performance.reference import PerformanceReference
from monitor.performance.watch import CohortReport, PerformanceWatch
from monitor.profiling.card import load_card
from producers import flights
from schemas import ModelCard

CARD = Path(__file__).parents[1] / "models" / "flights.yaml"
STEP = pd.Timedelta(hours=3)


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
    reader = AnswerReader(card)
    known = scored[scored["label"].notna()]
    answers = reader.answers(columns_of(card, known, 0))
    labelled = Labelled(
        known["label"].to_numpy(np.float64), answers.answer, answers.score, answers.scores
    )
    return PerformanceReference.fit(reader.task, labelled, answers.features)


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
        events=[{"request_id": one} for one in ids],
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


def run(
    watch: PerformanceWatch, versions: Sequence[Shadowed], lookup: MemoryLookUp | None = None
) -> Iterator[CohortReport]:
    """Feed all versions' flights and their labels in steps of a few hours; what closes."""
    clock = LabelClock()
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
                groups.append(columns_of(one.card, part, offset))
                offset += len(part)
        answers = watch.on_predictions(groups)
        part = arrived[arrived["observed_at"].between(moment, until, inclusive="left")]
        labels = labels_of(part, label_offset)
        label_offset += len(part)
        watch.on_labels(labels, clock.pass_labels([labels]))
        if lookup is not None:
            lookup.show(answers, AnswerReader(versions[0].card).truths(labels))
        yield from watch.close_due()
        moment = until


def losses_of(truth: Float64, score: Float64) -> Float64:
    """Log loss of each row, nats."""
    p = np.clip(score, 1e-15, 1 - 1e-15)
    return np.asarray(-(truth * np.log(p) + (1 - truth) * np.log1p(-p)), np.float64)

"""The whole of performance for one model: in memory, over restarts, on the real flights."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from bench.flights_stream import Feed, MemoryRows, Shadowed, flights_card, reference_of, run
from monitor.errors import ConfigError
from monitor.events import SIGNALS, Float64, LabelColumns, PredictionColumns
from monitor.findings import Verdict
from monitor.packing import pack, unpack
from monitor.performance.compare import Outcome, Pairing
from monitor.performance.reading import AnswerReader
from monitor.performance.report import CohortReport
from monitor.performance.watch import PerformanceWatch
from producers import flights
from schemas import ModelCard
from tests.performance.events import HOUR_US

PER_HOUR = 600
CLASSES = ("red", "green", "blue")


def card_of(task: str, version: str = "1", previous: str | None = None) -> ModelCard:
    return ModelCard.model_validate(
        {
            "model": "m",
            "model_version": version,
            "previous_version": previous,
            "task": task,
            "classes": CLASSES if task == "multiclass" else None,
            "features": {"x": {"type": "number"}, "plan": {"type": "category"}},
            "label_horizon_hours": 2,
        }
    )


def predictions(
    card: ModelCard, rng: np.random.Generator, hour: int, *, first: int, role: str = "live"
) -> tuple[PredictionColumns, list[Any]]:
    """An hour of a stream of which the truth is known, and the truth."""
    n = PER_HOUR
    shared = np.random.default_rng(hour)
    x, luck = shared.normal(size=n), shared.random(n)
    times = hour * HOUR_US + np.arange(n) * (HOUR_US // n)
    p = 1 / (1 + np.exp(-x))
    numbers: dict[str, Float64] = {"x": x}
    events: list[dict[str, Any]] = [{"request_id": f"r{hour}-{k}", "role": role} for k in range(n)]
    answers: list[str | None]
    truth: list[Any]
    if card.task == "regression":
        truth = (10 * x + shared.normal(size=n)).tolist()
        numbers["prediction"] = 10 * x
        answers = []
    elif card.task == "multiclass":
        place = (luck[:, None] > np.array([0.2, 0.5])).sum(axis=1)
        truth = [CLASSES[k] for k in place]
        scores = dict(zip(CLASSES, (0.2, 0.3, 0.5), strict=True))
        for event in events:
            event["scores"] = scores
        answers = ["blue"] * n
    else:
        truth = (luck < p).tolist()
        numbers["score"] = p if card.model_version == "1" else rng.random(n)
        answers = ["1" if one > 0.5 else "0" for one in numbers["score"]]
    columns = PredictionColumns(
        model="m",
        model_version=card.model_version,
        registered=True,
        topic="plumbline.predictions",
        partition=0,
        offsets=np.arange(first, first + n),
        appended_us=times,
        occurred_us=times,
        sent_us=times,
        event_ids=[f"e{card.model_version}-{hour}-{k}" for k in range(n)],
        numbers=numbers,
        categories={"plan": ["a", None] * (n // 2), "prediction": answers},
        faults=(),
        events=events,
        repeated=np.zeros(n, np.bool_),
        signals=np.full((len(SIGNALS), n), np.nan),
    )
    for event, said in zip(events, answers or numbers["prediction"].tolist(), strict=True):
        event["prediction"] = said
    return columns, truth


def labels(hour: int, truth: Sequence[Any], first: int) -> LabelColumns:
    """The labels of an hour, half an hour later each."""
    times = (hour * HOUR_US + HOUR_US // 2) + np.arange(len(truth)) * (HOUR_US // len(truth))
    return LabelColumns(
        model="m",
        topic="plumbline.labels",
        partition=0,
        offsets=np.arange(first, first + len(truth)),
        appended_us=times,
        observed_us=times,
        events=[{"request_id": f"r{hour}-{k}", "label": value} for k, value in enumerate(truth)],
    )


def watch_of(cards: Sequence[ModelCard], rows: MemoryRows) -> PerformanceWatch:
    watch = PerformanceWatch(cards[0], rows, events_per_day=PER_HOUR * 24.0)
    for card in cards[1:]:
        watch.put(card)
    return watch


def reports(
    cards: Sequence[ModelCard], hours: int, *, restarts: bool = False
) -> Iterator[CohortReport]:
    """What closes when every version answers every request from its own hour on."""
    rows, rng = MemoryRows("m"), np.random.default_rng(1)
    watch, feed = watch_of(cards, rows), Feed(rows)
    offset = label_offset = 0
    for hour in range(hours):
        groups: list[PredictionColumns] = []
        truth: list[Any] = []
        for place, card in enumerate(cards):
            if hour >= 12 * place:
                role = "live" if place == 0 else "shadow"
                columns, truth = predictions(card, rng, hour, first=offset, role=role)
                groups.append(columns)
                offset += len(columns)
        own = labels(hour, truth, label_offset)
        label_offset += len(own)
        yield from feed.give(watch, groups, own)
        if restarts and hour % 4 == 3:
            saved = unpack(pack({"watch": watch.state(), "clock": feed.clock.state()}))
            watch = watch_of(cards, rows)
            watch.restore(saved["watch"])
            feed.clock.restore(saved["clock"])


def told(found: Sequence[CohortReport]) -> list[Any]:
    return [repr(replace(one, rows=None, cohort=None)) for one in found]  # type: ignore[arg-type]  # rows are compared by their metrics


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_is_measured_and_estimated_and_a_restart_changes_nothing(task: str) -> None:
    found = list(reports([card_of(task)], 12))
    assert [one.started_us // HOUR_US for one in found] == list(range(10))
    assert all(one.coverage == 1.0 and one.predictions == PER_HOUR for one in found)
    names = {metric.name for metric in found[-1].metrics}
    assert {"binary": "auc", "multiclass": "f1", "regression": "rmse"}[task] in names
    assert found[0].estimated == {}
    assert found[-1].estimated.keys() & names
    assert {one.metric for one in found[-1].reconciled} <= names
    assert not any(one.verdict is Verdict.DRIFT for report in found for one in report.measurements)
    assert told(list(reports([card_of(task)], 12, restarts=True))) == told(found)


def test_a_new_version_that_guesses_is_regressed_and_a_restart_changes_nothing() -> None:
    cards = [card_of("binary"), card_of("binary", "2", previous="1")]
    found = list(reports(cards, 24))
    verdicts = [one.verdict for one in found if one.verdict is not None]
    last = verdicts[-1]
    assert (last.old, last.new, last.pairing) == ("1", "2", Pairing.PAIRED)
    assert last.outcome is Outcome.REGRESSED
    assert last.rollback_recommended
    assert {one.model_version for one in found} == {"1", "2"}
    assert told(list(reports(cards, 24, restarts=True))) == told(found)


def test_answers_that_were_not_the_models_are_left_out() -> None:
    card, rows = card_of("binary"), MemoryRows("m")
    columns, _ = predictions(card, np.random.default_rng(1), 0, first=0)
    columns.events[3]["status"] = "fallback"
    columns.repeated[5] = True
    rows.show([replace(columns, topic=rows.topic)], [])
    found = watch_of([card], rows).read(0, HOUR_US, PER_HOUR, 0)
    assert found is not None
    assert len(found.answers) == PER_HOUR - 2


def test_multiclass_needs_classes() -> None:
    card = card_of("multiclass").model_copy(update={"classes": None})
    with pytest.raises(ConfigError, match="without `classes`"):
        AnswerReader(card)


def test_the_flights_of_ten_days_equal_scikit_learn() -> None:
    table = flights.load_flights()
    model = flights.train(table)
    first = flights.STREAM_START
    days = table[table["occurred_at"].between(first, first + np.timedelta64(10, "D"))]
    scored = flights.predict(model, days)
    card = flights_card()
    rows = MemoryRows(card.model)
    watch = PerformanceWatch(card, rows, events_per_day=930.0)
    watch.put(card, reference_of(card, flights.reference(table, model)))
    found = list(run(watch, rows, [Shadowed(card, scored)]))
    assert len(found) >= 8
    for report in found[1:]:  # the first day begins in the middle
        start, end = (np.datetime64(at, "us") for at in (report.started_us, report.ended_us))
        naive = scored["occurred_at"].dt.tz_localize(None)
        own = scored[(naive >= start) & (naive < end)]
        known = own[own["label"].notna()]
        truth, values = known["label"].astype(int), {one.name: one.value for one in report.metrics}
        assert (report.predictions, report.labelled) == (len(own), len(known))
        assert values["log_loss"] == pytest.approx(log_loss(truth, known["score"]), abs=1e-9)
        assert values["auc"] == pytest.approx(roc_auc_score(truth, known["score"]), abs=1e-9)
    checks = {
        one.check for report in found for one in report.measurements if one.verdict is Verdict.DRIFT
    }
    assert checks == {"labels_biased"}

"""The join and the closing of cohorts: a function of the two partitions, whatever the batches."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import StateError, StorageError
from monitor.packing import pack, unpack
from monitor.performance.calendar import NEVER_US, Calendar, Clock, Passed
from monitor.performance.cohorts import UNLABELLED_HOURS, Cohorts
from monitor.performance.lookup import Looked, LookUp
from tests.performance.events import (
    CALENDAR,
    HOUR_US,
    Answer,
    Label,
    Row,
    answers_of,
    oracle,
    truths_of,
)
from tests.performance.memory_lookup import MemoryLookUp


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[Answer], list[Label]]:
    """Two partitions: times mostly rising, some ids shared by versions, labels of all kinds."""
    n = draw(st.integers(1, 40))
    hours = draw(st.lists(st.floats(0, 9), min_size=n, max_size=n))
    ordered = draw(st.booleans())
    times = [int(hour * HOUR_US) for hour in (sorted(hours) if ordered else hours)]
    events = [
        Answer(f"e{k}", time, request=f"r{k // 2}" if k % 3 else "", version=str(k % 2))
        for k, time in enumerate(times)
    ]
    name = st.integers(0, n + 2)
    label = st.builds(
        lambda kind, k, hour, value: Label(
            int(hour * HOUR_US),
            float(value),
            event=f"e{k}" if kind else "",
            request="" if kind else f"r{k // 2}",
        ),
        st.booleans(),
        name,
        st.floats(0, 14),
        st.integers(0, 1),
    )
    return events, draw(st.lists(label, max_size=40))


def begun(lookup: LookUp) -> Cohorts:
    """Cohorts of a model that has always had labels."""
    cohorts = Cohorts(CALENDAR, lookup)
    cohorts.on_first_label(NEVER_US, NEVER_US)
    return cohorts


def run(
    events: list[Answer], labels: list[Label], cuts: Iterator[tuple[bool, int]]
) -> tuple[dict[int, list[Row]], Cohorts]:
    lookup, clock = MemoryLookUp(), Clock()
    cohorts = begun(lookup)
    closed: dict[int, list[Row]] = {}
    seen = [0, 0]
    while seen[0] < len(events) or seen[1] < len(labels):
        is_label, size = next(cuts)
        end = seen[is_label] + size
        if is_label:
            truths = truths_of(labels[seen[1] : end], seen[1])
            lookup.show(None, truths)
            cohorts.on_labels(Passed.of(clock, truths.offsets, truths.observed_us))
        elif events[seen[0] : end]:
            answers = answers_of(events[seen[0] : end], seen[0])
            lookup.show(answers, None)
            cohorts.on_answers(answers.offsets, answers.occurred_us)
        seen[is_label] = end
        before = cohorts
        cohorts = Cohorts(CALENDAR, lookup)
        cohorts.restore(unpack(pack(before.state())))
        for cohort in cohorts.due():
            assert cohort.number not in closed
            rows = cohort.rows
            closed[cohort.number] = [
                (
                    f"e{offset}",
                    None if np.isnan(truth) else truth,
                    corrections,
                    repeats,
                )
                for offset, truth, corrections, repeats in zip(
                    rows.offset.tolist(),
                    rows.truth.tolist(),
                    rows.corrections.tolist(),
                    rows.repeats.tolist(),
                    strict=True,
                )
            ]
    return closed, cohorts


@settings(max_examples=150)
@given(logs(), st.integers(0, 2**32 - 1))
def test_cohorts_are_those_of_the_oracle_in_any_interleaving(
    log: tuple[list[Answer], list[Label]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    cuts = ((bool(rng.integers(2)), int(rng.integers(1, 9))) for _ in iter(int, 1))
    closed, _ = run(*log, cuts)
    assert closed == oracle(*log)
    assert list(closed) == sorted(closed)


def stream(n: int, minutes: float = 1.0) -> list[Answer]:
    return [Answer(f"e{k}", int(k * minutes * HOUR_US / 60)) for k in range(n)]


def whole(is_label_first: bool) -> Iterator[tuple[bool, int]]:
    yield is_label_first, 10_000
    yield not is_label_first, 10_000


@pytest.mark.parametrize("labels_first", [True, False])
def test_labels_before_their_predictions_find_them(labels_first: bool) -> None:
    events = stream(600)
    labels = [Label(event.occurred_us + HOUR_US, 1.0, event.event) for event in events]
    closed, _ = run(events, labels, whole(labels_first))
    assert [len(rows) for rows in closed.values()] == [60] * len(closed)
    assert all(row[1] == 1.0 for rows in closed.values() for row in rows)


def test_one_label_by_request_reaches_every_version_that_answered() -> None:
    events = [
        Answer(f"e{k}{version}", k * HOUR_US // 10, f"r{k}", version)
        for k in range(100)
        for version in "ab"
    ]
    labels = [Label(k * HOUR_US // 10 + HOUR_US, k % 2, request=f"r{k}") for k in range(100)]
    closed, _ = run(events, labels, whole(True))
    first = next(iter(closed.values()))
    assert [row[1] for row in first] == [k % 2 for k in range(10) for _ in "ab"]


def test_the_last_label_before_the_cohort_closes_wins() -> None:
    events = stream(600)
    late_us = 60 * HOUR_US
    labels = [
        Label(HOUR_US, 0.0, "e0"),
        Label(HOUR_US, 1.0, "e0"),
        Label(HOUR_US, 1.0, "e0"),
        *(Label(9 * HOUR_US + k, 0.0, f"e{300 + k}") for k in range(6)),
        Label(late_us, 0.0, "e0"),
    ]
    closed, _ = run(events, labels, whole(False))
    assert closed[0][0][1:] == (1.0, 1, 1)
    assert closed[0][1][1:] == (None, 0, 0)
    # Two came late: the last one, and the sixth at hour 9: five move the clock.


def test_a_few_wild_times_close_nothing() -> None:
    events = [Answer("x", 10**17), *stream(600), Answer("y", 10**17)]
    labels = [Label(event.occurred_us + HOUR_US, 1.0, event.event) for event in events]
    closed, _ = run(events, labels, whole(True))
    assert max(closed) < 9
    assert all(row[1] == 1.0 for rows in closed.values() for row in rows)


def test_state_of_another_calendar_is_refused() -> None:
    cohorts = Cohorts(CALENDAR, MemoryLookUp())
    other = Cohorts(Calendar.of(1e6, HOUR_US), MemoryLookUp())
    with pytest.raises(StateError, match="cut by"):
        other.restore(cohorts.state())


def test_cohorts_before_the_first_label_are_dropped_and_those_of_nobody_given_up() -> None:
    lookup = MemoryLookUp()
    cohorts = Cohorts(CALENDAR, lookup)
    days = 60
    for start in range(days * 24):
        answers = answers_of([Answer(f"e{start}", start * HOUR_US)], start)
        lookup.show(answers, None)
        cohorts.on_answers(answers.offsets, answers.occurred_us)
    assert len(cohorts.state()["open"]) <= UNLABELLED_HOURS + 9
    observed_us = (days * 24 - 10) * HOUR_US
    truths = truths_of([Label(observed_us + k * HOUR_US, 1.0, "e0") for k in range(9)])
    lookup.show(None, truths)
    passed = Passed.of(Clock(), truths.offsets, truths.observed_us)
    cohorts.on_first_label(NEVER_US, observed_us)
    cohorts.on_labels(passed)
    first = days * 24 - 12  # its horizon of two hours ends after the first label
    assert [one.number for one in cohorts.due()] == list(range(first, first + 4))


class AwayOnce(MemoryLookUp):
    """A store that cannot be reached at the first question."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = False

    def cohort(
        self, started_us: int, ended_us: int, answers_below: int, truths_below: int
    ) -> Looked | None:
        if not self.asked:
            self.asked = True
            raise StorageError("away", retryable=True)
        return super().cohort(started_us, ended_us, answers_below, truths_below)


def test_a_store_that_is_away_loses_no_cohort() -> None:
    lookup, clock = AwayOnce(), Clock()
    cohorts = begun(lookup)
    answers = answers_of(stream(600))
    truths = truths_of([Label(one.occurred_us + HOUR_US, 1.0, one.event) for one in stream(600)])
    lookup.show(answers, truths)
    cohorts.on_answers(answers.offsets, answers.occurred_us)
    cohorts.on_labels(Passed.of(clock, truths.offsets, truths.observed_us))
    with pytest.raises(StorageError):
        next(cohorts.due())
    closed = []
    for one in cohorts.due():
        closed.append(one.number)
        assert one.rows.labelled.all()
    assert closed == list(range(8))

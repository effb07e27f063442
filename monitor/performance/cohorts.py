"""Prediction cohorts: who belongs to one, and its one closing.

In: predictions and labels of one model, each in its partition's order, the two in any
interleaving. Out: each cohort once, in order, with the labels that came in time: a function of the
two partitions alone. Never: a cohort held open by the wall clock, or closed twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from monitor.errors import StateError
from monitor.performance.calendar import Calendar, Clock, Passed, Seals
from monitor.performance.join import LabelJoin, joined_cohort
from monitor.performance.lookup import LookUp
from monitor.performance.rows import Answers, CohortRows, Truths

MEMORY_ROWS: Final = 50_000
"""Predictions of open cohorts held in memory, per model."""


@dataclass(frozen=True, slots=True, eq=False)
class ClosedCohort:
    """A cohort that nothing can change any more."""

    number: int
    started_us: int
    ended_us: int
    rows: CohortRows


class Cohorts:
    """The cohorts of one model.

    Parameters
    ----------
    calendar
        How event time is cut, and how long a cohort waits.
    lookup
        Gives back what memory does not hold.
    memory_rows
        Predictions held; the oldest cohorts leave memory first and are read back at closing.

    A cohort takes no more predictions when their own clock has passed its end by the lateness, no
    more labels when the labels partition's clock has passed its end by the horizon, and is closed
    when both are true. What comes later is counted.

    **Blind to** a label's clock that runs ahead on WITNESSES events: it closes cohorts early.

    **Cost**: that of the join.
    """

    def __init__(self, calendar: Calendar, lookup: LookUp, memory_rows: int = MEMORY_ROWS) -> None:
        self.calendar = calendar
        self._lookup = lookup
        self._memory_rows = memory_rows
        self._join = LabelJoin(calendar)
        self._clock = Clock()
        self._answers_sealed = Seals()
        self._truths_sealed = Seals()
        self._elsewhere: set[int] = set()
        """Open cohorts that memory has let go."""
        self._strays: tuple[dict[str, None], dict[str, None]] = ({}, {})
        """Event ids and request ids of labels that are still to be looked up."""
        self.late_answers = 0
        """Predictions that came after their cohort was sealed."""
        self.unknown_labels = 0
        """Ids named by labels that no stored prediction has."""
        self.labels_of_older = 0
        """Ids named by labels whose predictions memory did not hold, but the store does."""

    @property
    def answers_clock_us(self) -> int:
        """What the predictions' clock shows."""
        return self._clock.now_us

    @property
    def late_labels(self) -> int:
        """Labels that came after their cohort was sealed, while it was held in memory."""
        return self._join.late

    @property
    def waiting_labels(self) -> int:
        """Labels that wait for their prediction."""
        return self._join.waiting

    @property
    def overflowed_labels(self) -> int:
        """Labels that had to leave the waiting room early."""
        return self._join.overflowed

    def on_answers(self, answers: Answers) -> None:
        """Take predictions, in offset order."""
        passed = Passed.of(self._clock, answers.offsets, answers.occurred_us)
        cohorts = self.calendar.cohort_of(answers.occurred_us)
        in_time = cohorts > self.calendar.answers_sealed(passed.before_us)
        self.late_answers += int(np.count_nonzero(~in_time))
        self._answers_sealed.add(answers.offsets, self.calendar.answers_sealed(passed.after_us))
        held = in_time & ~np.isin(cohorts, np.fromiter(self._elsewhere, np.int64))
        rows = np.flatnonzero(held)
        self._join.add_answers(answers.at(rows), cohorts[rows])
        self._let_go()

    def on_truths(self, truths: Truths | None, passed: Passed) -> None:
        """Take labels, in offset order; `passed` are all labels of the partition's batch."""
        if truths is not None and len(truths):
            self._join.add_truths(truths, passed.before_at(truths.offsets))
        self._truths_sealed.add(passed.offsets, self.calendar.truths_sealed(passed.after_us))
        strays = self._join.expire(self._clock.now_us)
        self._strays[0].update(dict.fromkeys(strays.event_ids))
        self._strays[1].update(dict.fromkeys(strays.request_ids))

    def due(self) -> Iterator[ClosedCohort]:
        """Close what is due, oldest first.

        Raises StorageError where the look-up fails: call again, nothing is lost and nothing that
        was given comes twice.
        """
        self._count_strays()
        through = min(self._answers_sealed.through, self._truths_sealed.through)
        for number in sorted({*self._join.cohorts(), *self._elsewhere}):
            if number > through:
                break
            rows = self._taken(number)
            start_us = self.calendar.start_us(number)
            if rows is not None:
                yield ClosedCohort(number, start_us, start_us + self.calendar.width_us, rows)
        self._answers_sealed.forget_through(through)
        self._truths_sealed.forget_through(through)

    def _taken(self, number: int) -> CohortRows | None:
        if number not in self._elsewhere:
            return self._join.take(number)
        start_us = self.calendar.start_us(number)
        answers_below = self._answers_sealed.below(number)
        truths_below = self._truths_sealed.below(number)
        assert answers_below is not None  # `due` closes sealed cohorts only
        assert truths_below is not None
        found = self._lookup.cohort(
            start_us, start_us + self.calendar.width_us, answers_below, truths_below
        )
        self._elsewhere.discard(number)
        return joined_cohort(*found) if found is not None else None

    def _count_strays(self) -> None:
        events, requests = self._strays
        n = len(events) + len(requests)
        if n:
            known = self._lookup.known(tuple(events), tuple(requests))
            self.labels_of_older += known
            self.unknown_labels += n - known
            self._strays = ({}, {})

    def _let_go(self) -> None:
        """Keep memory within its bound."""
        while self._join.rows > self._memory_rows:
            oldest = self._join.cohorts()[0]
            self._join.take(oldest)
            self._elsewhere.add(oldest)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "calendar": [
                self.calendar.width_us,
                self.calendar.horizon_us,
                self.calendar.lateness_us,
            ],
            "join": self._join.state(),
            "clock": self._clock.state(),
            "answers_sealed": self._answers_sealed.state(),
            "truths_sealed": self._truths_sealed.state(),
            "elsewhere": sorted(self._elsewhere),
            "strays": [list(ids) for ids in self._strays],
            "late_answers": self.late_answers,
            "unknown_labels": self.unknown_labels,
            "labels_of_older": self.labels_of_older,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`; StateError where it was cut by another calendar."""
        found = Calendar(*(int(value) for value in state["calendar"]))
        if found != self.calendar:
            raise StateError(
                f"saved cohorts were cut by {found}, now by {self.calendar}: drop the "
                "performance state of the model and let its cohorts start anew"
            )
        self._join = LabelJoin.from_state(self.calendar, state["join"])
        self._clock.restore(state["clock"])
        self._answers_sealed.restore(state["answers_sealed"])
        self._truths_sealed.restore(state["truths_sealed"])
        self._elsewhere = {int(number) for number in state["elsewhere"]}
        events, requests = (dict.fromkeys(map(str, ids)) for ids in state["strays"])
        self._strays = (events, requests)
        self.late_answers = int(state["late_answers"])
        self.unknown_labels = int(state["unknown_labels"])
        self.labels_of_older = int(state["labels_of_older"])

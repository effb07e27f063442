"""Prediction cohorts: when each is complete, and its one closing.

In: the times of one model's predictions, each with its offset; what the clock of its labels
partition showed. Out: each cohort once, in order, read back with the labels that came in time: a
function of the two partitions alone. Never: a row kept in memory, a cohort held open by the wall
clock, or closed twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from monitor.errors import StateError
from monitor.events import Int64
from monitor.performance.calendar import NEVER_US, US_PER_HOUR, Calendar, Clock, Passed, Seals
from monitor.performance.join import joined
from monitor.performance.lookup import Looked, LookUp
from monitor.performance.rows import CohortRows

MOST_OPEN: Final = 10_000
"""Cohorts that may be open; beyond it the oldest are given up."""
UNLABELLED_HOURS: Final = 30 * 24
"""So long after its horizon a cohort of a model without any label is given up."""


@dataclass(frozen=True, slots=True)
class CohortRef:
    """Where the rows of a closed cohort are read again."""

    number: int
    answers_below: int
    truths_below: int

    def plain(self) -> list[int]:
        """As numbers."""
        return [self.number, self.answers_below, self.truths_below]

    @classmethod
    def of(cls, saved: Sequence[Any]) -> Self:
        """What `plain` gave; further numbers are left out."""
        return cls(*(int(value) for value in saved[:3]))


@dataclass(frozen=True, slots=True, eq=False)
class ClosedCohort:
    """A cohort that nothing can change any more."""

    ref: CohortRef
    started_us: int
    ended_us: int
    rows: CohortRows
    looked: Looked
    """What was read: the same predictions as `rows`, in the same order, and their labels."""

    @property
    def number(self) -> int:
        """Its number in the calendar."""
        return self.ref.number


class Cohorts:
    """The cohorts of one model.

    Parameters
    ----------
    calendar
        How event time is cut, and how long a cohort waits.
    lookup
        Gives the rows of a cohort.

    A cohort takes no more predictions when their own clock has passed its end by the lateness, no
    more labels when the labels partition's clock has passed its end by the horizon, and is closed
    when both are true. A cohort whose labels were sealed before the model's first label ever came
    is dropped: nobody labelled it.

    **Blind to** a clock that runs ahead on WITNESSES events: it closes cohorts early.

    **Cost**: 0.1 microseconds a prediction; what the look-up takes at a closing.
    """

    def __init__(self, calendar: Calendar, lookup: LookUp) -> None:
        self.calendar = calendar
        self._lookup = lookup
        self._clock = Clock()
        self._answers_sealed = Seals()
        self._truths_sealed = Seals()
        self._open: set[int] = set()
        self._labelled_from: int | None = None
        """Cohorts up to this one are not closed; None: no label has come yet."""
        self._closed_through = NEVER_US
        """Everything up to this cohort is closed: no prediction can open it again."""
        self.late_answers = 0
        """Predictions that came after their cohort was sealed; of this process."""
        self.given_up = 0
        """Cohorts that were too many to wait for their labels; of this process."""

    @property
    def answers_clock_us(self) -> int:
        """What the predictions' clock shows."""
        return self._clock.now_us

    @property
    def labelled(self) -> bool:
        """Whether any label of the model has come."""
        return self._labelled_from is not None

    @property
    def is_due(self) -> bool:
        """Whether anything can be closed."""
        if self._labelled_from is None or self._through() <= self._closed_through:
            return False
        return bool(self._open) and min(self._open) <= self._through()

    def on_answers(self, offsets: Int64, occurred_us: Int64) -> None:
        """Take when predictions occurred, in offset order."""
        passed = Passed.of(self._clock, offsets, occurred_us)
        numbers = self.calendar.cohort_of(occurred_us)
        in_time = numbers > self.calendar.answers_sealed(passed.before_us)
        self.late_answers += int(np.count_nonzero(~in_time))
        self._answers_sealed.add(offsets, self.calendar.answers_sealed(passed.after_us))
        new = np.unique(numbers[in_time]).tolist()
        if not self._open.issuperset(new):
            self._open.update(new)
            self._give_up()

    def on_first_label(self, before_us: int, observed_us: int) -> None:
        """The model's first label ever has come; its partition's clock showed `before_us`."""
        times = np.array([before_us, observed_us])
        self._labelled_from = int(self.calendar.truths_sealed(times).max())
        self._open = {number for number in self._open if number > self._labelled_from}

    def on_labels(self, passed: Passed) -> bool:
        """Take what the clock of the labels partition showed; whether that sealed anything.

        Not before the model's first label.
        """
        last = self.calendar.truths_sealed(passed.after_us[-1:])
        if not last.size or last[0] <= self._truths_sealed.through:
            return False
        self._truths_sealed.add(passed.offsets, self.calendar.truths_sealed(passed.after_us))
        return True

    def due(self) -> Iterator[ClosedCohort]:
        """Close what is due, oldest first.

        Raises StorageError where the look-up fails: call again, nothing is lost and nothing that
        was given comes twice.
        """
        since = self._labelled_from
        if since is None or not self.is_due:
            return
        through = self._through()
        for number in sorted(one for one in self._open if one <= through):
            if number > since:
                answers_below = self._answers_sealed.below(number)
                truths_below = self._truths_sealed.below(number)
                assert answers_below is not None  # both have sealed it
                assert truths_below is not None
                ref = CohortRef(number, answers_below, truths_below)
                closed = self.read(ref)
                self._open.discard(number)
                if closed is not None:
                    yield closed
            else:
                self._open.discard(number)
        self._closed_through = through
        self._answers_sealed.forget_through(through)
        self._truths_sealed.forget_through(through)

    def read(self, ref: CohortRef) -> ClosedCohort | None:
        """The rows of a sealed cohort; None where there are none (any more)."""
        start_us = self.calendar.start_us(ref.number)
        end_us = start_us + self.calendar.width_us
        looked = self._lookup.cohort(start_us, end_us, ref.answers_below, ref.truths_below)
        if looked is None:
            return None
        return ClosedCohort(ref, start_us, end_us, joined(looked.answers, looked.truths), looked)

    def _through(self) -> int:
        return min(self._answers_sealed.through, self._truths_sealed.through)

    def _give_up(self) -> None:
        """Keep memory within its bound."""
        if self._labelled_from is None:
            waits_us = self.calendar.horizon_us + UNLABELLED_HOURS * US_PER_HOUR
            oldest = int(self.calendar.cohort_of(np.array([self._clock.now_us - waits_us]))[0])
            self._open = {number for number in self._open if number >= oldest}
            self._answers_sealed.forget_through(oldest - 1)
        while len(self._open) > MOST_OPEN:
            self._open.discard(min(self._open))
            self.given_up += 1

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "calendar": [
                self.calendar.width_us,
                self.calendar.horizon_us,
                self.calendar.lateness_us,
            ],
            "clock": self._clock.state(),
            "answers_sealed": self._answers_sealed.state(),
            "truths_sealed": self._truths_sealed.state(),
            "open": np.array(sorted(self._open), np.int64),
            "labelled_from": self._labelled_from,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`; StateError where it was cut by another calendar."""
        found = Calendar(*(int(value) for value in state["calendar"]))
        if found != self.calendar:
            raise StateError(f"saved cohorts were cut by {found}, now by {self.calendar}")
        self._clock.restore(state["clock"])
        self._answers_sealed.restore(state["answers_sealed"])
        self._truths_sealed.restore(state["truths_sealed"])
        self._open = {int(number) for number in state["open"]}
        since = state["labelled_from"]
        self._labelled_from = None if since is None else int(since)

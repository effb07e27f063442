"""The label join: which label belongs to which prediction, whatever comes first.

In: answers and truths, each in its partition's order, the two in any interleaving. Out: the rows
of a cohort, the same for every interleaving. Never: a wait without bound; a label that names
nothing is given back as a stray.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import xxhash

from monitor.events import Float64, Int64
from monitor.performance.calendar import Calendar
from monitor.performance.open_cohort import OpenCohort
from monitor.performance.rows import Answers, CohortRows, Truths

WAITING: Final = 50_000
"""Labels that may wait for their predictions; the oldest leave first."""
_ROW_BITS: Final = 32
_ROW_MASK: Final = (1 << _ROW_BITS) - 1
_EVENT: Final = 0
_REQUEST: Final = 1
"""Seeds of the hashes: an event and a request of the same name differ."""


@dataclass(frozen=True, slots=True)
class _Label:
    """One label on its way to its prediction."""

    offset: int
    observed_us: int
    before_us: int
    """What the labels' clock showed before it."""
    value: float

    @classmethod
    def of(cls, truths: Truths, before_us: Int64, row: int) -> Self:
        return cls(
            int(truths.offsets[row]),
            int(truths.observed_us[row]),
            int(before_us[row]),
            float(truths.value[row]),
        )


@dataclass(slots=True)
class _Waiting:
    """Labels of one id that no prediction has claimed, and whether one ever did."""

    name: str
    is_request: bool
    labels: list[_Label] = field(default_factory=list)
    placed: bool = False


@dataclass(frozen=True, slots=True)
class Strays:
    """Ids of labels that found no prediction in memory."""

    event_ids: tuple[str, ...]
    request_ids: tuple[str, ...]


class LabelJoin:
    """Open cohorts of one model, and the labels that wait for predictions.

    Parameters
    ----------
    calendar
        Until when a cohort takes labels.

    A label names an event, or a request: then every version that answered it gets the label. Of
    several labels in time the last one counts (by offset); the ones before are counted as
    corrections, or as repeats where they say the same.

    **Blind to** two ids with the same 64-bit hash.

    **Cost**: a microsecond a label, half of that a prediction; 200 bytes a prediction and 8 a
    feature, until its cohort is taken.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._open: dict[int, OpenCohort] = {}
        self._events: dict[int, int] = {}
        """Hash of an event id to cohort << 32 | row."""
        self._requests: dict[int, list[int]] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._order: deque[tuple[int, int]] = deque()
        """(time observed, hash) of waiting labels in order of arrival."""
        self.rows = 0
        """Predictions held."""
        self.late = 0
        """Labels that came after their cohort was sealed."""
        self.overflowed = 0
        """Labels that left the waiting room for want of space."""

    @property
    def waiting(self) -> int:
        """Labels in the waiting room."""
        return len(self._order)

    def cohorts(self) -> list[int]:
        """The open cohorts, rising."""
        return sorted(self._open)

    def add_answers(self, answers: Answers, cohorts: Int64) -> None:
        """Take predictions, each of an open cohort."""
        if not len(answers):
            return
        events = _hashes(answers.event_ids)
        requests = _hashes(answers.request_ids, _REQUEST)
        self.rows += len(answers)
        for cohort in np.unique(cohorts).tolist():
            rows = np.flatnonzero(cohorts == cohort)
            held = self._open.setdefault(cohort, OpenCohort())
            base = (cohort << _ROW_BITS) + held.size
            held.append(answers.at(rows), events[rows], requests[rows])
            self._index(base, events[rows], requests[rows])
        if self._waiting:
            self._claim(events.tolist(), requests.tolist())

    def add_truths(self, truths: Truths, before_us: Int64) -> None:
        """Take labels; `before_us` is what the labels' clock showed before each."""
        events = _hashes(truths.event_ids).tolist()
        places: list[int] = []
        labels: list[int] = []
        for row, (key, found) in enumerate(zip(events, map(self._events.get, events), strict=True)):
            if found is not None and key:
                places.append(found)
                labels.append(row)
                continue
            name = truths.event_ids[row]
            is_request = not name
            if is_request:
                name = truths.request_ids[row]
                key = _hash(name, _REQUEST)
                claimed = self._requests.get(key, ())
                places += claimed
                labels += [row] * len(claimed)
            self._wait(key, name, _Label.of(truths, before_us, row), is_request=is_request)
        self._set(
            np.array(places, np.int64),
            truths.offsets[labels],
            truths.observed_us[labels],
            before_us[labels],
            truths.value[labels],
        )

    def expire(self, answers_clock_us: int) -> Strays:
        """Let go of labels whose predictions would have come: their ids, unless one was found."""
        limit_us = answers_clock_us - self._calendar.lateness_us
        events: dict[str, None] = {}
        requests: dict[str, None] = {}
        while self._order and (self._order[0][0] < limit_us or len(self._order) > WAITING):
            observed_us, key = self._order.popleft()
            self.overflowed += observed_us >= limit_us
            waiting = self._waiting[key]
            waiting.labels.pop(0)
            if not waiting.labels:
                del self._waiting[key]
            if not waiting.placed:
                (requests if waiting.is_request else events)[waiting.name] = None
        return Strays(tuple(events), tuple(requests))

    def take(self, cohort: int) -> CohortRows:
        """The rows of an open cohort, which is then forgotten."""
        held = self._open.pop(cohort)
        self.rows -= held.size
        rows, events = held.rows(), held.events()
        for key in events.tolist():
            if self._events.get(key, -1) >> _ROW_BITS == cohort:
                del self._events[key]
        for key in np.unique(rows.request[rows.request != 0]).tolist():
            left = [p for p in self._requests.get(key, ()) if p >> _ROW_BITS != cohort]
            if left:
                self._requests[key] = left
            else:
                self._requests.pop(key, None)
        return rows

    def _index(self, base: int, events: Int64, requests: Int64) -> None:
        """Know rows, the first of them at `base`, by their ids."""
        places = range(base, base + len(events))
        self._events.update(zip(events.tolist(), places, strict=True))
        for row in np.flatnonzero(requests).tolist():
            self._requests.setdefault(int(requests[row]), []).append(base + row)

    def _wait(self, key: int, name: str, label: _Label, *, is_request: bool) -> None:
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(name, is_request)
        waiting.labels.append(label)
        waiting.placed |= is_request and key in self._requests
        self._order.append((label.observed_us, key))

    def _claim(self, events: Sequence[int], requests: Sequence[int]) -> None:
        """Give waiting labels to the predictions that have just come, in the labels' order."""
        claims: defaultdict[int, list[_Label]] = defaultdict(list)
        for event, request in zip(events, requests, strict=True):
            for key in (event, request):
                waiting = self._waiting.get(key)
                if waiting is not None:
                    claims[self._events[event]] += waiting.labels
                    waiting.placed = True
        flat = [
            (place, label)
            for place, labels in claims.items()
            for label in sorted(labels, key=lambda one: one.offset)
        ]
        self._set(
            np.array([place for place, _ in flat], np.int64),
            np.array([label.offset for _, label in flat], np.int64),
            np.array([label.observed_us for _, label in flat], np.int64),
            np.array([label.before_us for _, label in flat], np.int64),
            np.array([label.value for _, label in flat], np.float64),
        )

    def _set(
        self,
        places: Int64,
        offsets: Int64,
        observed_us: Int64,
        before_us: Int64,
        values: Float64,
    ) -> None:
        if not len(places):
            return
        cohorts = places >> _ROW_BITS
        in_time = cohorts > self._calendar.truths_sealed(before_us)
        self.late += int(np.count_nonzero(~in_time))
        for cohort in np.unique(cohorts[in_time]).tolist():
            rows = np.flatnonzero(in_time & (cohorts == cohort))
            self._open[cohort].label(
                places[rows] & _ROW_MASK, offsets[rows], observed_us[rows], values[rows]
            )

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        waiting = [
            (one.name, one.is_request, one.placed, label)
            for one in self._waiting.values()
            for label in one.labels
        ]
        return {
            "cohorts": [[cohort, held.state()] for cohort, held in sorted(self._open.items())],
            "waiting_ids": [name for name, *_ in waiting],
            "waiting": np.array(
                [
                    [label.offset, label.observed_us, label.before_us, is_request, placed]
                    for _, is_request, placed, label in waiting
                ],
                np.int64,
            ).reshape(-1, 5),
            "waiting_values": np.array([label.value for *_, label in waiting], np.float64),
            "late": self.late,
            "overflowed": self.overflowed,
        }

    @classmethod
    def from_state(cls, calendar: Calendar, state: Mapping[str, Any]) -> Self:
        """The join of `state` again."""
        join = cls(calendar)
        join.late, join.overflowed = int(state["late"]), int(state["overflowed"])
        for number, saved in state["cohorts"]:
            cohort, held = int(number), OpenCohort.from_state(saved)
            join._open[cohort] = held
            join.rows += held.size
            join._index(cohort << _ROW_BITS, held.events(), held.requests())
        found = zip(state["waiting_ids"], state["waiting"], state["waiting_values"], strict=True)
        for name, numbers, value in sorted(found, key=lambda one: int(one[1][0])):
            offset, observed_us, before_us, is_request, placed = (int(one) for one in numbers)
            key = _hash(str(name), _REQUEST if is_request else _EVENT)
            label = _Label(offset, observed_us, before_us, float(value))
            join._wait(key, str(name), label, is_request=bool(is_request))
            join._waiting[key].placed |= bool(placed)
        return join


def joined_cohort(answers: Answers, truths: Truths) -> CohortRows:
    """A whole cohort at once: its predictions and all labels that came for them in time."""
    join = LabelJoin(Calendar(width_us=2**62, horizon_us=2**62, lateness_us=0))
    join.add_answers(answers, np.zeros(len(answers), np.int64))
    join.add_truths(truths, np.zeros(len(truths), np.int64))
    return join.take(0)


def _hash(name: str, seed: int) -> int:
    return int(_hashes([name], seed)[0])


def _hashes(names: Sequence[str], seed: int = _EVENT) -> Int64:
    """64-bit hashes of ids; 0 of an empty one."""
    digest = xxhash.xxh3_64_intdigest
    found = (digest(name.encode(), seed) if name else 0 for name in names)
    return np.fromiter(found, np.uint64, len(names)).view(np.int64)

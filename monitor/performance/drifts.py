"""When alerts of drift were on, in event time.

In: their firings and ends, in order; one told twice counts once. Out: those that were on at a
moment. Never: a look at what is on now: how far one partition was read must not matter.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

REMEMBERED: Final = 200
"""Firings of a version that are remembered."""


@dataclass(slots=True)
class Drift:
    """An alert of drift while it was on."""

    mark: str
    """Fingerprint of the alert."""
    name: str
    """What drifted: a feature, `score`, or the alert's name."""
    starts_us: int
    fired_us: int
    ended_us: int | None = None


class DriftLog:
    """The last alerts of drift of one version.

    >>> log = DriftLog()
    >>> log.fired("f", "temp", starts_us=1, at_us=5)
    >>> log.ended("f", at_us=9)
    >>> log.fired("f", "temp", starts_us=1, at_us=5)
    >>> [[one.name for one in log.on(at_us)] for at_us in (4, 5, 8, 9)]
    [[], ['temp'], ['temp'], []]
    """

    def __init__(self) -> None:
        self._drifts: deque[Drift] = deque(maxlen=REMEMBERED)

    def fired(self, mark: str, name: str, starts_us: int, at_us: int) -> None:
        """An alert fires; while it is on, or had fired later, that is nothing new."""
        own = [one for one in self._drifts if one.mark == mark]
        if not any(one.ended_us is None or one.fired_us >= at_us for one in own):
            self._drifts.append(Drift(mark, name, starts_us, at_us))

    def ended(self, mark: str, at_us: int) -> None:
        """An alert is over."""
        for one in self._drifts:
            if one.mark == mark and one.ended_us is None and one.fired_us <= at_us:
                one.ended_us = at_us

    def on(self, at_us: int) -> list[Drift]:
        """The alerts that were on at an event time, the newest change last."""
        on = [
            one
            for one in self._drifts
            if one.fired_us <= at_us and (one.ended_us is None or one.ended_us > at_us)
        ]
        return sorted(on, key=lambda one: (one.starts_us, one.mark))

    def state(self) -> list[list[Any]]:
        """Plain values."""
        return [
            [one.mark, one.name, one.starts_us, one.fired_us, one.ended_us] for one in self._drifts
        ]

    def restore(self, state: Sequence[Any]) -> None:
        """Take up `state`."""
        self._drifts.clear()
        for mark, name, starts_us, fired_us, ended_us in state:
            ended = None if ended_us is None else int(ended_us)
            self._drifts.append(Drift(str(mark), str(name), int(starts_us), int(fired_us), ended))

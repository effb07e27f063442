"""One drill: from a state just before an onset, the stream with a fault and its fault-free twin.

In: a `Shadow` at the onset, the events that follow, a function that breaks them. Out: a `Course` of
each: what fired, and over which events. Never: the shadow at the onset changed; each course is
played in a branch of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monitor.backtest.caught import WITHIN, Expectation, Firing, Outcome, outcome
from monitor.backtest.shadow import Inject, SentEvent, Shadow
from monitor.findings import Finding

MOST_EVENTS: Final = 3 * WITHIN
"""So many events of the source are played where a fault lets few of them through."""


@dataclass(frozen=True, slots=True)
class Course:
    """What came of the events after an onset."""

    firings: tuple[Firing, ...]
    """The alerts that fired anew."""
    findings: tuple[Finding, ...]
    """Everything that was measured."""
    source_events: int
    """Events of the source that were played."""
    came: tuple[Any, ...]
    """What reached the shadow's log."""


def course(
    at_onset: Shadow,
    events: Iterable[SentEvent],
    inject: Inject | None = None,
    *,
    least: int = WITHIN,
) -> Course:
    """Play what follows an onset.

    At least `least` events of the source; on until `WITHIN` events have reached the log, up to
    `MOST_EVENTS` of the source.
    """
    shadow = at_onset.branch()
    before = at_onset.log_events
    played = 0
    came: list[Any] = []

    def supply() -> Iterator[SentEvent]:
        nonlocal played
        for sent in events:
            enough = shadow.log_events - before >= WITHIN
            if (played >= least and enough) or played >= MOST_EVENTS:
                return
            played += 1
            yield sent

    def passing(sent: SentEvent) -> Sequence[SentEvent]:
        out = (sent,) if inject is None else inject(sent)
        came.extend(out)
        return out

    shadow.play(supply(), passing)
    return Course(
        firings=tuple(shadow.firings_after(before, at_onset.source_events)),
        findings=tuple(shadow.findings),
        source_events=played,
        came=tuple(came),
    )


def judged(expected: Expectation, faulted: Course, twin: Course) -> Outcome:
    """Caught, named, its cause named; the twin counts as far as the faulted stream was played."""
    usual = [firing for firing in twin.firings if firing.delay <= faulted.source_events]
    return outcome(expected, faulted.firings, usual)

"""The runs of one month: the fault-free stream up to each onset, and every fault from there.

In: a month, seeds, faults. Out: a `Run` for each (fault, seed) and a `Twin` for each seed.
Never: the prefix played again for every fault; each branches off the same state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.drills.traffic import MONTHS, Site, events_of, onset_of, site
from monitor.backtest.caught import WITHIN, Expectation, Firing, Outcome
from monitor.backtest.drill import MOST_EVENTS, Course, course, judged
from monitor.backtest.shadow import Shadow
from monitor.checks.suite import CHECKS
from producers.faults import FAULTS
from producers.faults.effect import RATES, effect_of
from producers.faults.fault import Fault, Sent, inject
from producers.faults.traffic import Traffic

KNOWN: Final = 6_000
"""Events before the onset that a fault may look at or bring back."""


@dataclass(frozen=True, slots=True)
class Run:
    """One fault under one seed."""

    fault: str
    month: str
    seed: int
    onset: int
    words: str
    effect: float
    """The largest over what it touches."""
    floor: float
    visible: float
    """The smallest effect that windows of up to 2,000 events can see, of the same feature."""
    due: bool
    """Whether the effect is above both."""
    outcome: Outcome
    names_cause: bool


@dataclass(frozen=True, slots=True)
class Twin:
    """The fault-free stream after one onset."""

    month: str
    seed: int
    onset: int
    firings: tuple[Firing, ...]

    @property
    def from_checks(self) -> tuple[Firing, ...]:
        """What the checks raised: nothing, if they are right."""
        names = {check.name for check in CHECKS} | {"stopped"}
        return tuple(firing for firing in self.firings if firing.check in names)


def month_runs(
    month_name: str, seeds: Sequence[int], faults: Sequence[str]
) -> tuple[list[Run], list[Twin]]:
    """Every fault under every seed in one month."""
    month, place = MONTHS[month_name], site()
    events = events_of(month)
    shadow = Shadow(place.card, place.profile)
    runs: list[Run] = []
    twins: list[Twin] = []
    played = 0
    for onset, seed in sorted((onset_of(month, seed, events), seed) for seed in seeds):
        shadow.play(events[played:onset])
        played = onset
        rest = events[onset : onset + MOST_EVENTS]
        known = events[max(onset - KNOWN, 0) : onset]
        twin = course(shadow, rest, least=MOST_EVENTS)
        twins.append(Twin(month_name, seed, onset, twin.firings))
        runs += (
            _run(place, FAULTS[name], month_name, seed, shadow, known, rest, twin)
            for name in faults
        )
    return runs, twins


def _run(
    place: Site,
    fault: Fault,
    month: str,
    seed: int,
    at_onset: Shadow,
    known: list[Sent],
    rest: list[Sent],
    twin: Course,
) -> Run:
    traffic = Traffic(place.card, [sent.event for sent in known[-3_000:]])
    injection = inject(fault, traffic, seed=seed, onset=len(known))
    take = injection.begin()
    for sent in known:
        take(sent)
    faulted = course(at_onset, rest, take)
    [(_, drawn)] = injection.faults
    kinds = (*fault.expected, *fault.accepted)
    found = judged(Expectation(kinds, drawn.features, drawn.cause), faulted, twin)
    played = rest[: faulted.source_events]
    effects = effect_of(injection, played, list(faulted.came), place.card)
    floor = place.card.monitoring.effect_floor
    measured = [
        (effect, max(floor, _visible(place, fault, name, faulted, twin)))
        for name, effect in effects.items()
    ]
    effect, visible = max(measured, key=lambda pair: pair[0] - pair[1])
    return Run(
        fault=fault.name,
        month=month,
        seed=seed,
        onset=at_onset.source_events,
        words=injection.words,
        effect=effect,
        floor=floor,
        visible=visible,
        due=effect > visible,
        outcome=found,
        names_cause=fault.names_cause,
    )


def _visible(place: Site, fault: Fault, name: str, faulted: Course, twin: Course) -> float:
    """Of a column, what the profile says; of a rate, what its check states where it measured."""
    if fault.effect not in RATES:
        return place.visible[name]
    stated = [
        finding.measurement.smallest_visible
        for one in (twin, faulted)
        for finding in one.findings
        if finding.alertname in fault.expected
        and finding.measurement.feature in (name, "")
        and 0 < finding.measurement.scale <= WITHIN
    ]
    return min(stated, default=0.0)

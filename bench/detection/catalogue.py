"""Which streams the table has, and how much of them each contestant is given.

In: nothing. Out: `NULLS`, `SHIFTS`, `FLOOR_0`, and the plans. Never: a setting of ours other than
the budget and, where a row says so, the effect floor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.detection.streams import HORIZON, Change, Stream

_DAY: Final = 2_000
"""Events per day of the seasonal streams: their references cover 20 days and 6 weeks."""

NULLS: Final = (
    Stream("null: normal"),
    Stream("null: AR(1) .5", ar=0.5),
    Stream("null: AR(1) .9", ar=0.9),
    Stream("null: AR(1) .99", ar=0.99),
    Stream("null: daily", season="daily", events_per_day=_DAY, reference_rows=20 * _DAY),
    Stream("null: weekly", season="weekly", events_per_day=_DAY, reference_rows=42 * _DAY),
    Stream("null: t3", noise="t3"),
    Stream("null: lognormal", noise="lognormal"),
)

_CHANGES: Final = (
    Stream("mean 0.25", change=Change("mean", 0.25)),
    Stream("mean 0.5", change=Change("mean", 0.5)),
    Stream("mean 1", change=Change("mean", 1.0)),
    Stream("variance x 1.5", change=Change("variance", 1.5)),
    Stream("sigma x 1.5", change=Change("variance", 2.25)),
    Stream("ramp to 0.5", change=Change("ramp", 0.5)),
    Stream("t3: mean 0.5", noise="t3", change=Change("mean", 0.5)),
    Stream("lognormal: mean 0.5", noise="lognormal", change=Change("mean", 0.5)),
)
_DEPENDENT: Final = (
    Stream("AR(1) .9: mean 1", ar=0.9, change=Change("mean", 1.0)),
    Stream("AR(1) .9: mean 2", ar=0.9, change=Change("mean", 2.0)),
)
SHIFTS: Final = (*_CHANGES, *_DEPENDENT)
"""With the default floor; the peers' rows are these."""
FLOOR_0: Final = tuple(
    replace(stream, name=f"{stream.name}, floor 0", effect_floor=0.0) for stream in _CHANGES
)
"""The independent ones once more, for Plumbline alone: the peers have no floor to lower."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much one contestant is given."""

    references: int
    """Seeds of a null, each with a reference of its own."""
    null_events: int
    """Events of a null under each seed."""
    shift_seeds: int
    horizon: int = HORIZON
    """Events after an onset."""
    flight_events: int = 1_000_000
    """Most events of the flight stream."""


_FULL: Final = {
    "plumbline": Plan(20, 1_000_000, 21),
    "dummies": Plan(20, 1_000_000, 21),
    "scipy": Plan(5, 50_000, 9),
    "adwin": Plan(5, 200_000, 21),
    "page_hinkley": Plan(5, 100_000, 21),
    "kswin": Plan(1, 3_000, 1, horizon=1_000, flight_events=5_000),
    "evidently": Plan(1, 5_000, 1, horizon=2_000, flight_events=40_000),
    "nannyml": Plan(2, 50_000, 3),
    "alibi_detect": Plan(2, 50_000, 3),
    "frouros": Plan(2, 50_000, 3),
}
_QUICK: Final = {
    "plumbline": Plan(1, 50_000, 1, flight_events=30_000),
    "dummies": Plan(1, 50_000, 1),
    "scipy": Plan(1, 10_000, 1, flight_events=10_000),
    "adwin": Plan(1, 10_000, 1, flight_events=10_000),
    "page_hinkley": Plan(1, 10_000, 1, flight_events=10_000),
    "kswin": Plan(1, 1_000, 0, flight_events=1_000),
    "evidently": Plan(1, 1_000, 0, flight_events=1_000),
    "nannyml": Plan(1, 5_000, 1, flight_events=10_000),
    "alibi_detect": Plan(1, 5_000, 1, flight_events=10_000),
    "frouros": Plan(1, 5_000, 1, flight_events=10_000),
}
QUICK_STREAMS: Final = ("null: normal", "null: AR(1) .9", "mean 0.5", "mean 0.5, floor 0")


def streams_of(streams: Sequence[Stream], *, quick: bool) -> list[Stream]:
    """Those of them that are run."""
    return [stream for stream in streams if not quick or stream.name in QUICK_STREAMS]


def plan_of(contestant: str, *, quick: bool) -> Plan:
    """What a contestant is given.

    >>> plan = plan_of("plumbline", quick=False)
    >>> plan.references * plan.null_events
    20000000
    """
    return (_QUICK if quick else _FULL)[contestant]

"""Which streams the table has, and how much of them each contestant is given.

In: nothing. Out: `NULLS`, `SHIFTS`, `plan_of`. Never: a setting of ours other than the budget and,
where a row says so, the effect floor.
"""

from dataclasses import dataclass, replace
from typing import Final

from bench.detection.streams import Change, Stream

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


_FULL: Final = {
    "plumbline": Plan(20, 1_000_000, 31),
    "dummies": Plan(20, 1_000_000, 31),
    "scipy": Plan(10, 100_000, 31),
    "adwin": Plan(5, 100_000, 15),
    "page_hinkley": Plan(5, 100_000, 15),
    "kswin": Plan(2, 20_000, 3),
    "evidently": Plan(2, 50_000, 5),
    "nannyml": Plan(5, 100_000, 9),
    "alibi_detect": Plan(5, 100_000, 9),
    "frouros": Plan(5, 100_000, 9),
}
_QUICK: Final = {
    "plumbline": Plan(1, 50_000, 2),
    "dummies": Plan(1, 50_000, 2),
    "scipy": Plan(1, 20_000, 2),
    "adwin": Plan(1, 20_000, 1),
    "page_hinkley": Plan(1, 20_000, 1),
    "kswin": Plan(1, 2_000, 0),
    "evidently": Plan(1, 3_000, 0),
    "nannyml": Plan(1, 10_000, 1),
    "alibi_detect": Plan(1, 10_000, 1),
    "frouros": Plan(1, 10_000, 1),
}
CONTESTANTS: Final = tuple(_FULL)


def plan_of(contestant: str, *, quick: bool) -> Plan:
    """What a contestant is given.

    >>> plan = plan_of("plumbline", quick=False)
    >>> plan.references * plan.null_events
    20000000
    """
    return (_QUICK if quick else _FULL)[contestant]

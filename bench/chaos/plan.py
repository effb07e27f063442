"""How much is disturbed, and when: sizes and a seed -> disturbances by consumed events."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import cycle, islice

import numpy as np

FIRST, LAST = 0.03, 0.94
"""Between these shares of the log something happens."""


class Kind(Enum):
    """What is done to whom."""

    KILL = "SIGKILL a worker"
    ADD = "add a worker"
    REMOVE = "remove a worker (SIGTERM)"
    ZOMBIE = "stop a worker past its session (SIGSTOP, later SIGCONT)"
    BROKER_STOP = "restart the broker (SIGTERM)"
    BROKER_KILL = "restart the broker (SIGKILL)"
    HOUSE_STOP = "ClickHouse away (SIGTERM)"
    HOUSE_KILL = "ClickHouse away (SIGKILL)"
    HOUSE_FREEZE = "ClickHouse away (SIGSTOP)"


REBALANCES = (Kind.ADD, Kind.REMOVE, Kind.ADD, Kind.ZOMBIE, Kind.REMOVE)
"""In turn, so that there are always workers left."""
RESTARTS = (Kind.BROKER_KILL, Kind.BROKER_STOP)
OUTAGES = (Kind.HOUSE_KILL, Kind.HOUSE_FREEZE, Kind.HOUSE_STOP)
OUTAGE_S = (3.0, 6.0, 35.0, 2.0, 4.0)
"""In turn; one is longer than the client waits for an answer."""
ZOMBIE_S = 55.0
"""Longer than a member's session, so that others take its partitions meanwhile."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of one run; the defaults are those of `make chaos`."""

    events: int = 1_000_000
    models: int = 40
    partitions: int = 8
    workers: int = 3
    kills: int = 50
    rebalances: int = 10
    broker_restarts: int = 5
    outages: int = 5
    seed: int = 1
    limit_s: float = 900.0
    """For the disturbed run alone."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Done as soon as so many events are consumed."""

    at_events: int
    kind: Kind
    lasts_s: float = 0.0


def schedule(plan: Plan) -> list[Disturbance]:
    """The disturbances of a plan, in their order; the same seed gives the same.

    >>> few = schedule(Plan(events=1_000, kills=2, rebalances=1, broker_restarts=1, outages=1))
    >>> sorted(one.kind.name for one in few)
    ['ADD', 'BROKER_KILL', 'HOUSE_KILL', 'KILL', 'KILL']
    >>> all(0 < one.at_events < 1_000 for one in few)
    True
    """
    rng = np.random.default_rng(plan.seed)
    groups = (
        (plan.kills, cycle([(Kind.KILL, 0.0)])),
        (plan.rebalances, ((kind, ZOMBIE_S) for kind in cycle(REBALANCES))),
        (plan.broker_restarts, ((kind, 0.0) for kind in cycle(RESTARTS))),
        (plan.outages, zip(cycle(OUTAGES), cycle(OUTAGE_S), strict=False)),
    )
    counts = [count for count, _ in groups]
    order = rng.permutation(np.repeat(np.arange(len(groups)), counts))
    moments = np.linspace(FIRST, LAST, len(order)) * plan.events
    jitter = rng.uniform(-0.4, 0.4, len(order)) * plan.events * (LAST - FIRST) / max(len(order), 1)
    sources: list[Iterator[tuple[Kind, float]]] = [islice(kinds, count) for count, kinds in groups]
    disturbances = []
    for at, group in zip((moments + jitter).astype(int), order, strict=True):
        kind, lasts_s = next(sources[group])
        disturbances.append(Disturbance(max(1, int(at)), kind, lasts_s))
    return sorted(disturbances, key=lambda one: one.at_events)

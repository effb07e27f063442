"""A watched share spends no more false alarms than it was given, on independent and lumpy events.

The budget is raised until alarms can be counted: at the usual one there are none to count.
"""

from dataclasses import replace

import numpy as np
import pytest

from monitor.checks.check import CheckContext
from monitor.checks.example import example_context
from monitor.checks.shares import ShareWatch, Usual
from monitor.checks.status import Status
from monitor.events import Float64

PANES = 4_000
SIZE = 250
PER_EVENT = 1e-4
"""One false alarm in 40 panes: a hundred in all."""


def panes(rng: np.random.Generator, n: int, share: float, lumps: float) -> Float64:
    """Events with a property in each of `n` panes; `lumps` is how far its rate itself varies."""
    rates = rng.beta(share / lumps, (1 - share) / lumps, n) if lumps else np.full(n, share)
    return rng.binomial(SIZE, rates).astype(np.float64)


def generous(per_event: float = PER_EVENT) -> CheckContext:
    return replace(example_context(Status), per_event=per_event)


def alarms(watch: ShareWatch, hits: Float64) -> int:
    """How often the watch begins to say that the share is beyond its usual one."""
    found = [watch.look(h, SIZE) for h in hits]
    return int(np.count_nonzero(np.diff(np.array([False, *found], np.int8)) > 0))


@pytest.mark.parametrize("share", [0.002, 0.02, 0.3])
@pytest.mark.parametrize("lumps", [0.0, 0.01])
@pytest.mark.parametrize("learnt", [True, False], ids=["reference", "first panes"])
def test_a_share_stays_within_its_budget(share: float, lumps: float, learnt: bool) -> None:
    budget = PER_EVENT * SIZE * PANES
    rng, spent = np.random.default_rng(17), []
    for _ in range(4):
        known = panes(rng, 200, share, lumps)
        usual = Usual.of(known, np.full(known.size, float(SIZE))) if learnt else None
        watch = ShareWatch(generous(), floor=1e-6, usual=usual)
        spent.append(alarms(watch, panes(rng, PANES, share, lumps)))
    assert np.mean(spent) <= budget


def test_the_watch_can_alarm_at_that_budget() -> None:
    usual = Usual(0.02, 1e9, 1.0)  # known for certain
    rng = np.random.default_rng(18)
    assert alarms(ShareWatch(generous(), floor=1e-6, usual=usual), panes(rng, PANES, 0.02, 0)) > 10

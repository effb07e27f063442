"""Shares of events are counted of several panes at once, and said of each as if it stood alone."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from monitor.checks.example import CARD, PANE, PER_EVENT, example_panes, example_profile
from monitor.checks.future import FAULT
from monitor.checks.leak import FAULT as KNOWN_LATER
from monitor.checks.pane_view import PaneView
from monitor.checks.suite import CheckSuite, learn
from monitor.events import SIGNALS
from monitor.findings import Measurement, Verdict
from monitor.packing import pack
from monitor.sketches.profile import Profile
from tests.checks.altered import altered, together

OF_SHARES = (
    *("status", "latency", "stale", "replayed", "repeated_inputs"),
    *("duplicates", "future", "incoherent", "leak", "thinned"),
)


@cache
def profile() -> Profile:
    """The example's, which knows its hours too."""
    reference = example_panes(-60, 60)
    hours = np.concatenate([pane.occurred_us for pane in reference]) // 3_600_000_000
    counts = np.bincount((hours + 72) % 168, minlength=168)
    found = replace(example_profile(), hourly_counts=counts, checks={})
    return replace(found, checks=learn(CARD, found, reference))


def stream() -> Iterator[PaneView]:
    """Twelve quiet panes, then one trouble after the other, each for three panes, then quiet."""
    healthy = example_panes(0, 45)
    for index, pane in enumerate(healthy):
        trouble = OF_SHARES[(index - 12) // 3] if 12 <= index < 42 else ""
        yield _with(trouble, pane, healthy)


def _with(trouble: str, pane: PaneView, healthy: list[PaneView]) -> PaneView:
    rng = np.random.default_rng(pane.index)
    codes, values, times_us = pane.codes.copy(), pane.values.copy(), pane.occurred_us.copy()
    signals = dict(zip(SIGNALS, pane.signals.copy(), strict=True))
    signals["latency_ms"] = rng.gamma(2.0, 10.0, PANE) * (4.0 if trouble == "latency" else 1.0)
    signals["lag_s"] = rng.gamma(2.0, 1.0, PANE)
    signals["age_s"] = rng.gamma(2.0, 60.0, PANE)
    some = rng.random(PANE) < 0.4
    if pane.index == 3:
        signals["latency_ms"][:] = np.nan
    signals["status"] = np.where(some & (trouble == "status"), 1.0, 0.0)
    signals["resends"] = np.where(some & (trouble == "duplicates"), 2.0, 0.0)
    signals["incoherence"] = np.where(some & (trouble == "incoherent"), 1.0, np.nan)
    signals["lag_s"][some & (trouble == "stale")] += 9_000.0
    faults: list[tuple[int, str, str, float]] = []
    for row in np.flatnonzero(some).tolist():
        if trouble == "future":
            faults.append((row, "occurred_at", FAULT, 300.0))
        if trouble == "leak":
            faults.append((row, "feature_times.x", KNOWN_LATER, 60.0))
    if trouble == "replayed":
        old = healthy[pane.index - 8]
        codes, values = old.codes.copy(), old.values.copy()
        times_us = old.occurred_us.copy()
    if trouble == "repeated_inputs":
        codes[:, some], values[:, some] = codes[:, :1], values[:, :1]
    if trouble == "thinned":
        times_us = times_us + (np.arange(PANE) + PANE * (pane.index - 39)) * 40_000_000
    return altered(
        pane,
        codes=codes,
        values=values,
        signals=np.array([signals[name] for name in SIGNALS]),
        occurred_us=times_us,
        faults=tuple(faults),
    )


def said(size: int) -> tuple[list[list[Measurement]], bytes]:
    """What is said of each pane where so many are prepared together, and what is kept."""
    suite, panes = CheckSuite(CARD, profile(), PER_EVENT), [*stream()]
    found = []
    for start in range(0, len(panes), size):
        block = together(panes[start : start + size])
        suite.prepare(block)
        found += [suite.look(block.pane(place)) for place in range(len(block))]
    return found, pack(suite.state())


@pytest.fixture(scope="module")
def alone() -> tuple[list[list[Measurement]], bytes]:
    return said(1)


@pytest.mark.parametrize("size", [5, 7, 45])
def test_it_does_not_matter_which_panes_are_counted_together(
    size: int, alone: tuple[list[list[Measurement]], bytes]
) -> None:
    found, state = said(size)
    assert found == alone[0]
    assert state == alone[1]


@pytest.mark.parametrize("check", OF_SHARES)
def test_each_of_them_speaks_in_its_turn(
    check: str, alone: tuple[list[list[Measurement]], bytes]
) -> None:
    first = 12 + 3 * OF_SHARES.index(check)
    drifts = {
        m.check
        for of_pane in alone[0][first : first + 4]
        for m in of_pane
        if m.verdict is Verdict.DRIFT
    }
    assert check in drifts

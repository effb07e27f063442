"""A small model whose panes come healthy or broken, for the examples of the checks and their tests.

In: which panes, what is broken in them. Out: a card, a profile, panes, suites. Never: a draw that
differs between two calls.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

import numpy as np

from monitor.checks.check import Check, CheckContext
from monitor.checks.history import History
from monitor.checks.pane_view import UNSEEN, PaneBlock, PaneFault, PaneView
from monitor.checks.suite import CheckSuite, learn
from monitor.clock import US_PER_DAY
from monitor.events import Float64
from monitor.sketches.calibration import Calibration
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile, Reference
from monitor.validation.signals import no_signals
from schemas.model import FeatureSpec, ModelCard, Monitoring

PANE: Final = 250
REFERENCE_PANES: Final = 60
EVENT_S: Final = 20
"""Seconds from one event to the next: 17 panes a day."""
CARD: Final = ModelCard(
    model="example",
    model_version="1",
    task="binary",
    features={
        "x": FeatureSpec(type="number", nullable=True),
        "y": FeatureSpec(type="number", nullable=True),
        "minute": FeatureSpec(type="number", min=0, max=1439),
        "c": FeatureSpec(type="category"),
        "d": FeatureSpec(type="category"),
    },
    monitoring=Monitoring(events_per_day=1_000_000 / 30),
)
COLOURS: Final = ("red", "blue", "green", "grey")
CITIES: Final = ("Rome", "Oslo", "Bonn")
PER_EVENT: Final = 1e-7
"""Budget of all checks."""


@cache
def example_profile() -> Profile:
    """The profile of 60 healthy panes, with what the checks learn of them."""
    rows = [_rows(index) for index in range(-REFERENCE_PANES, 0)]
    numbers = np.concatenate([values for values, _ in rows], axis=1)
    names = [name for _, categories in rows for name in zip(*categories.values(), strict=True)]
    columns: list[Reference] = [
        NumberReference.from_values(name, values)
        for name, values in zip(_NUMBERS, numbers, strict=True)
    ]
    columns += [
        CategoryReference.from_values(name, values)
        for name, values in zip(_CATEGORIES, zip(*names, strict=True), strict=True)
    ]
    ends_us = [_times(index) for index in (-REFERENCE_PANES, -1)]
    profile = Profile(
        model=CARD.model,
        model_version=CARD.model_version,
        columns=tuple(columns),
        calibration=_no_calibration(len(columns)),
        n_rows=REFERENCE_PANES * PANE,
        started_us=int(ends_us[0][0]),
        ended_us=int(ends_us[1][-1]),
        events_per_day=86_400 / EVENT_S,
        time_ordered=True,
        longest_gap_us=EVENT_S * 1_000_000,
        hourly_counts=np.zeros(168, np.int64),
        dataset_fingerprint="",
    )
    reference = [_pane(profile, index) for index in range(-REFERENCE_PANES, 0)]
    return replace(profile, checks=learn(CARD, profile, reference))


def example_panes(first: int, count: int, **broken: Any) -> list[PaneView]:
    """Panes `first` and on of the example's stream; `broken` says what is wrong in them.

    `x`, `score`: this value in a `share` of the events (1); `factor`: x times this; `swapped`: x
    and y exchanged; `rename`: a function of the names of c; `late_minutes`: minute moved;
    `gone` and `renamed`: x absent, or under that name; `text`: x as text.

    >>> [pane.values[0, 0] == 7.0 for pane in example_panes(3, 2, x=7.0)]
    [np.True_, np.True_]
    """
    return [_pane(example_profile(), index, **broken) for index in range(first, first + count)]


def example_context(check: type[Check]) -> CheckContext:
    """What a check of the example is built on."""
    profile = example_profile()
    learned = profile.checks.get(check.name, {})
    return CheckContext(CARD, profile, learned, PER_EVENT, History(profile))


def example_suite() -> CheckSuite:
    """All checks of the example.

    >>> example_suite().look(example_panes(0, 1)[0])
    []
    """
    return CheckSuite(CARD, example_profile(), PER_EVENT)


_NUMBERS: Final = ("x", "y", "minute", "score")
_CATEGORIES: Final = ("c", "d", "prediction")


def _times(index: int) -> Any:
    start = (15_000 * US_PER_DAY) + index * PANE * EVENT_S * 1_000_000
    return start + np.arange(PANE, dtype=np.int64) * EVENT_S * 1_000_000


def _rows(index: int) -> tuple[Float64, Mapping[str, list[str]]]:
    """Numbers float64[4, PANE] and categories of a healthy pane."""
    rng = np.random.default_rng(index + REFERENCE_PANES)
    minutes = _times(index) % US_PER_DAY // 60_000_000
    score = rng.beta(2, 3, PANE)
    numbers = np.array(
        [rng.normal(40, 8, PANE).round(1), rng.normal(95, 20, PANE).round(1), minutes, score]
    )
    categories = {
        "c": rng.choice(COLOURS, PANE, p=[0.5, 0.3, 0.15, 0.05]).tolist(),
        "d": rng.choice(CITIES, PANE, p=[0.5, 0.3, 0.2]).tolist(),
        "prediction": np.where(score > 0.5, "1", "0").tolist(),
    }
    return numbers, categories


def _pane(profile: Profile, index: int, **broken: Any) -> PaneView:
    numbers, categories = _rows(index)
    hit = np.random.default_rng(index + 10_000).random(PANE) < broken.get("share", 1.0)
    faults: list[PaneFault] = []
    for row, name in enumerate(_NUMBERS):
        if name in broken:
            numbers[row, hit] = broken[name]
    numbers[0] *= broken.get("factor", 1.0)
    if broken.get("swapped"):
        numbers[[0, 1]] = numbers[[1, 0]]
    numbers[2] = (numbers[2] + broken.get("late_minutes", 0)) % 1440
    if broken.keys() & {"gone", "renamed", "text"}:
        why = "wrong_type" if "text" in broken else "missing"
        for row in np.flatnonzero(hit).tolist():
            value = float(numbers[0, row])
            faults.append((row, "x", why, f"{value}" if "text" in broken else None))
            if "renamed" in broken:
                faults.append((row, broken["renamed"], "extra", value))
        numbers[0, hit] = np.nan
    rename: Callable[[str], str] = broken.get("rename", str)
    categories = {**categories, "c": [rename(name) for name in categories["c"]]}
    coded = dict(zip(_NUMBERS, numbers, strict=True))
    codes = profile.encode(coded, categories, PANE)
    for row, column in enumerate(profile.columns):
        if isinstance(column, CategoryReference):
            other = np.flatnonzero(codes[row] == len(column.names)).tolist()
            faults += [(at, column.name, UNSEEN, categories[column.name][at]) for at in other]
    assert NULL_CODE not in codes or np.isnan(numbers).any()
    ordered = sorted(faults, key=lambda fault: fault[:3])
    signals, times = no_signals(PANE), _times(index)
    return PaneBlock.cut(index, PANE, codes, numbers, signals, times, ordered).pane(0)


def _no_calibration(columns: int) -> Calibration:
    """The checks need none: windows and sequential detectors do."""
    none = np.zeros((columns, 0))
    return Calibration(
        scales=np.zeros(0, np.int64),
        blocks=np.zeros(0, np.int64),
        design_effect=none,
        certainty=none,
        freedom=none,
        missing_effect=none,
        missing_certainty=none,
        unseen_effect=none,
        unseen_certainty=none,
        sequential_effect=none,
        sequential_error=none,
        sequential_peak=none,
        pair_mean=np.zeros((0, 0, 0)),
        pair_spread=np.zeros((0, 0, 0)),
        joint_mean=np.zeros(0),
        joint_spread=np.zeros(0),
        river_alarms=np.zeros(0, np.int64),
        river_names=(),
        time_ordered=True,
    )

"""One column's distribution in any window beside the reference's.

In: the window's pane summaries (quantile sketches or category counts) and the profile. Out: shares
by bin or by category. Never: more than `PANES` sketches; of a longer window every n-th pane is
taken, and the panel says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from monitor.dashboard.panel import NothingToShowError
from monitor.dashboard.sources import Sources, VersionAsked
from monitor.errors import ProfileError
from monitor.events import Float64
from monitor.sketches.category import CategoryReference
from monitor.sketches.kll import KllSummary
from monitor.sketches.number import NumberReference
from monitor.storage.page_queries import (
    CATEGORIES_OF_WINDOW,
    PANES_OF_WINDOW,
    SKETCHES_OF_WINDOW,
)

PANES: Final = 100
BINS: Final = 30
CATEGORIES: Final = 15
_OTHER: Final = "(other)"
_TAIL: Final = 0.002


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar pair: a stretch of values, or a category."""

    label: str
    low: float
    high: float
    """Ends of the values; NaN for a category."""
    reference: float
    current: float
    """Shares of the values, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Reference and window of one column."""

    column: str
    kind: str
    """number or category."""
    since: datetime
    until: datetime
    events: int
    missing: int
    panes: int
    panes_read: int
    distance: float
    """KS distance of a number, total variation of a category, between the two."""
    distance_name: str
    reference_rows: int
    bins: tuple[Bin, ...]


def distribution(
    sources: Sources, one: VersionAsked, column: str, since: datetime, until: datetime
) -> Distribution:
    """The distribution of `column` between two event times, beside the reference's."""
    reference = next(
        (known for known in sources.profile(one.card).columns if known.name == column), None
    )
    if reference is None:
        raise NothingToShowError(
            f"{column} is no column of the reference of {one.model} {one.model_version}."
        )
    asked: dict[str, Any] = {
        "model": one.model,
        "version": one.model_version,
        "column": column,
        "since": since,
        "until": until,
    }
    [window] = sources.reader.rows(PANES_OF_WINDOW, asked)
    if not window["panes"]:
        raise NothingToShowError("No pane begins in this window: choose a longer one.")
    if isinstance(reference, CategoryReference):
        bins, distance = _categories(sources, reference, asked)
        kind, name, read = "category", "total variation", window["panes"]
    else:
        step = -(-window["panes"] // PANES)
        bins, distance, read = _numbers(sources, reference, {**asked, "step": step})
        kind, name = "number", "KS distance"
    return Distribution(
        column=column,
        kind=kind,
        since=window["first_at"],
        until=window["last_at"],
        events=window["events"],
        missing=window["missing"],
        panes=window["panes"],
        panes_read=read,
        distance=distance,
        distance_name=name,
        reference_rows=reference.n_rows,
        bins=bins,
    )


@dataclass(frozen=True, slots=True)
class _Values:
    """What the sketches of a window keep, as one: to merge them would draw random bits.

    Whoever opens the same link is to see the same numbers.
    """

    values: Float64
    """Rising."""
    until: Float64
    """How many of the window's values lie at or below each."""

    @classmethod
    def of(cls, summaries: Sequence[KllSummary]) -> "_Values":
        kept = [summary.kept() for summary in summaries]
        values = np.concatenate([np.empty(0), *(one for one, _ in kept)])
        weights = np.concatenate([np.empty(0), *(each for _, each in kept)])
        order = np.argsort(values, kind="stable")
        return cls(values[order], np.cumsum(weights[order]))

    def ranks(self, points: Float64) -> Float64:
        """Share at or below each point."""
        until = np.concatenate([[0.0], self.until])
        ranks: Float64 = until[np.searchsorted(self.values, points, "right")] / until[-1]
        return ranks

    def quantiles(self, shares: Sequence[float]) -> Float64:
        """The values below which these shares lie."""
        places = np.searchsorted(self.until, np.array(shares) * self.until[-1])
        quantiles: Float64 = self.values[np.minimum(places, self.values.size - 1)]
        return quantiles


def _numbers(
    sources: Sources, reference: NumberReference, asked: dict[str, Any]
) -> tuple[tuple[Bin, ...], float, int]:
    summaries = []
    for row in sources.reader.rows(SKETCHES_OF_WINDOW, asked):
        try:
            summaries.append(KllSummary.from_bytes(row["sketch"]))
        except ProfileError:  # written by another release
            continue
    window = _Values.of(summaries)
    if not window.values.size:
        raise NothingToShowError("No event of this window has a value in this column.")
    if not reference.n:
        raise NothingToShowError("The reference has no value in this column.")
    edges = _edges(reference, window)
    of_reference = _below(reference, edges)
    of_window = window.ranks(edges)
    of_reference[0] = of_window[0] = 0.0  # what is beyond the edges counts in the outer bins
    of_reference[-1] = of_window[-1] = 1.0
    points = np.unique(reference.points[:: max(1, reference.points.size // 500)])
    distance = float(np.abs(window.ranks(points) - _below(reference, points)).max())
    bins = tuple(
        Bin(f"{low:.6g} to {high:.6g}", low, high, float(was), float(now))
        for low, high, was, now in zip(
            edges[:-1].tolist(),
            edges[1:].tolist(),
            np.diff(of_reference),
            np.diff(of_window),
            strict=True,
        )
    )
    return bins, distance, len(summaries)


def _edges(reference: NumberReference, window: _Values) -> Float64:
    """Ends of bins that hold nearly all of both; whole numbers get bins of their own."""
    share = np.cumsum(reference.counts) / reference.n
    low, high = (
        float(reference.points[min(int(np.searchsorted(share, at)), reference.points.size - 1)])
        for at in (_TAIL, 1.0 - _TAIL)
    )
    now = window.quantiles([_TAIL, 1.0 - _TAIL])
    low, high = min(low, float(now[0])), max(high, float(now[1]))
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    whole = bool(np.all(reference.points == np.round(reference.points)))
    if whole and high - low < BINS:
        return np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
    return np.linspace(low, high, BINS + 1)


def _below(reference: NumberReference, values: Float64) -> Float64:
    """Share of the reference at or below each value."""
    cumulative = np.concatenate([[0.0], np.cumsum(reference.counts) / reference.n])
    share: Float64 = cumulative[np.searchsorted(reference.points, values, side="right")]
    return share


def _categories(
    sources: Sources, reference: CategoryReference, asked: dict[str, Any]
) -> tuple[tuple[Bin, ...], float]:
    counts = {
        row["category"]: row["events"] for row in sources.reader.rows(CATEGORIES_OF_WINDOW, asked)
    }
    total, of_reference = sum(counts.values()), max(reference.n, 1)
    if not total:
        raise NothingToShowError("No event of this window has a value in this column.")
    names = (*reference.names, _OTHER)
    was = dict(zip(names, (reference.counts / of_reference).tolist(), strict=True))
    now = {name: n / total for name, n in counts.items()}
    every = {*was, *now}
    distance = sum(abs(was.get(name, 0.0) - now.get(name, 0.0)) for name in every) / 2.0
    ranked = sorted(every, key=lambda name: (-max(was.get(name, 0.0), now.get(name, 0.0)), name))
    shown = [name for name in ranked if name != _OTHER][:CATEGORIES]
    bins = [Bin(name, np.nan, np.nan, was.get(name, 0.0), now.get(name, 0.0)) for name in shown]
    rest = every.difference(shown)
    rest_was, rest_now = (sum(of.get(name, 0.0) for name in rest) for of in (was, now))
    if rest_was or rest_now:
        bins.append(Bin(_OTHER, np.nan, np.nan, rest_was, rest_now))
    return tuple(bins), float(distance)

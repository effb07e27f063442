"""Training-serving skew: a version serves other data than it was trained on, from its first events.

In: the first panes of a version. Out: `skew` measurements of single features. Never: a drift; what
changes later is for the windows to say. The time features of `schemas.timefeatures` are the one
thing that training, serving and monitor compute alike by using the same function.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from monitor.checks.check import CheckContext, Learned
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.errors import StateError
from monitor.events import Float64, Int64
from monitor.findings import Measurement, Verdict
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile, Reference
from schemas.model import OUTPUT_NAMES, ModelCard

SIZES: Final = (16, 8, 4)
"""Panes of the first look: the most of which the reference has five."""
BLOCKS: Final = 5
Bins = NDArray[np.uint8]

BINS: Final = 64
"""Numbers are compared at so many quantiles of the reference, categories at as many names."""
FLOOR: Final = 0.25
PEAKS: Final = 2.0
"""A first window must be so much farther from the reference than any of the reference's own."""
CLEAR: Final = 0.6


class Skew:
    """Each feature of the first 16 panes (4,000 events of 250) against the whole reference.

    KS distance of numbers, total variation of categories; an alert needs a quarter, the card's
    `effect_floor` or twice the distance of the reference's own farthest stretch of that length,
    whichever is most. It says that the version serves other data than it was trained on: a wrong
    join, other units, another population, not the world that moved. A feature once raised is looked
    at again in every further stretch.

    Parameters
    ----------
    context
        Card, profile and budget.

    **Blind to** a skew that comes later (drift), to one smaller than that, to which rows go
    together (joint drift), and to a reference without five such stretches. **Cost**: 60 us a pane
    of 12 columns while it looks, then nothing.
    """

    name: ClassVar[str] = "skew"

    def __init__(self, context: CheckContext) -> None:
        profile = context.profile
        self._panes = int(context.learned["panes"][0])
        self._pane_events = context.card.monitoring.pane_events
        self._columns = _features(profile)
        self._tables = self._made()
        """None while nothing is to be counted."""
        self._widths = [_width(table) for table in self._tables]
        self._shares = [
            _shares(column, table)
            for (_, column), table in zip(self._columns, self._tables, strict=True)
        ]
        floor = max(context.card.monitoring.effect_floor, FLOOR)
        self._needed = np.maximum(floor, PEAKS * context.learned["peak"])
        self._counts = self._none()
        self._taken = 0
        self._done = False

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """How far the reference's own stretches lie from the rest of it.

        `panes` float64[1]: panes of a stretch; `peak` float64[features]: the farthest one.
        """
        del card
        size = next((size for size in SIZES if len(panes) >= BLOCKS * size), 0)
        if not size:
            return {}
        peaks = []
        for row, column in _features(profile):
            table = _bins(column)
            counts = np.array([_counted(table, pane.codes[row]) for pane in panes], np.float64)
            total = counts.sum(axis=0)
            peak = 0.0
            for start in range(0, len(panes) - size + 1, max(size // 4, 1)):
                block = counts[start : start + size].sum(axis=0)
                peak = max(peak, _distance(column, block, total - block))
            peaks.append(peak)
        return {"panes": np.array([float(size)]), "peak": np.array(peaks)}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """Only where the reference is long enough."""
        return cls(context) if "peak" in context.learned else None

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """What the stretch that ends with this pane says, if one does."""
        if self._done and not raised:
            self._tables = []
            return []
        self._tables = self._tables or self._made()
        for counts, (row, _), table in zip(self._counts, self._columns, self._tables, strict=True):
            counts += _counted(table, pane.codes[row])
        self._taken += 1
        if self._taken < self._panes:
            return []
        found = [
            self._measured(place, first=not self._done)
            for place, (_, column) in enumerate(self._columns)
            if not self._done or column.name in raised
        ]
        self._counts, self._taken = self._none(), 0
        first, self._done = not self._done, True
        return [
            measurement
            for measurement in found
            if not first or measurement.verdict is Verdict.DRIFT or measurement.feature in raised
        ]

    def state(self) -> dict[str, Any]:
        """See `Check`."""
        return {"counts": self._counts, "taken": self._taken, "done": self._done}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check`."""
        try:
            counts = [np.array(saved, np.int64) for saved in state["counts"]]
            self._taken, self._done = int(state["taken"]), bool(state["done"])
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the saved state of `skew` cannot be read: {error!r}") from error
        if [one.shape for one in counts] != [one.shape for one in self._none()]:
            raise StateError("the saved state of `skew` is of other columns")
        self._counts = counts

    def _none(self) -> list[Int64]:
        return [np.zeros(width, np.int64) for width in self._widths]

    def _made(self) -> list[Bins]:
        return [_bins(column) for _, column in self._columns]

    def _measured(self, place: int, *, first: bool) -> Measurement:
        column, counts = self._columns[place][1], self._counts[place].astype(np.float64)
        n, needed = int(counts.sum()), float(self._needed[place])
        scale = self._panes * self._pane_events
        effect = _distance(column, counts, self._shares[place] * column.n) if n else 0.0
        told = n >= scale // 4 and needed < 1.0
        verdict = Verdict.DRIFT if effect > needed else Verdict.OK
        kind = "KS distance" if isinstance(column, NumberReference) else "total variation"
        when = "its first" if first else "the last"
        other = "other data than it was" if effect > needed else "data like those that it was"
        return Measurement(
            check=self.name,
            feature=column.name,
            scale=scale,
            verdict=verdict if told else Verdict.CANNOT_TELL,
            statistic=effect,
            effect=effect,
            threshold=needed,
            p_value=0.0 if effect > needed else 1.0,
            n_ref=column.n,
            n_cur=scale,
            n_effective=float(n),
            smallest_visible=needed,
            cleared=effect < CLEAR * needed and n > 0,
            immediate=verdict is Verdict.DRIFT,
            reason=(
                f"{column.name}: the version serves {other} trained on: {kind} "
                f"{effect:.2f} in {when} {scale:,} events, where no stretch of the reference had "
                f"more than {needed / PEAKS:.2f}"
            ),
            values={"distance": effect},
        )


def _features(profile: Profile) -> list[tuple[int, Reference]]:
    return [(row, c) for row, c in enumerate(profile.columns) if c.name not in OUTPUT_NAMES]


def _bins(column: Reference) -> Bins:
    """uint8[codes]: the bin of each code; categories beyond the commonest share the last one."""
    if isinstance(column, NumberReference):
        middle = 0.5 * (column.cdf[:-1] + column.cdf[1:])
        return np.minimum((middle * BINS).astype(np.uint8), np.uint8(BINS - 1))
    return np.minimum(np.arange(len(column.names) + 1), BINS - 1).astype(np.uint8)


def _counted(table: Bins, codes: Codes) -> Int64:
    """int64[bins + 1]: values in each bin; the last is never filled."""
    return np.bincount(table[codes[codes != NULL_CODE]], minlength=_width(table))


def _width(table: Bins) -> int:
    return int(table.max(initial=0)) + 2


def _shares(column: Reference, table: Bins) -> Float64:
    """float64[bins + 1]: the reference's own."""
    weights = np.zeros(table.size)
    if isinstance(column, NumberReference):
        weights[1::2] = column.counts
    else:
        weights[: column.counts.size] = column.counts
    found = np.bincount(table, weights=weights, minlength=_width(table))
    return found / max(float(found.sum()), 1.0)


def _distance(column: Reference, counts: Float64, others: Float64) -> float:
    """KS distance of numbers, total variation of categories."""
    if not counts.sum() or not others.sum():
        return 0.0
    apart = counts / counts.sum() - others / others.sum()
    if isinstance(column, NumberReference):
        return float(np.abs(np.cumsum(apart)).max())
    return float(np.abs(apart).sum() / 2)

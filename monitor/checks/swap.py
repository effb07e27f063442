"""Swapped columns: two numbers, or two categories, have exchanged their places.

In: closed panes. Out: a claim on each of the two, which names the other. Never: a claim on columns
that cannot be told apart.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.claim import claim
from monitor.checks.knots import gaps, halves, knot_distance, landed, reach, slack
from monitor.checks.outlook import DEPTH, NOW, SHORT, Outlook
from monitor.checks.pane_view import PaneBlock, PaneView, Remembered
from monitor.checks.unit import farthest_gaps
from monitor.events import Float64
from monitor.findings import Measurement, Verdict
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from schemas.model import OUTPUT_NAMES, ModelCard

MAX_COLUMNS: Final = 50
"""Number columns up to which the order of every two of them is learnt."""
MOVED: Final = 0.12
"""Columns nearer to their past than this, as a share of the reference's farthest, are left out."""
FAR: Final = 1.3
"""How far a column has to lie from its own past, as a share of the reference's farthest."""
FIT: Final = 0.5
"""Exchanged, the two have to lie this much nearer to their pasts than they do."""
FLIPPED: Final = 0.3
"""By how much the share of events with a above b has to leave what the reference had."""
BETTER: Final = 0.7
"""The same of the two together, where something else speaks for an exchange."""
TURNED: Final = 0.3
"""By how much more of one of the two has to be new to the reference than before."""
NEW: Final = 0.6
KNOWN: Final = 0.6
"""Shares of the values that are new to their column, and known to the other one."""
NAMES: Final = 0.8
"""Share of a category's values that have to be names of the other one."""

_AT_ONCE: Final = 2**15
"""Pairs that are compared at once: more would not fit a processor's cache."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two numbers of a pane that lie nearer to each other's past than to their own."""

    first: int
    second: int
    panes: int
    """`LONG` or `SHORT`, in which they do."""
    certain: bool
    """Whether that is enough: they fit well, and are far from their own."""


class Swap:
    """Two columns that each look like the other's past.

    Parameters
    ----------
    context
        How far the reference's panes lie from the panes before them, and, of every two numbers, in
        which share of a pane the one is above the other: the smallest and the largest.

    Exchanged, both must lie within what the reference's panes lie from their past, and much nearer
    than as they come. And as they come they must be strange: 1.3 times farther from their past than
    the reference ever was, in an order that it never had (a dew point above the temperature), or
    with values that are new to the one and known to the other.
    Of categories, each must hold the names of the other.

    **Blind to** columns of like distribution whose order changes anyway; columns exchanged in a
    share of the events; a number exchanged with a category (`schema` sees the type).
    **Cost** 12 us a pane for 11 numbers, growing with their square; 150 us more for two of which
    each lies nearer to the other's past than to its own.

    >>> from monitor.checks.example import example_panes, example_suite
    >>> suite = example_suite()
    >>> for pane in example_panes(0, 10):
    ...     assert suite.look(pane) == []
    >>> claims = [m for pane in example_panes(10, 6, swapped=True) for m in suite.look(pane)]
    >>> sorted({m.reason for m in claims})[0]
    'x and y are exchanged: each has the values of the other'
    """

    name: ClassVar[str] = "swap"

    def __init__(self, context: CheckContext) -> None:
        self._history = context.history
        self._profile = context.profile
        self._scale = SHORT * context.card.monitoring.pane_events
        self._usual = np.maximum(context.learned["gaps"], 1e-12)
        self._low, self._high = context.learned["lowest"], context.learned["highest"]
        numbers = self._history.numbers
        self._watched = np.array([name not in OUTPUT_NAMES for name in numbers], np.bool_)
        self._ordered = (self._low > 1.0 - FLIPPED) | (self._high < FLIPPED)
        self._ordered &= self._ordered.T
        np.fill_diagonal(self._ordered, False)  # a column is always as high as itself
        self._upper = np.triu(np.ones_like(self._ordered), 1)
        self._pairs = Remembered(self._measure)
        self._partner: dict[str, str] = {}
        """Who has been found exchanged with whom."""

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """Gaps from the past, and the range of each pair's order."""
        del card
        found = dict(farthest_gaps(profile, panes))
        if not found:
            return {}
        numbers = sum(isinstance(column, NumberReference) for column in profile.columns)
        lowest, highest = np.full((2, numbers, numbers), np.nan)
        if numbers <= MAX_COLUMNS:
            for pane in panes:
                shares = _above(pane.values[:, None], pane.values)
                lowest = np.fmin(lowest, shares)
                highest = np.fmax(highest, shares)
        return {**found, "lowest": lowest, "highest": highest}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """None where the reference held too few panes or there are no two columns to exchange."""
        return cls(context) if context.learned else None

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""
        self._pairs.of(self._history.prepare(block))

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """See `Check.look`."""
        if self._history.panes < DEPTH:
            return []
        outlook, place = self._history.outlook, self._history.place
        numbers, names = self._pairs.of(outlook)
        pairs = numbers.get(place, ())
        if not raised and not pairs and not names[place]:
            self._partner = {}
            return []
        found = {**self._numbers(pane, pairs), **self._categories(pane)}
        claims = {}
        for (a, b), effect in found.items():
            for one, other in ((a, b), (b, a)):
                self._partner[one] = other
                claims[one] = self._say(one, other, effect)
        for name in sorted(raised - claims.keys()):
            other = self._partner.get(name, "")
            claims[name] = claim(
                self.name,
                name,
                Verdict.OK,
                scale=self._scale,
                effect=0.0,
                threshold=1.0,
                reason=f"{name} no longer has the values of {other}",
            )
        self._partner = {n: o for n, o in self._partner.items() if n in raised or n in claims}
        return list(claims.values())

    def state(self) -> dict[str, Any]:
        """Who is exchanged with whom; the history is the suite's."""
        return {"partner": dict(self._partner)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check.restore`."""
        self._partner = {str(a): str(b) for a, b in state["partner"].items()}

    def _measure(self, outlook: Outlook) -> tuple[dict[int, list[_Pair]], list[bool]]:
        """The pairs of each pane, and whether it has two categories of strange names."""
        found: dict[int, list[_Pair]] = defaultdict(list)
        step = max(_AT_ONCE // max(len(self._watched), 1) ** 2, 1)
        for start in range(0, len(outlook), step):
            for pane, one in self._fitting(outlook, slice(start, start + step)):
                found[start + pane].append(one)
        ends = [span.stop - 1 for span in self._history.spans]
        unseen = outlook.panes.counts[DEPTH:, ends] > NAMES * outlook.block.codes.shape[2]
        return found, (unseen.sum(axis=1) >= 2).tolist()

    def _fitting(self, outlook: Outlook, some: slice) -> list[tuple[int, _Pair]]:
        """Panes, and pairs of their numbers that lie near each other's past.

        Knots are compared only of pairs of which the halves of the knots lie near each other's:
        these lie no farther apart than the knots do.
        """
        own, now, past = outlook.apart[:, some], outlook.now[:, some], outlook.past[some]
        turned, every = outlook.rise[some] >= TURNED, self._usual[:, None]
        moved = self._watched & ((own > MOVED * every) | turned) & outlook.whole[some, None]
        ordered = self._ordered | turned[:, :, None] | turned[:, None]
        limit = np.minimum(every[:, :, None], np.where(ordered, 1.0, FIT) * own[:, :, None])
        (low, high), (low_past, high_past) = halves(now), halves(past)
        apart = np.abs(low[..., None] - low_past[:, None])
        apart += np.abs(high[..., None] - high_past[:, None])
        limit += 1e-12 * (reach(now)[..., None] + reach(past)[:, None])  # for rounding
        near = ~(apart > limit)
        near &= near.swapaxes(2, 3) & moved[..., None] & moved[:, :, None] & self._upper
        hit = np.nonzero(near)
        if not hit[0].size:
            return []
        place, pane, a, b = hit
        # the present of each, put into the other's column, from the past of that
        there = gaps(now[place, pane, a], past[pane, b])
        back = gaps(now[place, pane, b], past[pane, a])
        own_a, own_b = own[place, pane, a], own[place, pane, b]
        usual_a, usual_b = every[place, 0, a], every[place, 0, b]
        close = (there <= usual_b) & (back <= usual_a)
        nearer = close & (there <= FIT * own_b) & (back <= FIT * own_a)
        strange_a, strange_b = own_a / usual_a, own_b / usual_b
        better = there / usual_b + back / usual_a <= BETTER * (strange_a + strange_b)
        fits = close & (there < own_b) & (back < own_a) & ordered[pane, a, b] & better
        far = np.maximum(strange_a, strange_b) >= FAR
        certain = nearer & far & (np.minimum(strange_a, strange_b) > 0.5)
        return [
            (int(pane[k]), _Pair(int(a[k]), int(b[k]), NOW[place[k]], bool(certain[k])))
            for k in np.flatnonzero(nearer | fits).tolist()
        ]

    def _numbers(self, pane: PaneView, pairs: Sequence[_Pair]) -> dict[Pair, float]:
        history = self._history
        found: dict[Pair, float] = {}
        for one in pairs:
            a, b = one.first, one.second
            pair = (history.numbers[a], history.numbers[b])
            if any(self._partner.get(x, y) != y for x, y in (pair, pair[::-1])):
                continue
            if (history.held & set(pair)) - self._partner.keys():
                continue  # something else explains one of them
            now = history.now(one.panes)
            if one.certain or self._flipped(pane, a, b) or self._exchanged(now, a, b):
                found[pair] = max(knot_distance(now[r], history.past[r]) for r in (a, b))
        return found

    def _exchanged(self, now: Float64, a: int, b: int) -> bool:
        """Whether the values of each are new to it, and known to the other."""
        other: list[float] = []
        for mine, its in ((a, b), (b, a)):
            other.append(self._known_share(now[mine], its))
            if other[-1] < KNOWN / 3:
                return False
        if max(other) < KNOWN:
            return False
        return max(self._known_share(now[row], row) for row in (a, b)) <= 1.0 - NEW

    def _known_share(self, values: Float64, row: int) -> float:
        """The share of the values that a column had before."""
        known = self._history.known(row)
        return float(landed(values, known, slack(known)))

    def _flipped(self, pane: PaneView, a: int, b: int) -> bool:
        """Whether a and b stand in an order that they never had, and exchanged in one they had."""
        both = pane.values[[a, b]]
        above, below = _above(both, both[::-1]).tolist()
        low, high = self._low[a, b], self._high[a, b]
        strange = above < low - FLIPPED or above > high + FLIPPED
        return bool(strange and low - 0.1 <= below <= high + 0.1)

    def _categories(self, pane: PaneView) -> dict[Pair, float]:
        history = self._history
        strange = [
            column
            for column, span in zip(history.categories, history.spans, strict=True)
            if history.last.counts[-1, span.stop - 1] > NAMES * len(pane)
            and column.name not in OUTPUT_NAMES
        ]
        found: dict[Pair, float] = {}
        for at, first in enumerate(strange):
            for second in strange[at + 1 :]:
                shares = [
                    _share_of(pane.unseen(x.name), set(y.names))
                    for x, y in ((first, second), (second, first))
                ]
                if min(shares) >= NAMES:
                    found[first.name, second.name] = 1.0
        return found

    def _say(self, one: str, other: str, effect: float) -> Measurement:
        return claim(
            self.name,
            one,
            Verdict.DRIFT,
            scale=self._scale,
            effect=effect,
            threshold=0.1,
            reason=f"{one} and {other} are exchanged: each has the values of the other",
        )


def _above(values: Float64, others: Float64) -> Float64:
    """The share of events with a value above the other, row by row, NaN where too few have both.

    >>> _above(np.array([[1.0, 3.0], [1.0, np.nan]]), np.array([2.0, 2.0])).tolist()
    [0.5, 0.0]
    >>> _above(np.array([1.0, 3.0, 1.0, 2.0, 0.0]), np.array([2.0, np.nan, np.nan, np.nan, np.nan]))
    array(nan)
    """
    n = np.count_nonzero(~(np.isnan(values) | np.isnan(others)), axis=-1)
    above = np.count_nonzero(values > others, axis=-1)
    enough = (n * 4 >= values.shape[-1]) & (n > 0)
    return np.where(enough, above / np.maximum(n, 1), np.nan)


def _share_of(texts: Sequence[str], names: Set[str]) -> float:
    return sum(text in names for text in texts) / max(len(texts), 1)

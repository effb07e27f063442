"""Unit change: a number comes in another unit, which a known conversion explains.

In: closed panes. Out: a claim on each number that a conversion brings back to its past, and which
conversion that is. Never: a claim on a shift that no known pair of units explains; drift has those.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.claim import claim
from monitor.checks.conversions import CONVERSIONS, FACTORS, OFFSETS
from monitor.checks.history import History
from monitor.checks.knots import KNOTS, gaps, halves, knot_distance, landed, reach, slack
from monitor.checks.outlook import DEPTH, LONG, NOW, Outlook
from monitor.checks.pane_view import PaneBlock, PaneView, Remembered
from monitor.events import Bool, Float64
from monitor.findings import Measurement, Verdict
from monitor.sketches.profile import Profile
from schemas.model import OUTPUT_NAMES, ModelCard

TRIGGER: Final = 1.0
"""A column whose panes lie this far from their past, as a share of the reference's farthest, is
asked about."""
FAR: Final = 2.5
"""As far as this it is strange by itself."""
FIT: Final = 0.55
"""Undone, it has to lie this much nearer to its past than it does."""
NEW: Final = 0.5
"""Share of the values that have to be ones of neither the reference nor the past."""
LANDED: Final = 0.6
"""Share of the undone values that are values of before, where the column has few."""
TELLING: Final = 0.12
"""The same, above chance, which tells two conversions apart that fit alike."""
MIXED: Final = 3.0
"""So far from its past may a pane lie in which an exchange has begun."""
BEGUN: Final = 0.3
"""A window lies so far from its newest pane, as a part of its move, where a change began in it."""
ATOM: Final = 0.3
"""A value that has come to stand for this share more is a placeholder, no unit."""
TOLD: Final = 0.5
"""The same where it is enough for a claim."""
CLOSE: Final = 0.6
"""Undone, it lies nearer to its past than this share of the reference's farthest."""
ALIKE: Final = 0.7
"""Conversions that are told by so much of what the best is are alike: the first one counts."""
OUTSIDE: Final = 0.25
"""Share of the values outside of the card's range, or far beyond all that was there before."""


_NEARBY: Final = (0.9871, 1.0059, 1.0137)
"""Factors of no unit: what lands on known values after them lands by chance."""
_TURNING: Final = np.flatnonzero(FACTORS < 0)
"""Conversions that turn the order of the values."""


@dataclass(frozen=True, slots=True)
class _Found:
    conversion: int
    before: Float64
    now: Float64
    panes: int
    certain: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """bool[2, panes, numbers], of 4 and of 2 panes: which numbers have moved."""

    asked: Bool
    hopeful: Bool
    """Which of these a conversion may bring near their past."""
    any: list[bool]
    """Of each pane, whether any is hopeful."""


class Unit:
    """A known conversion explains a column's move.

    Parameters
    ----------
    context
        How far the reference's own panes lie from the panes before them, in the column's units.

    The last panes (2, then 4) are compared with those before (a day's worth, two panes left out,
    and those from before the trouble once it is claimed). A conversion explains the move if the
    panes, brought back by it, lie much nearer to the past than they do, and no farther than the
    reference's panes do. That alone happens by chance where a column swings widely (wind, say), so
    one more is asked for:

    - *values*: brought back, the values are ones that the reference or the past had, and as they
      come they are not; columns with few distinct values give themselves away so;
    - *range*: a quarter of the values lie outside of the card's range, or farther beyond all that
      the reference and the past had than these reach, and some of them, brought back, are known;
    - *distance*: the panes lie 2.5 times as far from their past as any panes of the reference.

    Once claimed, it is over when that same conversion explains the panes no longer.

    **Blind to** a conversion that is not in `conversions.py`; one by a factor near 1 (knots to
    mph) on a column of many values; a change in a share of the events; a column that is mostly 0.
    **Cost** 2 us a pane for 11 numbers; 0.2 to 0.6 ms more for one that lies far from its past,
    and that a conversion may bring near it.

    >>> from monitor.checks.example import example_panes, example_suite
    >>> suite = example_suite()
    >>> for pane in example_panes(0, 10):
    ...     assert suite.look(pane) == []
    >>> claims = [m for pane in example_panes(10, 6, factor=1.609344) for m in suite.look(pane)]
    >>> claims[0].reason
    'x: as if miles had become kilometres (now = 1.609 x before)'
    """

    name: ClassVar[str] = "unit"

    def __init__(self, context: CheckContext) -> None:
        self._history = context.history
        self._scale = LONG * context.card.monitoring.pane_events
        self._pane = context.card.monitoring.pane_events
        self._usual = context.learned["gaps"]
        self._watched = np.array([n not in OUTPUT_NAMES for n in self._history.numbers], np.bool_)
        if context.card.task == "regression":
            self._watched |= [n == "prediction" for n in self._history.numbers]
        specs = [context.card.features.get(name) for name in self._history.numbers]
        self._ranges = [
            (
                -np.inf if s is None or s.min is None else s.min,
                np.inf if s is None or s.max is None else s.max,
            )
            for s in specs
        ]
        self._asked = Remembered(self._measure)
        self._claimed: dict[str, int] = {}
        """The conversion that was found last, of what is raised."""

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """The farthest that panes lie from their past: float64[2, numbers], for 2 and 4 panes."""
        del card
        return farthest_gaps(profile, panes)

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """None where the reference held too few panes."""
        return cls(context) if context.learned else None

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""
        self._asked.of(self._history.prepare(block))

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """See `Check.look`."""
        del pane
        history = self._history
        if history.panes < DEPTH:
            return []
        questions = self._asked.of(history.outlook)
        if not raised and not questions.any[history.place]:
            self._claimed = {}
            return []
        claims: dict[str, Measurement] = {}
        for place, panes in enumerate(NOW):
            usual = self._usual[place]
            asked = questions.asked[place, history.place]
            hopeful = questions.hopeful[place, history.place]
            again = np.array([name in raised for name in history.numbers], np.bool_)
            rows = np.flatnonzero(asked & (hopeful | again)).tolist()
            rows += np.flatnonzero(again & ~asked).tolist()
            if not rows:
                continue
            now = history.now(panes)
            for row in rows:
                name = history.numbers[row]
                if name in claims and claims[name].verdict is Verdict.DRIFT:
                    continue
                known = self._claimed.get(name) if name in raised else None
                found = self._explain(row, now[row], usual[row], panes, known)
                if found is not None:
                    claims[name] = self._say(name, found)
                    self._claimed[name] = found.conversion
        for name in sorted(raised - claims.keys()):
            row = history.numbers.index(name)
            if np.isnan(history.now(LONG)[row]).any():
                continue
            claims[name] = claim(
                self.name,
                name,
                Verdict.OK,
                scale=self._scale,
                effect=0.0,
                threshold=1.0,
                reason=f"{name}: no conversion of units explains its values any more",
            )
        self._claimed = {n: k for n, k in self._claimed.items() if n in raised or n in claims}
        return list(claims.values())

    def state(self) -> dict[str, Any]:
        """The conversions that were found; the history is the suite's."""
        return {"claimed": dict(self._claimed)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check.restore`."""
        self._claimed = {str(name): int(k) for name, k in state["claimed"].items()}

    def _measure(self, outlook: Outlook) -> _Asked:
        far = outlook.apart > TRIGGER * self._usual[:, None]
        asked = self._watched & (far | (outlook.rise >= NEW))
        hopeful = np.zeros(asked.shape, np.bool_)
        hit = np.nonzero(asked)
        if hit[0].size:
            place, panes, rows = hit
            usual = np.maximum(self._usual[place, rows], 1e-12)
            hopeful[hit] = _brought_near(outlook.now[hit], outlook.past[panes, rows], usual)
        return _Asked(asked, hopeful, np.any(hopeful, axis=(0, 2)).tolist())

    def _explain(
        self, row: int, now: Float64, usual: float, panes: int, claimed: int | None
    ) -> _Found | None:
        before = self._history.past[row]
        if np.isnan(now).any() or np.isnan(before).any():
            return None
        undone = _undone(now)
        apart, here = _apart(undone, before), float(gaps(now, before))
        near = apart <= max(usual, 1e-12)
        # In the units of before, so that a map to small numbers is not near for being small.
        fits = near & (np.abs(FACTORS) * apart <= FIT * here)
        if claimed is not None:
            still = abs(FACTORS[claimed]) * apart[claimed] <= FIT * here
            return _Found(claimed, before, now, panes, False) if still else None
        if not near.any() or _largest_share(now) > _largest_share(before) + ATOM:
            return None
        found = self._landed(undone, near, now, self._history.known(row))
        best = int(np.argmax(np.where(near, found, 0.0)))
        if found[best] >= LANDED and near[best]:
            return _Found(best, before, now, panes, True)
        if not fits.any():
            return None
        loose, fits = fits, fits & (apart < CLOSE * usual)
        telling = np.where(fits, found, 0.0)
        if telling.max() >= TELLING:
            best = int(np.argmax(telling >= ALIKE * telling.max()))
            if telling[best] < TOLD and here > FAR * usual and loose[0]:
                best = 0
        elif here > FAR * usual and fits.any():
            # Degrees first: both maps of them swing with the weather, and factors are many.
            best = 0 if loose[0] else int(np.argmin(np.where(fits, apart, np.inf)))
        else:
            return None
        told = telling[best] >= TOLD and abs(FACTORS[best]) * apart[best] <= FIT * here
        if not told and not self._strange(row, undone[best], now, here / usual):
            return None
        newest = self._history.last.knots[-1, row]
        if gaps(now, newest) > BEGUN * here or self._exchanged(row, now, panes):
            return None
        return _Found(best, before, now, panes, False)

    def _exchanged(self, row: int, now: Float64, panes: int) -> bool:
        """Whether these are the values of another column that is as far away: `swap` has that."""
        history, usual = self._history, self._usual[NOW.index(panes)]
        others = history.apart(panes) > usual
        others[row] = False
        return bool((others & (gaps(now, history.past) <= MIXED * usual)).any())

    def _strange(self, row: int, undone: Float64, now: Float64, far: float) -> bool:
        """Whether the values as they come are strange, and undone they are not."""
        if far > FAR:
            return True
        low, high = self._ranges[row]
        known = self._history.known(row)
        least, most = min(values[0] for values in known), max(values[-1] for values in known)
        reach = most - least
        for bottom, top in ((low, high), (least - reach, most + reach)):
            out = ((now < bottom) | (now > top)).mean()
            if out >= OUTSIDE and ((undone >= bottom) & (undone <= top)).mean() > 1 - out / 4:
                return True
        return False

    def _landed(
        self, undone: Float64, near: Bool, now: Float64, known: Sequence[Float64]
    ) -> Float64:
        """Share of the undone values that are known ones, less what chance makes of it.

        0 where they are not near, the values as they come are known too, or known ones lie too
        densely to tell.
        """
        width, told = slack(known), np.zeros(len(undone))
        if landed(now, known, width) > 1.0 - NEW:
            return told
        undone = undone[near]
        widths = width + _rounding(now) / np.abs(FACTORS[near])
        chance = np.mean([landed(undone * k, known, widths) for k in _NEARBY], axis=0)
        found = np.where(chance <= 0.3, landed(undone, known, widths) - chance, 0.0)
        for k in np.flatnonzero(found >= TELLING).tolist():
            if np.unique(undone[k]).size < 3:
                found[k] = 0.0
        told[near] = found
        return told

    def _say(self, name: str, found: _Found) -> Measurement:
        conversion = CONVERSIONS[found.conversion]
        undone = np.sort((found.now - conversion.offset) / conversion.factor)
        return claim(
            self.name,
            name,
            Verdict.DRIFT,
            scale=self._scale,
            events=found.panes * self._pane,
            effect=knot_distance(found.now, found.before),
            threshold=0.1,
            reason=f"{name}: as if {_had(conversion.words)} (now = {conversion.formula()})",
            immediate=found.certain,
            values={
                "factor": conversion.factor,
                "offset": conversion.offset,
                "undone": knot_distance(undone, found.before),
            },
        )


def farthest_gaps(profile: Profile, panes: Sequence[PaneView]) -> Learned:
    """The farthest that the reference's panes lie from their past, for 4 and for 2 panes."""
    history = History(profile)
    found = []
    for pane in panes:
        history.add(pane)
        if history.panes >= DEPTH:
            found.append([history.apart(k) for k in NOW])
    return {"gaps": np.fmax.reduce(np.array(found), axis=0)} if found else {}


def _undone(now: Float64) -> Float64:
    """Knots [..., KNOTS] as each conversion would have found them, [..., conversions, KNOTS]."""
    undone = (now[..., None, :] - OFFSETS[:, None]) / FACTORS[:, None]
    undone[..., _TURNING, :] = undone[..., _TURNING, ::-1]
    return np.asarray(undone)


def _brought_near(now: Float64, before: Float64, far: Float64) -> Bool:
    """Which rows of knots any conversion may bring as near to the past as this.

    Told from the sums of either half of the knots: the knots lie at least as far apart as those.
    """
    (low, high), (low_before, high_before) = halves(now), halves(before)
    share = (KNOTS // 2) / KNOTS * OFFSETS
    low_undone, high_undone = ((half[:, None] - share) / FACTORS for half in (low, high))
    for half, other in ((low_undone, high), (high_undone, low)):
        half[:, _TURNING] = (other[:, None] - share[_TURNING]) / FACTORS[_TURNING]
    apart = np.abs(low_undone - low_before[:, None]) + np.abs(high_undone - high_before[:, None])
    rounding = 1e-12 * ((reach(now)[:, None] + np.abs(OFFSETS)) / np.abs(FACTORS))
    rounding += 1e-12 * reach(before)[:, None]
    return np.asarray((apart <= far[:, None] + rounding).any(axis=1))


def _apart(undone: Float64, before: Float64) -> Float64:
    """How far they lie from the past [..., KNOTS], in its units: [..., conversions]."""
    return gaps(undone, before[..., None, :])


def _largest_share(knots: Float64) -> float:
    ends = np.flatnonzero(np.append(knots[1:] != knots[:-1], True))
    return float(np.diff(ends, prepend=-1).max()) / knots.size


def _rounding(values: Float64) -> float:
    """Half of the last decimal that the values show, if they show at most three."""
    slack = 1e-6 * np.abs(values) + 1e-6  # the history keeps float32
    for decimals in range(4):
        if (np.abs(values - np.round(values, decimals)) <= slack).all():
            return 0.5 * 10.0**-decimals
    return 0.0


def _had(words: str) -> str:
    return words.replace("have become", "had become").replace("has become", "had become")

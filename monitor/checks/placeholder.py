"""Placeholder burst: one value stands where many should be: a default, a zero, a hidden null.

In: closed panes. Out: a claim on each feature with such a value, which is named. Never: a claim on
a feature that has stopped altogether; `stuck` has those.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.claim import claim
from monitor.checks.history import LATEST, History
from monitor.checks.knots import KNOTS, Float32
from monitor.checks.outlook import DEPTH, Outlook
from monitor.checks.pane_view import PaneBlock, PaneView, Remembered
from monitor.events import Bool, Float64
from monitor.findings import Measurement, Verdict
from monitor.sketches.profile import Profile
from schemas.model import OUTPUT_NAMES, ModelCard
from schemas.values import NULL_WORDS

HORIZONS: Final = (2, 4, 7)
"""Panes in a row in which the value has to be frequent: 7 whole ones end within 2,000 events."""
FLOORS: Final = (0.3, 0.25, 0.15)
MARGIN: Final = 2.0
"""A share has to exceed the floor of its horizon plus `MARGIN` times the reference's."""
COMMON: Final = 0.05
"""A value with this share of the reference is held to what it did there itself."""
GAINED: Final = 0.1
"""What stands for many names lets no other one gain more than this."""
STUCK: Final = 0.97
"""From this share on a feature does not change at all."""
_LONGEST: Final = max(HORIZONS)
_ONES: Final = np.ones(KNOTS, np.float32)
_LEAST_KNOTS: Final = int(min(FLOORS) * KNOTS)
"""More knots than this, which rise, have to be one value before its share can exceed any floor."""


@dataclass(frozen=True, slots=True)
class _Over:
    """A value whose share is over its ceiling."""

    at: int
    """Row of a number, slot of a counted name."""
    value: float
    """NaN of a name."""
    share: float
    place: int
    """In `HORIZONS`."""


_ByPane = dict[int, list[_Over]]


class Placeholder:
    """A value whose share stays high, pane after pane, as no value's did in the reference.

    Parameters
    ----------
    context
        How high the smallest share of one value in 2, 4 and 7 panes in a row went in the reference.

    A natural value comes and goes with the hours; a placeholder is in every pane. So the smallest
    of its shares in some panes in a row counts, against twice what the reference's own panes
    reached, plus 0.3, 0.25 or 0.15 for the three horizons.
    Shares of numbers are read from 33 knots a pane: they are known to 0.03.

    **Blind to** a placeholder in less than about a fifth of the values; one that is the value
    that the feature has most of the time anyway (no rain); one that spreads over several values;
    a text that the reference never had and that is no word for "nothing" (`unseen_categories`).
    **Cost** 3 us a pane for 13 columns; the history is shared.

    >>> from monitor.checks.example import example_panes, example_suite
    >>> suite = example_suite()
    >>> for pane in example_panes(0, 10):
    ...     assert suite.look(pane) == []
    >>> claims = [m for pane in example_panes(10, 8, x=-999.0, share=0.4) for m in suite.look(pane)]
    >>> claims[0].reason[:55]
    'x: -999 stands for 36% of the last 500 events at least:'
    """

    name: ClassVar[str] = "placeholder"

    def __init__(self, context: CheckContext) -> None:
        self._history = context.history
        self._scale = context.card.monitoring.pane_events
        self._profile = context.profile
        learned, floors = context.learned, np.array(FLOORS)[:, None]
        self._ceilings = learned["numbers"] * MARGIN + floors
        self._common = learned["common"]
        """float64[numbers, values]: the values with a share of their own, NaN beside them."""
        self._category_ceilings = learned["categories"] * MARGIN + floors
        self._lowest_ceiling = self._category_ceilings.min(axis=0)
        history = self._history
        features = [name not in OUTPUT_NAMES for name in history.numbers]
        self._watched = np.array(features, np.bool_)
        self._slots = np.ones(history.last.counts.shape[1], np.bool_)
        """The counted names that may be placeholders: many rare ones together are none."""
        for column, span in zip(history.categories, history.spans, strict=True):
            self._slots[span.stop - 2] = False
            self._slots[span] &= column.name not in OUTPUT_NAMES
        self._over = Remembered(self._measure)
        self._reason: dict[str, str] = {}

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """The largest smallest share of one value over each horizon, and the common values."""
        del card
        history = History(profile)
        if len(panes) < DEPTH:
            return {}
        common = _common_values(profile)
        numbers = np.zeros((len(HORIZONS), len(history.numbers)))
        categories = np.zeros((len(HORIZONS), history.last.counts.shape[1]))
        for pane in panes:
            history.add(pane)
            if history.panes < DEPTH:
                continue
            last = history.last
            shares = _number_shares(last.knots[-_LONGEST:], last.tops[-LATEST:])
            shares[:, _among(last.tops[-LATEST:], common)] = 0.0
            numbers = np.fmax(numbers, shares.max(axis=1))
            categories = np.fmax(categories, _least(last.shares[-_LONGEST:]))
        return {"numbers": numbers, "common": common, "categories": categories}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """None where the reference held too few panes."""
        return cls(context) if context.learned else None

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""
        self._over.of(self._history.prepare(block))

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """See `Check.look`."""
        history = self._history
        if history.panes < _LONGEST:
            return []
        numbers, names = self._over.of(history.outlook)
        over, strange = numbers.get(history.place, ()), names.get(history.place, ())
        if not raised and not over and not strange:
            return []
        found = self._numbers(over) | self._categories(pane, strange)
        for feature in sorted(raised - found.keys()):
            found[feature] = claim(
                self.name,
                feature,
                Verdict.OK,
                scale=self._scale,
                effect=0.0,
                threshold=FLOORS[-1],
                reason=f"{feature}: no value stands for many others any more",
            )
        return list(found.values())

    def state(self) -> dict[str, Any]:
        """Nothing: the history is the suite's."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check.restore`."""

    def _measure(self, outlook: Outlook) -> tuple[_ByPane, _ByPane]:
        """What is over its ceiling, of numbers and of names."""
        numbers: _ByPane = defaultdict(list)
        names: _ByPane = defaultdict(list)
        back = np.arange(DEPTH + 1 - _LONGEST, DEPTH + 1)[:, None]
        knots, counted = outlook.panes.knots, outlook.panes.shares
        same = knots[DEPTH:, :, _LEAST_KNOTS:] == knots[DEPTH:, :, :-_LEAST_KNOTS]
        panes, rows = np.nonzero(same.any(axis=2) & self._watched)
        if panes.size:
            tops = outlook.panes.tops[(panes + back)[-LATEST:], rows]
            shares = _number_shares(knots[panes + back, rows], tops)
            over = (shares > self._ceilings[:, None, rows]) & (shares[0] < STUCK)
            over &= ~_among(tops, self._common[rows])
            for at, hit in np.argwhere(over.any(axis=0)).tolist():
                place, row = int(np.argmax(over[:, at, hit])), int(rows[hit])
                one = _Over(row, float(tops[at, hit]), float(shares[place, at, hit]), place)
                numbers[int(panes[hit])].append(one)
        panes, slots = np.nonzero((counted[DEPTH:] > self._lowest_ceiling) & self._slots)
        if panes.size:
            least = _least(counted[panes + back, slots])
            over = (least > self._category_ceilings[:, slots]) & (least[0] < STUCK)
            for hit in np.flatnonzero(over.any(axis=0)).tolist():
                place, slot = int(np.argmax(over[:, hit])), int(slots[hit])
                one = _Over(slot, np.nan, float(least[place, hit]), place)
                names[int(panes[hit])].append(one)
        return numbers, names

    def _numbers(self, over: Sequence[_Over]) -> dict[str, Measurement]:
        found: dict[str, Measurement] = {}
        for one in over:
            name, ceiling = self._history.numbers[one.at], self._ceilings[one.place, one.at]
            found[name] = self._say(name, f"{one.value:.6g}", one.share, float(ceiling), one.place)
        return found

    def _categories(self, pane: PaneView, over: Sequence[_Over]) -> dict[str, Measurement]:
        history = self._history
        found: dict[str, Measurement] = {}
        for one in over:
            slot = one.at
            at = next(i for i, span in enumerate(history.spans) if span.start <= slot < span.stop)
            column, span = history.categories[at], history.spans[at]
            code = slot - span.start
            if slot == span.stop - 1:
                text = _null_word(pane, column.name)
                if text is None:
                    continue
                shown = repr(text)
            else:
                others = np.delete(history.last.shares[-1, span] - history.past_shares[span], code)
                if others.max(initial=0.0) > GAINED:
                    continue  # names that gain as well: `encoding` looks for a permutation
                shown = repr(column.names[code])
            ceiling = float(self._category_ceilings[one.place, slot])
            found[column.name] = self._say(column.name, shown, one.share, ceiling, one.place)
        return found

    def _say(
        self, feature: str, shown: str, share: float, ceiling: float, place: int
    ) -> Measurement:
        events = HORIZONS[place] * self._scale
        usual = max(ceiling - FLOORS[place], 0.0) / MARGIN
        return claim(
            self.name,
            feature,
            Verdict.DRIFT,
            scale=self._scale,
            events=events,
            effect=share,
            threshold=ceiling,
            reason=(
                f"{feature}: {shown} stands for {share:.0%} of the last {events} events at least: "
                f"a placeholder or default; no value of the reference kept more than {usual:.0%}"
            ),
            immediate=True,
        )


def _number_shares(knots: Float32, tops: Float32) -> Float64:
    """float64[horizons, candidates, rows]: the smallest share of each value in the last panes.

    `knots` are those of the last panes, float32[longest horizon, rows, KNOTS], and the candidates
    `tops` the most frequent values of the last ones, float32[candidates, rows].
    """
    same = knots[:, None] == tops[None, :, :, None]
    counts = same.astype(np.float32) @ _ONES  # whole numbers: exact
    return _least(counts).astype(np.float64) / KNOTS


def _least(rows: Float32) -> Float32:
    """The smallest of the last rows of each horizon, [horizons, ...]."""
    return np.stack([rows[_LONGEST - panes :].min(axis=0) for panes in HORIZONS])


def _common_values(profile: Profile) -> Float64:
    """float64[numbers, k]: values with a share of at least `COMMON`, NaN beside them."""
    rows = []
    for column in profile.columns:
        points = getattr(column, "points", None)
        if points is not None:
            rows.append(np.float32(points[column.counts >= COMMON * max(column.n, 1)]))
    width = max([row.size for row in rows], default=0)
    found = np.full((len(rows), width), np.nan)
    for row, values in zip(found, rows, strict=True):
        row[: values.size] = values
    return found


def _among(values: Float32, common: Float64) -> Bool:
    return np.asarray((common == values[..., None]).any(axis=-1))


def _null_word(pane: PaneView, feature: str) -> str | None:
    """The word for nothing that most values without a known name are, if there is one."""
    texts = pane.unseen(feature)
    words = [text for text in texts if text.strip().lower() in NULL_WORDS]
    return words[0] if len(words) * 2 > len(texts) else None

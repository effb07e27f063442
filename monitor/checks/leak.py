"""Leakage: a feature that knows what came after the prediction, or knows the answer itself.

In: the fault `known_later` of panes; codes with labels, where labels came. Out: `leak` measurements
of single features. Never: an event left out; the value is tested as it came.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.future import spoken
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.shares import NEVER, NEVER_FLOOR, ShareWatch, measured
from monitor.errors import StateError
from monitor.events import Bool, Float64
from monitor.findings import Measurement, Verdict
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.validation.timing import TIMES_PREFIX
from schemas.model import OUTPUT_NAMES, ModelCard

FAULT: Final = "known_later"
LEAK_POWER: Final = 0.98
"""A feature that alone ranks the labels this well knows them."""
LEAK_MARGIN: Final = 0.15
"""Or this much better than the model's own score does, which had the feature to learn from."""
LEAK_MIN_POWER: Final = 0.75
MIN_OF_CLASS: Final = 50
"""Fewer events of a class than this are told apart by chance."""


class Leak:
    """Features whose `feature_times` lie after the event: they were not known to the prediction.

    In training such a feature looks splendid, in serving it is a default, a guess or yesterday's.

    Parameters
    ----------
    context
        Card, profile and budget. An alert from 1 % of the events on, or the card's `effect_floor`
        where that is smaller.

    **Blind to** features without `feature_times`, to times that are wrong themselves, and to less
    than a second. **Cost**: nothing without such a fault; 0.2 us a fault.
    """

    name: ClassVar[str] = "leak"

    def __init__(self, context: CheckContext) -> None:
        self._context = context
        self._pane_events = context.card.monitoring.pane_events
        self._watches: dict[str, ShareWatch] = {}
        """Of features that had the fault once."""

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """Nothing: it is never right."""
        del card, profile, panes
        return {}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """It applies to every version."""
        return cls(context)

    def prepare(self, block: PaneBlock) -> None:
        """Nothing: faults are few."""

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """One measurement for each feature known later."""
        if not pane.faults and not self._watches:
            return []
        later: dict[str, list[float]] = {}
        for _, feature, reason, value in pane.faults:
            if reason == FAULT and isinstance(value, float):
                later.setdefault(feature.removeprefix(TIMES_PREFIX), []).append(value)
        found = []
        for feature in sorted(later.keys() | self._watches.keys()):
            seconds = later.get(feature, [])
            watch = self._watches.get(feature)
            if watch is None:
                watch = self._watches[feature] = self._watch()
            too_often = watch.look(len(seconds), len(pane))
            if feature not in raised and not too_often:
                continue
            excess = watch.excess
            later_s = float(np.median(seconds)) if seconds else 0.0
            share = 0.0 if excess is None else excess.share
            reason = (
                f"{feature} was known {spoken(later_s)} after the predictions it went into, in "
                f"{share:.1%} of the events: it leaks what came later"
            )
            if not seconds and not too_often:
                reason = f"{feature} was known in time for all events of the last pane"
            found.append(
                measured(
                    self.name,
                    excess,
                    feature=feature,
                    scale=self._pane_events,
                    reason=reason,
                    values={"later_s": later_s},
                )
            )
        return found

    def state(self) -> dict[str, Any]:
        """See `Check`."""
        return {feature: watch.state() for feature, watch in self._watches.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check`."""
        self._watches = {}
        for feature, saved in state.items():
            if feature not in self._context.card.features:
                raise StateError(f"the saved state of `leak` names an unknown feature {feature!r}")
            watch = self._watches[feature] = self._watch()
            watch.restore(saved)

    def _watch(self) -> ShareWatch:
        floor = min(max(self._context.card.monitoring.effect_floor, 1e-3), NEVER_FLOOR)
        share_of = max(len(self._context.card.features), 1)
        return ShareWatch(self._context, floor=floor, usual=NEVER, share_of=share_of)


def label_leaks(profile: Profile, codes: Codes, positive: Bool) -> list[Measurement]:
    """One measurement for each feature: how well it alone ranks the labels that came.

    `codes` uint16[columns, n] of events with a label, `positive` bool[n] whether it is the class in
    question (of several classes, call it once for each). A feature is a leak where it reaches an
    area under the curve of .98, or .75 and .15 more than the model's own score.

    `monitor.label_checks` joins labels to codes; the reference's labels are audited in
    `monitor.profiling.leakage`.

    **Blind to** a leak that only several features together give away, and to labels of numbers.
    **Cost**: 0.1 us a value.
    """
    n_positive = int(np.count_nonzero(positive))
    enough = min(n_positive, positive.size - n_positive) >= MIN_OF_CLASS
    powers = [
        _power(column, row, positive) for column, row in zip(profile.columns, codes, strict=True)
    ]
    own = max(
        (p for c, p in zip(profile.columns, powers, strict=True) if c.name in OUTPUT_NAMES),
        default=1.0,
    )
    needed = min(LEAK_POWER, max(own + LEAK_MARGIN, LEAK_MIN_POWER))
    return [
        _label_leak(column.name, power, needed, own, positive.size, enough)
        for column, power in zip(profile.columns, powers, strict=True)
        if column.name not in OUTPUT_NAMES
    ]


def area_of_codes(codes: Codes, positive: Bool) -> float:
    """Area under the ROC curve of codes as ranks, ties counted half; .5 without both classes.

    >>> area_of_codes(np.array([1, 4, 4, 9], np.uint16), np.array([False, False, True, True]))
    0.875
    """
    hits = np.bincount(codes[positive]).astype(np.float64)
    misses = np.bincount(codes[~positive], minlength=hits.size).astype(np.float64)
    hits = np.pad(hits, (0, misses.size - hits.size))
    if not hits.sum() or not misses.sum():
        return 0.5
    below = np.cumsum(misses) - misses
    return float((hits * (below + 0.5 * misses)).sum() / (hits.sum() * misses.sum()))


def _power(column: object, codes: Codes, positive: Bool) -> float:
    """How well one column ranks the labels: a number as it stands, a category by its other half."""
    told = codes != NULL_CODE
    codes, positive = codes[told], positive[told]
    if isinstance(column, NumberReference):
        area = area_of_codes(codes, positive)
        return max(area, 1.0 - area)
    even = np.arange(codes.size) % 2 == 0
    areas = [
        _area_by_rate(codes[part], positive[part], codes[~part], positive[~part])
        for part in (even, ~even)
    ]
    return float(np.mean(areas))


def _area_by_rate(known: Codes, answers: Bool, codes: Codes, positive: Bool) -> float:
    """Area of categories ordered by the rate that other rows show."""
    if not known.size or not codes.size:
        return 0.5
    size = int(max(known.max(), codes.max())) + 1
    overall = float(answers.mean())
    hits = np.bincount(known, weights=answers, minlength=size)
    rates: Float64 = (hits + overall) / (np.bincount(known, minlength=size) + 1.0)
    _, ranks = np.unique(rates, return_inverse=True)
    return area_of_codes(ranks[codes].astype(np.uint16), positive)


def _label_leak(
    feature: str, power: float, needed: float, own: float, n: int, enough: bool
) -> Measurement:
    found = power >= needed
    verdict = Verdict.DRIFT if found else Verdict.OK
    return Measurement(
        check="label_leak",
        feature=feature,
        scale=n,
        verdict=verdict if enough else Verdict.CANNOT_TELL,
        statistic=power,
        effect=power,
        threshold=needed,
        p_value=0.0 if found else 1.0,
        n_ref=0,
        n_cur=n,
        n_effective=float(n),
        smallest_visible=needed,
        cleared=not found,
        immediate=found,
        reason=(
            f"{feature} alone ranks the labels with AUC {power:.3f}, the model's own answer "
            f"reaches {own:.3f}: does it leak the label?"
        ),
        values={"auc": power, "model_auc": own},
    )

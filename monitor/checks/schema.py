"""Schema break: a feature is gone, comes under another name, or as another type.

In: closed panes. Out: a claim on each such feature. Never: a claim on nulls; `missing_rate` has
those, and a value that is absent in some events only.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.claim import claim
from monitor.checks.pane_view import PaneBlock, PaneFault, PaneView
from monitor.events import Float64
from monitor.findings import Measurement, Verdict
from monitor.sketches.category import CategoryReference
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

ALL: Final = 0.95
"""Share of a stretch's events that have to be broken alike."""
LEAST: Final = 50
"""Events at the end of a pane that are enough."""
ALIKE: Final = 0.8
"""Share of an extra column's values that must be usable as the missing one's to be it."""

_BROKEN: Final = ("missing", "wrong_type")


class Schema:
    """A feature that is no longer sent as it was.

    Parameters
    ----------
    context
        The largest share of each fault in a pane of the reference.

    The last 50 events of a pane are enough where (nearly) all lack the feature or have it in
    another type, and the reference never had that. A gone feature and a new column whose values
    look like it are one: it was renamed.

    **Blind to** a feature that becomes null (`missing_rate`); one that is gone in a share of the
    events; a new column where none is gone; a number sent as text where the card takes it for a
    category (`encoding`).
    **Cost** nothing with few faults, 20 to 60 us a pane with many.

    >>> from monitor.checks.example import example_panes, example_suite
    >>> suite = example_suite()
    >>> for pane in example_panes(0, 2):
    ...     assert suite.look(pane) == []
    >>> claims = [m for pane in example_panes(2, 1, renamed="x_v2") for m in suite.look(pane)]
    >>> claims[0].reason
    'x is gone: x_v2 comes instead of it, with values like its own: it was renamed'
    """

    name: ClassVar[str] = "schema"

    def __init__(self, context: CheckContext) -> None:
        self._scale = context.card.monitoring.pane_events
        self._columns = {column.name: column for column in context.profile.columns}
        self._features = [name for name in context.card.features if name in self._columns]
        self._usual = context.learned["rates"]

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """float64[2, features]: the largest share of a pane that was missing or of a wrong type."""
        names = {column.name for column in profile.columns}
        features = [name for name in card.features if name in names]
        rates = np.zeros((len(_BROKEN), len(features)))
        for pane in panes:
            counts = Counter((feature, reason) for _, feature, reason, _ in pane.faults)
            for place, reason in enumerate(_BROKEN):
                found = [counts[feature, reason] / max(len(pane), 1) for feature in features]
                rates[place] = np.maximum(rates[place], found)
        return {"rates": rates} if panes else {}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """None where the reference held no whole pane."""
        return cls(context) if context.learned else None

    def prepare(self, block: PaneBlock) -> None:
        """Nothing: faults are few."""

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """See `Check.look`."""
        stretch = min(LEAST, len(pane))
        if len(pane.faults) < ALL * stretch and not raised:
            return []
        tail = [fault for fault in pane.faults if fault[0] >= len(pane) - stretch]
        counts = Counter((feature, reason) for _, feature, reason, _ in tail)
        claims = {}
        for at, feature in enumerate(self._features):
            for place, reason in enumerate(_BROKEN):
                share = counts[feature, reason] / stretch
                needed = max(ALL, min(2 * float(self._usual[place, at]), 1.01))
                if share >= needed:
                    words = self._words(feature, reason, tail, stretch)
                    claims[feature] = self._say(feature, Verdict.DRIFT, share, needed, words)
        for name in sorted(raised - claims.keys()):
            words = f"{name} is sent again as the card says"
            claims[name] = self._say(name, Verdict.OK, 0.0, ALL, words)
        return list(claims.values())

    def state(self) -> dict[str, Any]:
        """Nothing: a pane is enough."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check.restore`."""

    def _words(self, feature: str, reason: str, tail: Sequence[PaneFault], stretch: int) -> str:
        if reason == "wrong_type":
            example = next(v for _, f, r, v in tail if (f, r) == (feature, reason))
            wanted = "number" if isinstance(self._columns[feature], NumberReference) else "category"
            shown = repr(example) if isinstance(example, str) else f"{example:g}"
            return f"{feature} has changed its type: {shown}, for example, is no {wanted}"
        extras: dict[str, list[float | str | None]] = {}
        for _, name, kind, value in tail:
            if kind == "extra":
                extras.setdefault(name, []).append(value)
        alike = [
            (self._likeness(feature, values), name)
            for name, values in sorted(extras.items())
            if len(values) >= ALL * stretch
        ]
        likeness, name = max(alike, default=(0.0, ""))
        if likeness >= ALIKE:
            return (
                f"{feature} is gone: {name} comes instead of it, with values like its own: it was "
                "renamed"
            )
        return f"{feature} is gone: no event has it any more"

    def _likeness(self, feature: str, values: Sequence[float | str | None]) -> float:
        """The share of values that the column could have held."""
        column = self._columns[feature]
        there = [value for value in values if value is not None]
        if isinstance(column, CategoryReference):
            known = set(column.names)
            texts = [v if isinstance(v, str) else f"{v:g}" for v in there]
            return sum(text in known for text in texts) / max(len(values), 1)
        if not there:
            return 1.0 if column.missing_rate > 0.5 else 0.0
        numbers: Float64 = np.array([v for v in there if not isinstance(v, str)], np.float64)
        if not column.points.size or not numbers.size:
            return 0.0
        low, high = column.points[0], column.points[-1]
        margin = 0.5 * (high - low)
        inside = (numbers >= low - margin) & (numbers <= high + margin)
        return float(inside.sum()) / len(there)

    def _say(
        self, feature: str, verdict: Verdict, share: float, needed: float, words: str
    ) -> Measurement:
        return claim(
            self.name,
            feature,
            verdict,
            scale=self._scale,
            effect=share,
            threshold=needed,
            reason=words,
            immediate=True,
        )

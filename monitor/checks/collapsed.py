"""Collapsed predictions: the model answers (nearly) the same whatever it is asked.

In: closed panes. Out: a claim on score or prediction. Never: a claim on a feature; `stuck` has
those.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from math import isnan
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.claim import claim
from monitor.checks.history import History
from monitor.checks.knots import KNOTS
from monitor.checks.outlook import DEPTH, PAST, Outlook
from monitor.checks.pane_view import InBulk, PaneBlock, PaneView, Remembered
from monitor.checks.runs import Runs, longest_runs
from monitor.events import Float64
from monitor.findings import Measurement, Verdict
from monitor.sketches.profile import Profile
from schemas.model import OUTPUT_NAMES, ModelCard

MARGIN: Final = 0.4
"""A spread below this share of the smallest of reference and recent past has collapsed."""
CERTAIN: Final = 0.05
"""Below this share one look is enough, and no past is needed."""
RUN_PANES: Final = 6
RUN_MARGIN: Final = 3.0
CHANCE_MARGIN: Final = 5.0
"""A run of one answer has to last 6 panes, 3 times the reference's longest, and 5 times as long as
independent answers would within the budget."""
RARE: Final = 0.02
"""A category whose other answers are rarer than this in the recent past may well not come."""


@dataclass(frozen=True, slots=True)
class _Spreads:
    """Of each pane, the spread of each number that is an output, and what of it was usual."""

    now: list[list[float]]
    past: list[list[float]]
    """The smallest of the past's panes."""
    held: list[list[float]]
    """Of the past as a whole, which stands still in trouble."""
    scored: list[bool]
    """Whether any of them has values."""


class Collapsed:
    """Outputs without the spread that they had.

    Parameters
    ----------
    context
        The smallest spread (from the 6 % to the 94 % quantile) of a pane of the reference, and the
        longest run of one answer.

    A number's spread in the newest pane is held against the smallest of the reference's panes and
    of the recent past. A category has collapsed when it has been the same for 6 panes, for three
    times the longest run of the reference, and for 5 times as long as the budget allows independent
    answers that come at the rate of the recent past (answers follow the hours, so runs are long).

    Where there is a score, it alone is asked: a model that has become sure of itself answers one
    thing for days.

    **Blind to** a collapse to few values that lie as far apart as usual; one answer beside a score
    that still varies (`incoherent`, where the answer followed from the score); a class that was
    rare already; a collapse in a share of the events.
    **Cost** 6 us a pane; 16 bytes a column.

    >>> from monitor.checks.example import example_panes, example_suite
    >>> suite = example_suite()
    >>> for pane in example_panes(0, 10):
    ...     assert suite.look(pane) == []
    >>> claims = [m for pane in example_panes(10, 2, score=0.4) for m in suite.look(pane)]
    >>> claims[0].reason
    'score has collapsed: 88 % of the last 250 are within 0; no pane of before had less than 0.51'
    """

    name: ClassVar[str] = "collapsed"

    def __init__(self, context: CheckContext) -> None:
        self._history = context.history
        self._scale = context.card.monitoring.pane_events
        self._runs = context.history.runs
        self._columns = context.profile.columns
        self._smallest: list[float] = context.learned["spread"].tolist()
        self._longest = context.learned["longest"]
        self._chance = context.per_pane / 2
        numbers = self._history.numbers
        self._numbers = [row for row, name in enumerate(numbers) if name in OUTPUT_NAMES]
        self._categories = [
            (at, column, self._runs.names.index(column.name))
            for at, column in enumerate(self._history.categories)
            if column.name in OUTPUT_NAMES and np.count_nonzero(column.counts) > 1
        ]
        self._spreads = Remembered(self._measure)

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """The smallest spread of each number's panes, the longest run of each column."""
        del card
        if not panes:
            return {}
        history, runs = History(profile), Runs(profile)
        spreads = []
        for pane in panes:
            history.add(pane)
            spreads.append(_spread(history.last.knots[-1].astype(np.float64)))
        known = InBulk(runs.values)
        values = np.concatenate([known.of(pane.block)[pane.place] for pane in panes], axis=1)
        longest = np.array([max(longest_runs(row)[1:]) for row in values], np.float64)
        return {"spread": np.fmin.reduce(np.array(spreads), axis=0), "longest": longest}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """None where the reference held no whole pane."""
        return cls(context) if context.learned else None

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""
        self._spreads.of(self._history.prepare(block))

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """See `Check.look`."""
        del pane
        found = [self._number(at, row, raised) for at, row in enumerate(self._numbers)]
        found += [self._category(*known, raised) for known in self._categories]
        return [measurement for measurement in found if measurement is not None]

    def state(self) -> dict[str, Any]:
        """Nothing: the history is the suite's."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check.restore`."""

    def _measure(self, outlook: Outlook) -> _Spreads:
        knots = outlook.panes.knots[:, self._numbers].astype(np.float64)
        spreads = _spread(knots)
        panes = len(outlook)
        past = np.fmin.reduce([spreads[at : at + panes] for at in range(1, PAST + 1)])
        return _Spreads(
            spreads[DEPTH:].tolist(),
            past.tolist(),
            _spread(outlook.past[:, self._numbers]).tolist(),
            np.any(~np.isnan(knots[DEPTH:, :, 0]), axis=1).tolist(),
        )

    def _number(self, at: int, row: int, raised: Set[str]) -> Measurement | None:
        history, name = self._history, self._history.numbers[row]
        spreads, place = self._spreads.of(history.outlook), history.place
        now = spreads.now[place][at]
        usual = self._smallest[row]
        if history.panes >= DEPTH:
            past = spreads.past[place][at] if name not in raised else usual
            usual = min(usual, past, spreads.held[place][at])
        if isnan(now) or not usual > 0:
            return None
        margin = MARGIN if history.panes >= DEPTH else CERTAIN
        collapsed = now < margin * usual
        if not collapsed and name not in raised:
            return None
        reason = f"{name} spreads as before"
        if collapsed:
            reason = (
                f"{name} has collapsed: 88 % of the last {self._scale} are within {now:.2g}; no "
                f"pane of before had less than {usual:.2g}"
            )
        return claim(
            self.name,
            name,
            Verdict.DRIFT if collapsed else Verdict.OK,
            scale=self._scale,
            effect=1.0 - now / usual,
            threshold=1.0 - MARGIN,
            reason=reason,
            immediate=now < CERTAIN * usual,
        )

    def _category(self, at: int, column: Any, row: int, raised: Set[str]) -> Measurement | None:
        history, name = self._history, column.name
        length = int(self._runs.lengths[row])
        scored = self._spreads.of(history.outlook).scored[history.place]
        if name not in raised and (scored or length < RUN_PANES * self._scale):
            return None
        shares = column.counts / max(column.n, 1)
        largest = float(shares.max())
        span = history.spans[at]
        largest = max(largest, float(history.past_shares[span].max()))
        run = np.log(self._chance) / np.log(min(largest, 1.0 - 1e-9))
        needed = max(
            RUN_PANES * self._scale,
            RUN_MARGIN * float(self._longest[row]),
            CHANCE_MARGIN * float(run),
        )
        collapsed = length >= needed and largest <= 1.0 - RARE
        if not collapsed and name not in raised:
            return None
        reason = f"{name} changes again"
        if collapsed:
            answer = column.names[int(self._runs.last[row])]
            reason = (
                f"{name} has collapsed: the same answer {answer!r} for {length} events; before it "
                f"was that of at most {largest:.0%}"
            )
        return claim(
            self.name,
            name,
            Verdict.DRIFT if collapsed else Verdict.OK,
            scale=self._scale,
            events=max(length, 1) if collapsed else None,
            effect=float(length),
            threshold=float(needed),
            reason=reason,
            immediate=True,
        )


def _spread(knots: Float64) -> Float64:
    """From the 6 % to the 94 % quantile, without regard to the outermost values."""
    edge = KNOTS // 16
    return np.asarray(knots[..., KNOTS - 1 - edge] - knots[..., edge])

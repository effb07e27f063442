"""The versions of a model against each other: every replacement, chains of them, shares of traffic.

In: closed cohorts of all versions with their losses, the cards. Out: verdicts that have changed, a
chain that rises, how the traffic is shared. Never: one version alone.
"""

from collections.abc import Mapping
from typing import Any

from monitor.events import Float64
from monitor.findings import Measurement
from monitor.performance.chain import ChainRise, chain_rise
from monitor.performance.compare import VersionComparison, VersionVerdict
from monitor.performance.rows import CohortRows
from monitor.performance.split import SplitCheck
from schemas.model import ModelCard


class Replacements:
    """Who replaced whom, and whether that was for the better."""

    def __init__(self) -> None:
        self._comparisons: list[VersionComparison] = []
        self._chained = 0
        """Comparisons that were over when the chain was last looked at."""
        self._split: SplitCheck | None = None
        self._next: dict[str, VersionComparison] = {}
        """By version, the comparison with whatever will replace it."""
        self._answered: dict[str, None] = {}
        """Versions by the order of their first closed cohort."""

    def verdicts(self) -> list[VersionVerdict]:
        """Every replacement so far, oldest first."""
        return [comparison.verdict() for comparison in self._comparisons]

    def shared(self, rows: CohortRows, cards: Mapping[str, ModelCard]) -> list[Measurement]:
        """Whether versions that share live traffic answer the shares that their cards say."""
        shares = {name: one.traffic_share for name, one in cards.items() if one.traffic_share}
        live = rows.version[rows.live > 0]
        counts = {name: int((live == k).sum()) for k, name in enumerate(rows.versions)}
        sharing = {name: share for name, share in shares.items() if counts.get(name)}
        if len(sharing) < 2:
            return []
        if self._split is None or self._split.shares != sharing:
            self._split = SplitCheck(sharing)
        return [self._split.add(counts)]

    def compared(
        self,
        rows: CohortRows,
        loss: Float64,
        base: Float64,
        cards: Mapping[str, ModelCard],
    ) -> dict[str, VersionVerdict]:
        """Bring comparisons up to date; the verdicts that this cohort has changed."""
        present = rows.versions
        for version in present:
            if version in self._answered:
                continue
            named = cards[version].previous_version
            before = named if named in self._answered else next(reversed(self._answered), None)
            self._answered[version] = None
            if before is not None:
                comparison = self._next.pop(before, None) or VersionComparison(before, "")
                comparison.new = version
                overlap_us = round((cards[version].overlap_hours or 0.0) * 3.6e9)
                own = rows.version == rows.versions.index(version)
                comparison.matched_from_us = int(rows.occurred_us[own].min()) + overlap_us
                self._comparisons.append(comparison)
        for version in present:
            standing = self._next.setdefault(version, VersionComparison(version, ""))
            standing.add(rows, loss, base)
        changed = {}
        for comparison in self._comparisons:
            if comparison.final:
                continue
            blocks = comparison.blocks
            comparison.add(rows, loss, base)
            if comparison.blocks > blocks:
                changed[comparison.new] = comparison.verdict()
        return changed

    def rise(self) -> ChainRise | None:
        """Whether the loss has risen over several versions: looked at when a comparison ends."""
        over = [one for one in self._comparisons if one.final or one is not self._comparisons[-1]]
        if len(over) <= self._chained:
            return None
        self._chained = len(over)
        rise = chain_rise([one.verdict() for one in over])
        return rise if rise is not None and rise.found else None

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "answered": list(self._answered),
            "chained": self._chained,
            "split": [self._split.shares, self._split.state()] if self._split else None,
            "comparisons": [
                [one.old, one.new, one.state()]
                for one in (*self._comparisons, *self._next.values())
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self._answered = dict.fromkeys(str(name) for name in state["answered"])
        self._chained = int(state["chained"])
        self._split = None
        if state["split"]:
            shares, counts = state["split"]
            self._split = SplitCheck({str(name): float(one) for name, one in shares.items()})
            self._split.restore(counts)
        self._comparisons, self._next = [], {}
        for old, new, saved in state["comparisons"]:
            comparison = VersionComparison(str(old), str(new))
            comparison.restore(saved)
            if new:
                self._comparisons.append(comparison)
            else:
                self._next[str(old)] = comparison

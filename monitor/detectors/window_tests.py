"""All tests of closed windows at one scale.

In: what some windows hold. Out: of each one measurement per column and test, the same whichever
windows are measured with it. Never: what one window says of another; the judge counts looks in a
row.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat

import numpy as np
from scipy.special import fdtri

from monitor.detectors.budget import Share
from monitor.detectors.calibration import MIN_BLOCKS
from monitor.detectors.counted_panes import WindowCounts
from monitor.detectors.effects import NumberBins, category_effects
from monitor.detectors.ks import effective_size, ks_p_values, ks_thresholds
from monitor.detectors.rate import rate_p_values, rate_thresholds, vanished
from monitor.detectors.total_variation import CategoryTest
from monitor.events import Float64, Int64
from monitor.findings import NO_VALUES, Measurement, Verdict
from monitor.sketches.category import CategoryReference
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile, Reference

Said = list[list[Measurement]]
"""Of each window its measurements."""

CLEAR = 0.6
"""A window is cleared when its effect is below this share of what an alert would need."""


class WindowTests:
    """KS, chi-squared with total variation, missing and unseen rates of one scale."""

    def __init__(
        self,
        profile: Profile,
        bins: NumberBins,
        scale: int,
        floor: float,
        shares: Mapping[str, Share],
        *,
        looks: int,
    ) -> None:
        self.scale = scale
        self._floor = floor
        calibration = profile.calibration
        place = calibration.place_of(scale)
        blocks = int(calibration.blocks[place]) if place >= 0 else 0
        self.usable = blocks >= MIN_BLOCKS
        self._reason = (
            ""
            if self.usable
            else f"the reference holds {blocks} x {scale:,} events, {MIN_BLOCKS} x are needed"
        )
        if place < 0:
            self._reason = f"the profile was not calibrated for windows of {scale} events"
        self._time_ordered = calibration.time_ordered
        self._columns = profile.columns
        self._numbers = [
            (row, column)
            for row, column in enumerate(profile.columns)
            if isinstance(column, NumberReference)
        ]
        self._rows = np.array([row for row, _ in self._numbers], dtype=np.int64)
        self._bins = bins
        self._categories = [
            (row, column, CategoryTest.of(column, scale))
            for row, column in enumerate(profile.columns)
            if isinstance(column, CategoryReference)
        ]
        columns = len(profile.columns)
        default = np.ones(columns)

        def measured(values: Float64, otherwise: float) -> Float64:
            chosen = values[:, place] if self.usable else default * np.nan
            return np.where(np.isnan(chosen), otherwise, chosen)

        self._effect = measured(calibration.design_effect, 1.0)
        self._certainty = measured(calibration.certainty, np.inf)
        self._freedom = measured(calibration.freedom, 1.0)
        self._missing_effect = measured(calibration.missing_effect, 1.0)
        self._unseen_effect = measured(calibration.unseen_effect, 1.0)
        self._n_rows = np.array([column.n_rows for column in profile.columns], dtype=np.float64)
        self._n_ref = np.array([column.sample_for(scale) for column in profile.columns])
        self._missing_ref = np.array([c.missing_rate * c.n_rows for c in profile.columns])
        self._alpha = shares["windows"].alpha(scale, looks=looks) if self.usable else 1e-6
        self._rate_alpha = shares["rates"].alpha(scale, looks=looks) if self.usable else 1e-6
        self._whole = self._worth_of(np.full(self._rows.size, scale, dtype=np.int64))
        """Effective sizes and thresholds of windows without a missing value."""
        self._rate_threshold = rate_thresholds(
            np.full(columns, self._rate_alpha),
            np.full(columns, float(scale)),
            self._missing_ref,
            self._n_rows,
            self._missing_effect,
        )
        self._unseen_threshold: dict[int, dict[float, float]] = {}
        """Row to number of values to threshold, of the windows measured last."""
        self._none_missing: list[Measurement] = []
        """What is said of every window in which no value is missing."""

    def test(self, windows: WindowCounts) -> list[list[Measurement]]:
        """Of each window one measurement per column and test, in column order within each test."""
        looks = windows.firsts.size
        present = np.zeros((looks, len(self._columns)), dtype=np.int64)
        present[:, self._rows] = windows.n
        said = [self._ks(windows)]
        for (row, column, test), counts in zip(self._categories, windows.categories, strict=True):
            present[:, row] = counts.sum(axis=1)
            said.append(self._category(row, column, test, counts))
            said.append(self._unseen(row, column, counts))
        said.append(self._missing(self.scale - present))
        return [list(chain.from_iterable(parts)) for parts in zip(*said, strict=True)]

    def columns(self) -> Iterator[tuple[str, int, float, float, float, str]]:
        """(column, scale, independent observations, threshold, smallest visible, words)."""
        for row, column in enumerate(self._columns):
            n, threshold = self._worth(row)
            visible = max(threshold, self._floor)
            off = self._reason
            if not off and threshold >= 1.0:
                off = (
                    f"{self.scale} events of {column.name} are worth {n:.1f} independent ones, "
                    "too few to show any shift"
                )
            text = f"cannot tell: {off}"
            if not off:
                text = (
                    f"{self.scale} events of {column.name} are worth {n:.0f} independent ones; "
                    f"the smallest shift they show is {visible:.2f}"
                )
                if not self._time_ordered:
                    text += " (the reference has no time order: rows are taken as independent)"
            yield column.name, self.scale, n, threshold, visible, text

    def _worth(self, row: int) -> tuple[float, float]:
        at = slice(row, row + 1)
        n = effective_size(
            np.array([float(self.scale)]), self._n_rows[at], self._n_ref[at], self._effect[at]
        )
        for category_row, _, test in self._categories:
            if category_row == row:
                freedom, certainty = (
                    float(self._freedom[row]),
                    float(min(self._certainty[row], 1e6)),
                )
                # Pearson's chi-squared is at least 4 n TV^2: the shift of two halves shows first.
                ratio = float(fdtri(freedom, certainty, 1.0 - self._alpha))
                return float(n[0]), float(min(np.sqrt(ratio * test.freedom / n[0]) / 2, 1.0))
        threshold = ks_thresholds(np.array([self._alpha]), n, self._certainty[at])
        return float(n[0]), float(threshold[0])

    def _worth_of(self, n_cur: Int64) -> tuple[Float64, Float64]:
        """Effective sizes and thresholds of the number columns, given how many values each has."""
        rows = self._rows
        n = effective_size(n_cur, self._n_rows[rows], self._n_ref[rows], self._effect[rows])
        return n, ks_thresholds(np.full(rows.size, self._alpha), n, self._certainty[rows])

    def _ks(self, windows: WindowCounts) -> Said:
        """KS of every number column."""
        rows, d = self._rows, windows.d
        n, thresholds = (np.broadcast_to(one, d.shape).copy() for one in self._whole)
        for look in np.flatnonzero((windows.n < self.scale).any(axis=1)):
            n[look], thresholds[look] = self._worth_of(windows.n[look])
        p = ks_p_values(d, n, np.broadcast_to(self._certainty[rows], d.shape))
        values: dict[tuple[int, int], dict[str, float]] = {}
        drifting = self.usable & (p <= self._alpha) & (d > self._floor)
        for look, place in np.argwhere(drifting).tolist():
            codes = windows.sorted_codes(look, place)
            values[look, place] = self._bins.effects(place, codes, int(windows.n[look, place]))
        return self._told(
            "ks",
            [column for _, column in self._numbers],
            statistic=d,
            effect=d,
            threshold=thresholds,
            p_value=p,
            alpha=self._alpha,
            n_ref=[column.n for _, column in self._numbers],
            n_cur=windows.n,
            n_effective=n,
            values=values,
        )

    def _category(
        self, row: int, column: CategoryReference, test: CategoryTest, counts: Int64
    ) -> Said:
        found = test.distances(
            counts,
            design_effect=float(self._effect[row]),
            freedom=float(self._freedom[row]) if self.usable else float(max(test.freedom, 1)),
            certainty=float(min(self._certainty[row], 1e6)),
            alpha=self._alpha,
        )
        values: dict[tuple[int, int], dict[str, float]] = {}
        drifting = self.usable & (found.p_value <= self._alpha) & (found.effect > self._floor)
        for look in np.flatnonzero(drifting).tolist():
            told = category_effects(
                column.counts.astype(np.float64), counts[look].astype(np.float64), column.names
            )
            told["total_variation"] = float(found.total_variation[look])
            gone = vanished(counts[look], test.shares, float(found.n_effective[look]), self._alpha)
            told["vanished"] = float(test.shares[gone].sum())
            values[look, 0] = told
        return self._told(
            "total_variation",
            [column],
            statistic=found.statistic[:, None],
            effect=found.effect[:, None],
            threshold=found.threshold[:, None],
            p_value=found.p_value[:, None],
            alpha=self._alpha,
            n_ref=[column.n],
            n_cur=counts.sum(axis=1)[:, None],
            n_effective=found.n_effective[:, None],
            values=values,
        )

    def _unseen(self, row: int, column: CategoryReference, counts: Int64) -> Said:
        n = counts.sum(axis=1)
        sizes = np.maximum(n, 1).astype(np.float64)
        before = float(column.counts[-1])
        arguments = (
            np.array([before]),
            np.array([float(column.n)]),
            self._unseen_effect[row : row + 1],
        )
        p = rate_p_values(counts[:, -1].astype(np.float64), sizes, *arguments)
        rate = counts[:, -1] / np.maximum(n, 1)
        return self._told(
            "unseen_categories",
            [column],
            statistic=rate[:, None],
            effect=(rate - before / max(column.n, 1))[:, None],
            threshold=self._unseen_thresholds(row, sizes, arguments)[:, None],
            p_value=p[:, None],
            alpha=self._rate_alpha,
            n_ref=[column.n],
            n_cur=n[:, None],
            n_effective=(n / self._unseen_effect[row])[:, None],
            values={},
        )

    def _unseen_thresholds(
        self, row: int, sizes: Float64, arguments: tuple[Float64, Float64, Float64]
    ) -> Float64:
        """Found by bisection; most windows have as many values as one before them."""
        known = self._unseen_threshold.get(row, {})
        new = np.array(sorted(set(sizes.tolist()) - known.keys()))
        if new.size:
            alphas = np.full(new.size, self._rate_alpha)
            told = rate_thresholds(alphas, new, *arguments).tolist()
            known = {**known, **dict(zip(new.tolist(), told, strict=True))}
        self._unseen_threshold[row] = {size: known[size] for size in sizes.tolist()}
        return np.array([known[size] for size in sizes.tolist()])

    def _missing(self, hits: Int64) -> Said:
        """Missing rates; of windows without a missing value one measurement tells for all."""
        some = hits.any(axis=1)
        found = iter(self._missing_rates(hits[some]))
        if not some.all() and not self._none_missing:
            [self._none_missing] = self._missing_rates(np.zeros((1, hits.shape[1]), np.int64))
        return [next(found) if one else self._none_missing for one in some.tolist()]

    def _missing_rates(self, hits: Int64) -> Said:
        n = float(self.scale)
        rate = hits / n
        p = rate_p_values(hits, np.array(n), self._missing_ref, self._n_rows, self._missing_effect)
        shape = hits.shape
        return self._told(
            "missing_rate",
            self._columns,
            statistic=rate,
            effect=rate - np.array([column.missing_rate for column in self._columns]),
            threshold=np.broadcast_to(self._rate_threshold, shape),
            p_value=p,
            alpha=self._rate_alpha,
            n_ref=[column.n_rows for column in self._columns],
            n_cur=np.full(shape, self.scale),
            n_effective=np.broadcast_to(n / self._missing_effect, shape),
            values={},
        )

    def _told(
        self,
        check: str,
        columns: Sequence[Reference],
        *,
        statistic: Float64,
        effect: Float64,
        threshold: Float64,
        p_value: Float64,
        alpha: float,
        n_ref: Sequence[int],
        n_cur: Int64,
        n_effective: Float64,
        values: Mapping[tuple[int, int], Mapping[str, float]],
    ) -> Said:
        """Measurements of one test: arrays [windows, columns]; `values` of those that drift."""
        windows, width = effect.shape
        needed = np.maximum(threshold, self._floor)
        drift = (p_value <= alpha) & (effect > self._floor)
        unclear = (n_cur == 0) | (np.array(n_ref) == 0) | (threshold >= 1.0) | (not self.usable)
        cleared = (effect < CLEAR * needed) & (n_cur > 0)
        verdicts = [Verdict.DRIFT if one else Verdict.OK for one in drift.ravel().tolist()]
        reasons = [""] * effect.size
        for at in np.flatnonzero(unclear).tolist():
            verdicts[at] = Verdict.CANNOT_TELL
            worth = float(n_effective.flat[at])
            reasons[at] = self._why_unclear(int(n_cur.flat[at]), n_ref[at % width], worth)
        more: list[Mapping[str, float]] = [NO_VALUES] * effect.size
        for (look, place), told in values.items():
            more[look * width + place] = told
        made = zip(
            repeat(check),
            [column.name for column in columns] * windows,
            repeat(self.scale),
            verdicts,
            statistic.ravel().tolist(),
            effect.ravel().tolist(),
            threshold.ravel().tolist(),
            p_value.ravel().tolist(),
            [*n_ref] * windows,
            n_cur.ravel().tolist(),
            n_effective.ravel().tolist(),
            needed.ravel().tolist(),
            cleared.ravel().tolist(),
            repeat(False),
            reasons,
            more,
            strict=False,
        )
        measurements = list(map(Measurement._make, made))
        return [measurements[at : at + width] for at in range(0, windows * width, width)]

    def _why_unclear(self, n_cur: int, n_ref: int, worth: float) -> str:
        if self._reason:
            return self._reason
        if n_cur == 0:
            return "no event of the window has a value"
        if n_ref == 0:
            return "the reference has no value"
        return f"the window is worth {worth:.1f} independent observations: too few"

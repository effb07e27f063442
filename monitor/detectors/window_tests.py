"""All tests of closed windows at one scale.

In: what some windows hold. Out: of each one measurement per column and test, the same whichever
windows are measured with it. Never: what one window says of another; the judge counts looks in a
row.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.special import fdtri

from monitor.detectors.budget import Share
from monitor.detectors.calibration import MIN_BLOCKS
from monitor.detectors.counted_panes import WindowCounts
from monitor.detectors.effects import NumberBins, category_effects
from monitor.detectors.ks import effective_size, ks_p_values, ks_thresholds
from monitor.detectors.rate import rate_p_values, rate_thresholds, vanished
from monitor.detectors.telling import Asked, Numbers, Telling, Values
from monitor.detectors.total_variation import CategoryTest
from monitor.events import Bool, Float64, Int64
from monitor.findings import NO_VALUES, Measurement
from monitor.sketches.category import CategoryReference
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile


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
        tests = [Asked("ks", one.name, one.n, self._alpha) for _, one in self._numbers]
        for _, one, _ in self._categories:
            tests.append(Asked("total_variation", one.name, one.n, self._alpha))
            tests.append(Asked("unseen_categories", one.name, one.n, self._rate_alpha))
        rates = [
            Asked("missing_rate", one.name, one.n_rows, self._rate_alpha) for one in self._columns
        ]
        self._telling = Telling(tests, scale=scale, floor=floor, off=self._reason)
        self._missing_telling = Telling(rates, scale=scale, floor=floor, off=self._reason)
        self._unseen_threshold: dict[int, dict[float, float]] = {}
        """Row to number of values to threshold, of the windows measured last."""
        self._none_missing: list[Measurement] = []
        """What is said of every window in which no value is missing."""

    def test(self, windows: WindowCounts) -> list[list[Measurement]]:
        """Of each window one measurement per column and test, in column order within each test."""
        missing = np.zeros((windows.firsts.size, len(self._columns)), dtype=np.int64)
        missing[:, self._rows] = self.scale - windows.n
        parts = [self._ks(windows)]
        for (row, column, test), counts in zip(self._categories, windows.categories, strict=True):
            n_cur = counts.sum(axis=1)
            missing[:, row] = self.scale - n_cur
            parts.append(self._category(row, column, test, counts, n_cur))
        numbers = Numbers.join(parts)
        told = self._telling.tell(numbers, self._values(windows, numbers))
        return [own + rates for own, rates in zip(told, self._missing(missing), strict=True)]

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

    def _ks(self, windows: WindowCounts) -> Numbers:
        """KS of every number column."""
        rows, d, n_cur = self._rows, windows.d, windows.n
        n, thresholds = (np.repeat(one[None, :], len(d), axis=0) for one in self._whole)
        for short in np.flatnonzero((n_cur < self.scale).any(axis=1)):
            n[short], thresholds[short] = self._worth_of(n_cur[short])
        p = ks_p_values(d, n, np.repeat(self._certainty[None, rows], len(d), axis=0))
        return Numbers(d, d, thresholds, p, n_cur, n)

    def _number_values(self, windows: WindowCounts, look: int, place: int) -> Mapping[str, float]:
        codes = windows.sorted_codes(look, place)
        return self._bins.effects(place, codes, int(windows.n[look, place]))

    def _category(
        self, row: int, column: CategoryReference, test: CategoryTest, counts: Int64, n_cur: Int64
    ) -> Numbers:
        """Total variation, and values that the reference never had."""
        found = test.distances(
            counts,
            n_cur,
            design_effect=float(self._effect[row]),
            freedom=float(self._freedom[row]) if self.usable else float(max(test.freedom, 1)),
            certainty=float(min(self._certainty[row], 1e6)),
            alpha=self._alpha,
        )
        hits, sizes = counts[:, -1], np.maximum(n_cur, 1).astype(np.float64)
        before = float(column.counts[-1])
        arguments = (
            np.array([before]),
            np.array([float(column.n)]),
            self._unseen_effect[row : row + 1],
        )
        rate = hits / sizes
        return Numbers(
            *(
                np.array(pair).T
                for pair in (
                    (found.statistic, rate),
                    (found.effect, rate - before / max(column.n, 1)),
                    (found.threshold, self._unseen_thresholds(row, sizes, arguments)),
                    (found.p_value, rate_p_values(hits.astype(np.float64), sizes, *arguments)),
                    (n_cur, n_cur),
                    (found.n_effective, n_cur / self._unseen_effect[row]),
                )
            )
        )

    def _category_values(
        self, place: int, counts: Int64, n_effective: float
    ) -> Mapping[str, float]:
        _, column, test = self._categories[place]
        told = category_effects(
            column.counts.astype(np.float64), counts.astype(np.float64), column.names
        )
        told["total_variation"] = test.total_variation(counts)
        gone = vanished(counts, test.shares, n_effective, self._alpha)
        told["vanished"] = float(test.shares[gone].sum())
        return told

    def _values(self, windows: WindowCounts, numbers: Numbers) -> Values:
        """Effect sizes of what drifts."""
        values: dict[tuple[int, int], Mapping[str, float]] = {}
        for look, place in self._telling.drifting(numbers):
            at, unseen = divmod(place - self._rows.size, 2)
            if at < 0:
                values[look, place] = self._number_values(windows, look, place)
            elif unseen:
                values[look, place] = NO_VALUES
            else:
                worth = float(numbers.n_effective[look, place])
                values[look, place] = self._category_values(at, windows.categories[at][look], worth)
        return values

    def _unseen_thresholds(
        self, row: int, sizes: Float64, arguments: tuple[Float64, Float64, Float64]
    ) -> Float64:
        """Found by bisection; most windows have as many values as one before them."""
        known, wanted = self._unseen_threshold.get(row, {}), sizes.tolist()
        new = np.array(sorted(set(wanted) - known.keys()))
        if new.size:
            alphas = np.full(new.size, self._rate_alpha)
            told = rate_thresholds(alphas, new, *arguments).tolist()
            known = {**known, **dict(zip(new.tolist(), told, strict=True))}
        self._unseen_threshold[row] = {size: known[size] for size in wanted}
        return np.array([known[size] for size in wanted])

    def _missing(self, hits: Int64) -> list[list[Measurement]]:
        """Missing rates; of windows without a missing value one measurement tells for all."""
        some: Bool = np.any(hits, axis=1)
        if not some.all() and not self._none_missing:
            [self._none_missing] = self._missing_rates(np.zeros((1, hits.shape[1]), np.int64))
        if not some.any():
            return [self._none_missing] * len(hits)
        found = iter(self._missing_rates(hits[some]))
        return [next(found) if one else self._none_missing for one in some.tolist()]

    def _missing_rates(self, hits: Int64) -> list[list[Measurement]]:
        n = float(self.scale)
        rate = hits / n
        p = rate_p_values(hits, np.array(n), self._missing_ref, self._n_rows, self._missing_effect)
        numbers = Numbers(
            rate,
            rate - np.array([column.missing_rate for column in self._columns]),
            np.repeat(self._rate_threshold[None, :], len(hits), axis=0),
            p,
            np.full(hits.shape, self.scale),
            np.repeat(n / self._missing_effect[None, :], len(hits), axis=0),
        )
        drifting = dict.fromkeys(self._missing_telling.drifting(numbers), NO_VALUES)
        return self._missing_telling.tell(numbers, drifting)

"""All tests of a closed window at one scale.

In: codes of the window. Out: one measurement per column and test. Never: another window; the
judge counts looks in a row.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.special import fdtri

from monitor.detectors.budget import Share
from monitor.detectors.calibration import MIN_BLOCKS
from monitor.detectors.effects import NumberBins, category_effects
from monitor.detectors.ks import (
    CdfTables,
    effective_size,
    ks_distances,
    ks_p_values,
    ks_thresholds,
    sorted_rows,
)
from monitor.detectors.rate import rate_p_values, rate_thresholds, vanished
from monitor.detectors.total_variation import CategoryTest
from monitor.events import Float64, Int64
from monitor.findings import Measurement, Verdict
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile

CLEAR = 0.6
"""A window is cleared when its effect is below this share of what an alert would need."""


class WindowTests:
    """KS, chi-squared with total variation, missing and unseen rates of one scale."""

    def __init__(
        self,
        profile: Profile,
        tables: CdfTables,
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
        self._tables = tables
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
        self._unseen_threshold: dict[int, tuple[int, float]] = {}
        """Row to (number of values, threshold) of the window before."""
        self._none_missing: list[Measurement] = []
        """What is said of every window in which no value is missing."""

    def test(self, codes: Codes) -> list[Measurement]:
        """One measurement per column and test, in column order within each test."""
        present = np.zeros(len(self._columns), dtype=np.int64)
        measurements = list(self._ks(codes, present))
        for row, column, test in self._categories:
            counts = test.count(codes[row])
            present[row] = counts.sum()
            measurements.append(self._category(row, column, test, counts))
            measurements.append(self._unseen(row, column, counts))
        measurements.extend(self._missing(codes.shape[1] - present))
        return measurements

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

    def _ks(self, codes: Codes, present: Int64) -> Iterator[Measurement]:
        """KS of every number column; puts how many values each has into `present`."""
        if not self._numbers:
            return
        rows = self._rows
        ordered = sorted_rows(codes[rows])
        d, n_cur = ks_distances(ordered, self._tables)
        present[rows] = n_cur
        n, thresholds = self._whole
        if n_cur.min() < self.scale:
            n, thresholds = self._worth_of(n_cur)
        p = ks_p_values(d, n, self._certainty[rows])
        drifting = self.usable & (p <= self._alpha) & (d > self._floor)
        sizes: list[dict[str, float]] = [{} for _ in self._numbers]
        if drifting.any():
            found = self._bins.effects(ordered, n_cur)
            sizes = [one if so else {} for one, so in zip(found, drifting, strict=True)]
        rows_of = zip(
            self._numbers,
            d.tolist(),
            thresholds.tolist(),
            p.tolist(),
            n_cur.tolist(),
            n.tolist(),
            sizes,
            strict=True,
        )
        for (_, column), distance, threshold, p_value, count, worth, values in rows_of:
            yield self._measurement(
                "ks",
                column.name,
                statistic=distance,
                effect=distance,
                threshold=threshold,
                p_value=p_value,
                alpha=self._alpha,
                n_ref=column.n,
                n_cur=count,
                n_effective=worth,
                values=values,
            )

    def _category(
        self, row: int, column: CategoryReference, test: CategoryTest, counts: Int64
    ) -> Measurement:
        found = test.distance(
            counts,
            design_effect=float(self._effect[row]),
            freedom=float(self._freedom[row]) if self.usable else float(max(test.freedom, 1)),
            certainty=float(min(self._certainty[row], 1e6)),
            alpha=self._alpha,
        )
        values: dict[str, float] = {}
        if self.usable and found.p_value <= self._alpha and found.effect > self._floor:
            values = category_effects(
                column.counts.astype(np.float64), counts.astype(np.float64), column.names
            )
            values["total_variation"] = found.total_variation
            gone = vanished(counts, test.shares, found.n_effective, self._alpha)
            values["vanished"] = float(test.shares[gone].sum())
        return self._measurement(
            "total_variation",
            column.name,
            statistic=found.statistic,
            effect=found.effect,
            threshold=found.threshold,
            p_value=found.p_value,
            alpha=self._alpha,
            n_ref=column.n,
            n_cur=int(counts.sum()),
            n_effective=found.n_effective,
            values=values,
        )

    def _unseen(self, row: int, column: CategoryReference, counts: Int64) -> Measurement:
        n = int(counts.sum())
        before = float(column.counts[-1])
        sizes = np.array([float(max(n, 1))])
        arguments = (
            np.array([before]),
            np.array([float(column.n)]),
            self._unseen_effect[row : row + 1],
        )
        p = rate_p_values(counts[-1:].astype(np.float64), sizes, *arguments)
        known_n, threshold = self._unseen_threshold.get(row, (-1, 1.0))
        if known_n != n:
            # Found by bisection; a window's number of values is mostly that of the one before.
            alphas = np.array([self._rate_alpha])
            threshold = float(rate_thresholds(alphas, sizes, *arguments)[0])
            self._unseen_threshold[row] = (n, threshold)
        rate = counts[-1] / max(n, 1)
        return self._measurement(
            "unseen_categories",
            column.name,
            statistic=float(rate),
            effect=float(rate - before / max(column.n, 1)),
            threshold=threshold,
            p_value=float(p[0]),
            alpha=self._rate_alpha,
            n_ref=column.n,
            n_cur=n,
            n_effective=n / float(self._unseen_effect[row]),
            values={},
        )

    def _missing(self, hits: Int64) -> Iterator[Measurement]:
        """Missing rates; of windows without a missing value one measurement tells for all."""
        if not hits.any() and self._none_missing:
            yield from self._none_missing
            return
        measurements = list(self._missing_rates(hits))
        if not hits.any():
            self._none_missing = measurements
        yield from measurements

    def _missing_rates(self, hits: Int64) -> Iterator[Measurement]:
        n = float(self.scale)
        p = rate_p_values(
            hits, np.full(hits.size, n), self._missing_ref, self._n_rows, self._missing_effect
        )
        for row, column in enumerate(self._columns):
            rate = hits[row] / n
            yield self._measurement(
                "missing_rate",
                column.name,
                statistic=float(rate),
                effect=float(rate - column.missing_rate),
                threshold=float(self._rate_threshold[row]),
                p_value=float(p[row]),
                alpha=self._rate_alpha,
                n_ref=column.n_rows,
                n_cur=self.scale,
                n_effective=n / float(self._missing_effect[row]),
                values={},
            )

    def _measurement(
        self,
        check: str,
        feature: str,
        *,
        statistic: float,
        effect: float,
        threshold: float,
        p_value: float,
        alpha: float,
        n_ref: int,
        n_cur: int,
        n_effective: float,
        values: Mapping[str, float],
    ) -> Measurement:
        needed = max(threshold, self._floor)
        reason = self._reason
        if not reason and n_cur == 0:
            reason = "no event of the window has a value"
        elif not reason and n_ref == 0:
            reason = "the reference has no value"
        elif not reason and threshold >= 1.0:
            reason = f"the window is worth {n_effective:.1f} independent observations: too few"
        if reason:
            verdict = Verdict.CANNOT_TELL
        elif p_value <= alpha and effect > self._floor:
            verdict = Verdict.DRIFT
        else:
            verdict = Verdict.OK
        return Measurement(
            check=check,
            feature=feature,
            scale=self.scale,
            verdict=verdict,
            statistic=statistic,
            effect=effect,
            threshold=threshold,
            p_value=p_value,
            n_ref=n_ref,
            n_cur=n_cur,
            n_effective=n_effective,
            smallest_visible=needed,
            cleared=effect < CLEAR * needed and n_cur > 0,
            reason=reason,
            values=values,
        )

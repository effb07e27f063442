"""Tests of a window over all columns together, at one scale.

In: codes of the window and what its columns' own tests measured. Out: two measurements about the
model as a whole: joint shift, broken correlation. Never: a column's own verdict.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from monitor.detectors.blocks import KS_MEAN
from monitor.detectors.budget import Share
from monitor.detectors.correlation import RankCorrelations, strongest_break
from monitor.detectors.joint import MIN_COLUMNS, critical_shift, joint_shift
from monitor.detectors.ks import CdfTables
from monitor.detectors.telling import CLEAR
from monitor.findings import Measurement, Verdict
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile

RANKED = 10
"""Columns or pairs that a measurement lists."""
DISTANCES = ("ks", "total_variation")


class JointTests:
    """Joint shift at every look; correlations once per window, where `pairs` says so."""

    def __init__(
        self,
        profile: Profile,
        tables: CdfTables,
        scale: int,
        floor: float,
        shares: Mapping[str, Share],
        *,
        looks: int,
        pairs: bool,
    ) -> None:
        calibration = profile.calibration
        place = calibration.place_of(scale)
        self._scale = scale
        self._floor = floor
        self._blocks = int(calibration.blocks[place])
        self._n_rows = profile.n_rows
        self._mean = float(calibration.joint_mean[place])
        self._spread = float(calibration.joint_spread[place])
        self._joint_alpha = shares["joint"].alpha(scale, looks=looks)
        self._critical = critical_shift(
            mean=self._mean, spread=self._spread, blocks=self._blocks, alpha=self._joint_alpha
        )
        self._joint = len(profile.columns) >= MIN_COLUMNS
        numbers = {
            row: column
            for row, column in enumerate(profile.columns)
            if isinstance(column, NumberReference)
        }
        numeric = list(numbers)
        self._pairs = pairs and calibration.pair_mean.size > 0
        self._rows = np.array(numeric, dtype=np.int64)
        self._names = [profile.names[row] for row in numeric]
        self._ranks = RankCorrelations(list(numbers.values()) if self._pairs else [], tables)
        grid = (
            np.ix_(numeric, numeric) if self._pairs else np.ix_(np.zeros(0, int), np.zeros(0, int))
        )
        self._pair_mean = calibration.pair_mean[place][grid]
        self._pair_spread = calibration.pair_spread[place][grid]
        count = max(len(numeric) * (len(numeric) - 1) // 2, 1)
        self._pair_alpha = shares["pairs"].alpha(scale, looks=1) / count

    def test(
        self, codes: Codes, measurements: Sequence[Measurement], *, events: int
    ) -> list[Measurement]:
        """Measure one closed window, uint16[F, scale], that ends after `events` events."""
        found = []
        if self._joint:
            found.append(self._shift([m for m in measurements if m.check in DISTANCES]))
        if self._pairs and events % self._scale == 0:
            found.append(self._correlation(codes[self._rows]))
        return found

    def _shift(self, columns: Sequence[Measurement]) -> Measurement:
        noise = [
            m.statistic * m.n_effective**0.5 / KS_MEAN if m.check == "ks" else m.statistic**0.5
            for m in columns
        ]
        shift = joint_shift(
            noise,
            [m.effect for m in columns],
            mean=self._mean,
            spread=self._spread,
            blocks=self._blocks,
            critical=self._critical,
        )
        ranked = sorted(zip(noise, columns, strict=True), key=lambda pair: -pair[0])[:RANKED]
        return self._measurement(
            "joint_shift",
            statistic=shift.statistic,
            effect=shift.effect,
            threshold=shift.threshold,
            p_value=shift.p_value,
            alpha=self._joint_alpha,
            words=lambda: (
                "most: " + ", ".join(f"{m.feature} {m.effect:.2f}" for _, m in ranked[:5])
            ),
            values={m.feature: m.effect for _, m in ranked},
        )

    def _correlation(self, codes: Codes) -> Measurement:
        found = self._ranks.of(codes)
        pair = strongest_break(found, self._pair_mean, self._pair_spread, self._blocks, self._scale)
        first, second = self._names[pair.first], self._names[pair.second]
        return self._measurement(
            "correlation",
            statistic=pair.correlation,
            effect=pair.effect,
            threshold=self._floor,
            p_value=pair.p_value,
            alpha=self._pair_alpha,
            words=lambda: (
                f"{first} and {second}: rank correlation {pair.correlation:.2f}, "
                f"{pair.usual:.2f} in the reference"
            ),
            values={f"{first}~{second}": pair.correlation},
        )

    def _measurement(
        self,
        check: str,
        *,
        statistic: float,
        effect: float,
        threshold: float,
        p_value: float,
        alpha: float,
        words: Callable[[], str],
        values: Mapping[str, float],
    ) -> Measurement:
        drift = p_value <= alpha and effect > self._floor
        needed = max(threshold, self._floor)
        return Measurement(
            check=check,
            feature="",
            scale=self._scale,
            verdict=Verdict.DRIFT if drift else Verdict.OK,
            statistic=statistic,
            effect=effect,
            threshold=threshold,
            p_value=p_value,
            n_ref=self._n_rows,
            n_cur=self._scale,
            n_effective=float(self._blocks),
            smallest_visible=needed,
            cleared=effect < CLEAR * needed or p_value > 0.05,
            reason=words() if drift else "",
            values=values,
        )

"""Self-calibration: how much blocks of the reference differ, against independent rows.

In: the codes of the whole reference in time order. Out: a `Calibration`, kept in the profile.
Never: the live stream; what is normal is learnt from the reference alone.
"""

from collections.abc import Sequence

import numpy as np

from monitor.detectors.blocks import (
    KS_MEAN,
    block_distances,
    block_ratios,
    block_starts,
    category_effect,
    ks_effect,
    rate_effect,
    two_sample_size,
)
from monitor.detectors.correlation import MAX_COLUMNS, RankCorrelations
from monitor.detectors.dependence import dependence
from monitor.detectors.ks import CdfTables
from monitor.detectors.river_detectors import alarms_on_reference, identity
from monitor.detectors.scores import ALTERNATIVES, NATS, ScoreTables
from monitor.detectors.total_variation import CategoryTest
from monitor.events import Float64, Int64
from monitor.sketches.calibration import Calibration
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference
from schemas.model import Monitoring

MIN_BLOCKS = 5
"""Disjoint blocks of a size without which windows of that size cannot be judged."""

Reference = NumberReference | CategoryReference


def calibrate(
    codes: Codes,
    references: Sequence[Reference],
    monitoring: Monitoring,
    *,
    time_ordered: bool,
) -> Calibration:
    """Measure the design effects of a reference.

    Parameters
    ----------
    codes
        uint16[F, N] of all reference rows, oldest first, in the order of `references`.
    monitoring
        The card's settings: window sizes and River detectors.
    time_ordered
        False: the order means nothing, so rows are taken as independent, and said to be.

    Each block of a scale's size is compared with the rest of the reference; phi is how much wider
    the distance spreads than independence allows.

    >>> rng = np.random.default_rng(7)
    >>> values = np.repeat(rng.normal(size=1_000), 10)  # every value ten times in a row
    >>> column = NumberReference.from_values("x", values)
    >>> found = calibrate(
    ...     column.codes(values)[None, :], [column], Monitoring(scales=(1_000,)), time_ordered=True
    ... )
    >>> found.blocks.tolist(), 5 < float(found.design_effect[0, 0]) < 20
    ([10], True)

    Kish (1965), Survey Sampling; Rao and Scott (1981), JASA 76.
    """
    n = codes.shape[1]
    scales = np.array(monitoring.scales, dtype=np.int64)
    by_scale = _Scales(codes, references, scales.size)
    for place, scale in enumerate(scales.tolist()):
        if n // scale >= MIN_BLOCKS:
            by_scale.measure(place, scale)
    if not time_ordered:
        by_scale.forget_order()
    effect, error, peak = _sequential(codes, references, time_ordered=time_ordered)
    alarms = [alarms_on_reference(d, references, codes) for d in monitoring.detectors]
    return Calibration(
        scales=scales,
        blocks=n // scales,
        design_effect=by_scale.effect,
        certainty=by_scale.certainty,
        freedom=by_scale.freedom,
        missing_effect=by_scale.missing,
        missing_certainty=by_scale.missing_certainty,
        unseen_effect=by_scale.unseen,
        unseen_certainty=by_scale.unseen_certainty,
        sequential_effect=effect,
        sequential_error=error,
        sequential_peak=peak,
        pair_mean=by_scale.pair_mean,
        pair_spread=by_scale.pair_spread,
        joint_mean=by_scale.joint_mean,
        joint_spread=by_scale.joint_spread,
        river_alarms=np.array(alarms, dtype=np.int64),
        river_names=tuple(identity(detector) for detector in monitoring.detectors),
        time_ordered=time_ordered,
    )


class _Scales:
    """Design effects by column and scale, NaN where a scale has too few blocks."""

    def __init__(self, codes: Codes, references: Sequence[Reference], scales: int) -> None:
        self._codes = codes
        self._references = references
        self._numeric = [
            row for row, column in enumerate(references) if isinstance(column, NumberReference)
        ]
        self._numbers = [column for column in references if isinstance(column, NumberReference)]
        self._tables = CdfTables.join(
            [_below(_all_rows(references[row], codes[row])) for row in self._numeric]
        )
        columns = len(references)
        shape = (columns, scales)
        self.effect, self.certainty, self.freedom = (np.full(shape, np.nan) for _ in range(3))
        self.missing, self.missing_certainty = np.full(shape, np.nan), np.full(shape, np.nan)
        self.unseen, self.unseen_certainty = np.full(shape, np.nan), np.full(shape, np.nan)
        paired = columns if 2 <= len(self._numbers) <= MAX_COLUMNS else 0
        self.pair_mean = np.full((scales, paired, paired), np.nan)
        self.pair_spread = self.pair_mean.copy()
        self.joint_mean, self.joint_spread = np.full(scales, np.nan), np.full(scales, np.nan)

    def measure(self, place: int, scale: int) -> None:
        """Measure everything at one scale."""
        codes, n = self._codes, self._codes.shape[1]
        starts = block_starts(n, scale)
        standardised = np.zeros((len(self._references), starts.size))
        distances = block_distances(codes[self._numeric], self._tables, starts, scale)
        for row, found in zip(self._numeric, distances, strict=True):
            effect, self.certainty[row, place] = ks_effect(found, scale, n)
            self.effect[row, place] = effect
            standardised[row] = found * np.sqrt(two_sample_size(n, scale) / effect) / KS_MEAN
        for row, reference in enumerate(self._references):
            missing = rate_effect(codes[row] == NULL_CODE, starts, scale)
            self.missing[row, place], self.missing_certainty[row, place] = missing
            if isinstance(reference, CategoryReference):
                ratios = self._category(row, reference, starts, place, scale)
                standardised[row] = np.sqrt(ratios)
        joint = standardised.mean(axis=0)
        self.joint_mean[place], self.joint_spread[place] = joint.mean(), joint.std(ddof=1)
        self._pairs(starts, place, scale)

    def forget_order(self) -> None:
        """Take rows as independent: the order of this reference means nothing."""
        for effect, certainty in (
            (self.effect, self.certainty),
            (self.missing, self.missing_certainty),
            (self.unseen, self.unseen_certainty),
        ):
            known = ~np.isnan(effect)
            effect[known], certainty[known] = 1.0, np.inf

    def _category(
        self, row: int, reference: CategoryReference, starts: Int64, place: int, scale: int
    ) -> Float64:
        codes = self._codes[row]
        test = CategoryTest.of(reference, scale)
        ratios = block_ratios(codes, test, starts, scale)
        found = category_effect(ratios, test, codes.size // scale)
        self.effect[row, place], self.certainty[row, place], self.freedom[row, place] = found
        other = codes == len(reference.names)
        self.unseen[row, place], self.unseen_certainty[row, place] = rate_effect(
            other, starts, scale
        )
        return ratios / found[0]

    def _pairs(self, starts: Int64, place: int, scale: int) -> None:
        if not self.pair_mean.size:
            return
        ranks = RankCorrelations(self._numbers, self._tables)
        found = np.stack(
            [ranks.of(self._codes[self._numeric, a : a + scale]) for a in starts.tolist()]
        )
        known = ~np.isnan(found)
        seen = known.sum(axis=0)
        enough = seen >= max(starts.size // 2, 2)
        total = np.where(known, found, 0.0).sum(axis=0)
        mean = np.where(enough, total / np.maximum(seen, 1), np.nan)
        squares = (np.where(known, found - mean, 0.0) ** 2).sum(axis=0)
        grid = np.ix_([place], self._numeric, self._numeric)
        self.pair_mean[grid] = mean
        self.pair_spread[grid] = np.sqrt(squares / np.maximum(seen - 1, 1))


def _all_rows(reference: Reference, codes: Codes) -> Int64:
    """How many of all rows have each code: a sample of them is in the reference."""
    slots = reference.slots
    return np.bincount(np.minimum(codes, slots), minlength=slots + 1)[:slots].astype(np.int64)


def _below(counts: Int64) -> Int64:
    """Counts by slot as a table like `NumberReference.below`."""
    return np.append(0, np.cumsum(counts))


def _sequential(
    codes: Codes, references: Sequence[Reference], *, time_ordered: bool
) -> tuple[Float64, Float64, Float64]:
    """Dependence of every score of every column: effect, its error, the sum's peak."""
    shape = (codes.shape[0], len(ALTERNATIVES))
    effect, error, peak = np.ones(shape), np.zeros(shape), np.zeros(shape)
    if not time_ordered:
        return effect, error, peak
    tables = ScoreTables.of(references)
    for row in range(shape[0]):
        for k in range(shape[1]):
            found = dependence(tables.of_column(row, k, codes[row]) / NATS)
            effect[row, k], error[row, k], peak[row, k] = found.effect, found.error, found.peak
    return effect, error, peak

"""Log-likelihood ratios of a few ways to drift, per bucket of the reference's ranks.

In: references. Out: integer scores by column, bucket and alternative, for the sequential detector
and its calibration. Never: a stream; these are tables.

With u = F_ref(x) uniform without drift and z its normal score, the alternatives are normal shifts
and spreads of z: distribution-free, with no limit on x. A bucket's ratio is the alternative's mass
of the bucket over the reference's, so it is exact for ties, atoms and categories too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from monitor.events import Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference


@dataclass(frozen=True, slots=True)
class Alternative:
    """A way to drift: z ~ N(shift, spread^2), or a missing rate raised by `missing`."""

    name: str
    shift: float = 0.0
    spread: float = 1.0
    missing: float = 0.0
    weight: float = 1.0
    """Share of the budget relative to the others: small changes need it most."""


ALTERNATIVES = (
    Alternative("up 0.25", shift=0.25, weight=8.0),
    Alternative("down 0.25", shift=-0.25, weight=8.0),
    Alternative("up 0.5", shift=0.5, weight=2.0),
    Alternative("down 0.5", shift=-0.5, weight=2.0),
    Alternative("up 1", shift=1.0),
    Alternative("down 1", shift=-1.0),
    Alternative("wider", spread=1.25, weight=2.0),
    Alternative("much wider", spread=1.8),
    Alternative("narrower", spread=0.75),
    Alternative("missing", missing=0.2),
)
NATS = 1 << 20
"""Scores are whole numbers of 1/NATS nats, so that sums do not depend on how a stream is cut."""
BUCKETS = 64
TAIL_COUNT = 10
"""The outermost buckets hold at least so many values of the reference sample."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTables:
    """Scores of all columns.

    `bucket_of` uint8, flat: bucket of each slot, rows starting at `offsets` int64[F, 1];
    `last` uint16[F, 1] is each row's highest slot plus one, where NULL_CODE is looked up.
    `scores` int64[K, F * (BUCKETS + 2)], flat in columns and buckets. `information` float64[F, K]:
    mean score per event under the alternative, in nats.
    """

    bucket_of: NDArray[np.uint8]
    offsets: Int64
    last: Codes
    scores: Int64
    information: Float64
    ratio_variance: Float64
    """float64[F, K]: variance of the likelihood ratio without drift."""

    @classmethod
    def of(cls, references: Sequence[NumberReference | CategoryReference]) -> Self:
        """Tables of the references, in their order."""
        maps, sizes, scores, information, variance = [], [], [], [], []
        for reference in references:
            buckets, masses = _buckets(reference)
            usual = (reference.missing_rate * reference.n_rows + 1.0) / (reference.n_rows + 2.0)
            ratios = _log_ratios(masses, usual, ordered=isinstance(reference, NumberReference))
            maps.append(np.append(buckets, len(masses)).astype(np.uint8))
            sizes.append(maps[-1].size)
            p = np.append(masses * (1 - usual), usual)
            whole = np.floor(ratios * NATS).astype(np.int64)
            exact = whole / NATS
            information.append((p * np.exp(exact) * exact).sum(axis=1))
            variance.append((p * np.expm1(exact) ** 2).sum(axis=1))
            scores.append(np.pad(whole, ((0, 0), (0, BUCKETS + 2 - whole.shape[1]))))
        ends = np.cumsum(np.array(sizes, dtype=np.int64))
        return cls(
            bucket_of=np.concatenate(maps) if maps else np.zeros(0, np.uint8),
            offsets=(ends - np.array(sizes, dtype=np.int64))[:, None],
            last=(np.array(sizes, dtype=np.int64) - 1).astype(np.uint16)[:, None],
            scores=np.concatenate(scores, axis=1)
            if scores
            else np.zeros((len(ALTERNATIVES), 0), np.int64),
            information=np.array(information).reshape(-1, len(ALTERNATIVES)),
            ratio_variance=np.array(variance).reshape(-1, len(ALTERNATIVES)),
        )

    def of_codes(self, codes: Codes) -> Int64:
        """int64[K, F, n]: score of each event under each alternative, 0 for no value."""
        places = self.buckets(codes)
        found: Int64 = self.scores.take(places, axis=1)
        return found

    def of_column(self, column: int, alternative: int, codes: Codes) -> Int64:
        """int64[n]: scores of one column's codes under one alternative."""
        slots = np.minimum(codes, self.last[column, 0]) + self.offsets[column, 0]
        places = self.bucket_of.take(slots).astype(np.int64) + column * (BUCKETS + 2)
        found: Int64 = self.scores[alternative].take(places)
        return found

    def buckets(self, codes: Codes) -> Int64:
        """int64[F, n]: where each event's scores lie in `scores`."""
        rows = np.arange(codes.shape[0], dtype=np.int64)[:, None] * (BUCKETS + 2)
        places: Int64 = self.bucket_of.take(np.minimum(codes, self.last) + self.offsets) + rows
        return places


def _buckets(reference: NumberReference | CategoryReference) -> tuple[Int64, Float64]:
    """Bucket of each slot, and the buckets' masses in the reference."""
    if reference.n == 0:
        return np.zeros(reference.slots, np.int64), np.ones(1)
    cdf = reference.cdf
    tail = min(max(TAIL_COUNT / reference.n, 1e-3), 0.25)
    limit = float(ndtri(tail))
    levels = ndtr(np.linspace(limit, -limit, BUCKETS - 1))
    edges = np.unique(np.concatenate((np.zeros(1, np.int64), _cuts(cdf, levels))))
    buckets = np.zeros(reference.slots, np.int64)
    buckets[edges[1:]] = 1
    buckets = np.cumsum(buckets)
    masses = np.diff(np.append(cdf[edges], cdf[-1]))
    return buckets, masses


def _cuts(cdf: Float64, levels: Float64) -> Int64:
    """Slots at which the reference passes each level, none at its very ends."""
    at = np.searchsorted(cdf, levels)
    before = np.maximum(at - 1, 0)
    nearer = np.where(levels - cdf[before] < cdf[at] - levels, before, at)
    nearer = np.searchsorted(cdf, cdf[nearer])
    return nearer[(cdf[nearer] > 0.0) & (cdf[nearer] < 1.0)]


def _log_ratios(masses: Float64, usual: float, *, ordered: bool) -> Float64:
    """float64[K, buckets + 1]: log of alternative over reference mass; the last is "no value".

    `usual` is the reference's missing rate, never quite 0. Names have no order to shift along:
    for a category only the missing rate is scored.
    """
    ends = np.minimum(np.concatenate((np.zeros(1), np.cumsum(masses))), 1.0)
    z = ndtri(ends)
    rows = np.zeros((len(ALTERNATIVES), masses.size + 1))
    for k, alternative in enumerate(ALTERNATIVES):
        if alternative.missing:
            raised = usual + alternative.missing * (1.0 - usual)
            rows[k, :-1] = np.log((1.0 - raised) / (1.0 - usual))
            rows[k, -1] = np.log(raised / usual)
            continue
        if not ordered:
            continue
        moved = np.diff(ndtr((z - alternative.shift) / alternative.spread))
        rows[k, :-1] = np.log(np.maximum(moved, 1e-300)) - np.log(masses)
    return rows

"""The exact two-sample Kolmogorov-Smirnov test on codes: tables of the references, and laws.

In: references; distances and what their windows are worth. Out: cumulative tables that
`window_distances` reads; p-values and thresholds of a window worth `n_effective` independent
observations. Never: a value, a window's place in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogi, kolmogorov, smirnov, smirnovi

from monitor.events import Float64, Int64
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference

EXACT_BELOW = 100.0
"""Below this many observations the finite law is used, above it Stephens' approximation."""
BUCKETS = 512
"""About so many buckets of equal share each reference is cut into."""


@dataclass(frozen=True, slots=True, eq=False)
class CdfTables:
    """Cumulative counts of several references in flat arrays, for one look-up per code.

    The slots of each reference are cut into at most B buckets of about equal share; a heavy slot
    has one of its own. A code of row f is looked up at `offsets[f]` plus itself, NULL_CODE at
    `offsets[f] + last[f]`.
    """

    counts: NDArray[np.uint16] | Int64
    """How many of the reference lie below each slot."""
    n_ref: Int64
    """int64[F]: the size of each reference, at least 1."""
    offsets: Int64
    """int64[F]."""
    last: Codes
    """uint16[F]: number of slots."""
    bucket_of: NDArray[np.uint16]
    """Bucket of each slot, the number of buckets for NULL_CODE."""
    edges: NDArray[np.float32]
    """float32[F, B + 1]: share of the reference below each bucket; the last is for all of it."""
    inside: NDArray[np.float32]
    """float32[F]: by how much the distance inside a bucket may exceed that at its ends."""

    @classmethod
    def of(cls, references: Sequence[NumberReference], *, buckets: int = BUCKETS) -> Self:
        """Tables of the references, in their order."""
        return cls.join([reference.below for reference in references], buckets=buckets)

    @classmethod
    def join(cls, below: Sequence[Int64], *, buckets: int = BUCKETS) -> Self:
        """Of each reference int64[slots + 1]: how many of it lie below each slot."""
        sizes = np.array([table.size for table in below], dtype=np.int64)
        offsets = np.cumsum(sizes) - sizes
        n_ref = np.array([max(int(table[-1]), 1) for table in below], dtype=np.int64)
        cuts = [_cuts(table / n, buckets) for table, n in zip(below, n_ref, strict=True)]
        most = max((cut.size for cut in cuts), default=0)
        bucket_of = np.full(int(sizes.sum()), most, np.uint16)
        edges = np.ones((len(below), most + 1), np.float32)
        inside = np.zeros(len(below), np.float32)
        for row, (table, cut, offset) in enumerate(zip(below, cuts, offsets, strict=True)):
            slots = table.size - 1
            bucket_of[offset : offset + slots] = np.repeat(
                np.arange(cut.size), np.diff(cut, append=slots)
            )
            share = table / n_ref[row]
            edges[row] = share[-1]
            edges[row, : cut.size] = share[cut]
            ends = np.append(cut[1:], slots)
            # All of a bucket but its first, and all but its last slot.
            inside[row] = max(
                (share[ends] - share[cut + 1]).max(), (share[ends - 1] - share[cut]).max()
            )
        flat = np.concatenate(below) if below else np.zeros(0, np.int64)
        return cls(
            counts=flat.astype(np.uint16) if flat.max(initial=0) < 1 << 16 else flat,
            n_ref=n_ref,
            offsets=offsets,
            last=(sizes - 1).astype(np.uint16),
            bucket_of=bucket_of,
            edges=edges,
            inside=inside,
        )


def _cuts(share: Float64, buckets: int) -> Int64:
    """First slots of buckets that hold about 1 / `buckets` of the reference each."""
    at = np.searchsorted(share, np.arange(1, buckets) / buckets)
    heavy = np.flatnonzero(np.diff(share) >= 1.0 / buckets)
    cuts = np.unique(np.concatenate((np.zeros(1, np.int64), at, heavy, heavy + 1)))
    return cuts[cuts < share.size - 1]


def effective_size(
    n_cur: Float64 | Int64, n_rows: Float64, n_ref: Float64, design_effect: Float64
) -> Float64:
    """What a comparison is worth in independent observations (Kish's effective size).

    The window and the reference's rows share the design effect; the reference's sample adds the
    independent error of drawing `n_ref` of `n_rows`.

    >>> many = np.array([1e9])
    >>> effective_size(np.array([1000.0]), many, many, np.array([4.0])).round()
    array([250.])
    """
    rows = np.maximum(n_rows, 1.0)
    sample = 1.0 / np.maximum(n_ref, 1.0) - 1.0 / np.maximum(rows, n_ref)
    variance = design_effect * (1.0 / np.maximum(n_cur, 1.0) + 1.0 / rows) + sample
    return 1.0 / variance


def ks_p_values(d: Float64, n_effective: Float64, certainty: Float64) -> Float64:
    """Chance of a distance of at least d without drift.

    `certainty`: degrees of freedom with which the design effect in `n_effective` is known; few
    make the tail as heavy as Student's is against the normal's.

    >>> ks_p_values(np.array([0.1]), np.array([100.0]), np.array([np.inf])).round(3)
    array([0.256])
    """
    n = np.maximum(n_effective, 1.0)
    light = _lightened(d, n, certainty)
    p: Float64 = kolmogorov(light * _stephens(n))
    few = n < EXACT_BELOW
    p[few] = np.minimum(2.0 * smirnov(np.floor(n[few]), light[few]), 1.0)
    return p


def ks_thresholds(alpha: Float64, n_effective: Float64, certainty: Float64) -> Float64:
    """The distance whose p-value is alpha; 1 or more: no distance can be significant.

    >>> alpha = np.array([0.01, 0.01])
    >>> ks_thresholds(alpha, np.array([1e4, 2.5]), np.array([np.inf, 40.0])).round(3)
    array([0.016, 0.982])
    """
    n = np.maximum(n_effective, 1.0)
    d: Float64 = kolmogi(alpha) / _stephens(n)
    few = n < EXACT_BELOW
    d[few] = smirnovi(np.floor(n[few]), alpha[few] / 2.0)
    with np.errstate(invalid="ignore", over="ignore"):
        heavy = np.sqrt(np.expm1(4.0 * n * d**2 / certainty) * certainty / (4.0 * n))
    return np.where(np.isfinite(certainty), np.minimum(heavy, 1.0), d)


def _stephens(n: Float64) -> Float64:
    root = np.sqrt(n)
    factor: Float64 = root + 0.12 + 0.11 / root
    return factor


def _lightened(d: Float64, n: Float64, certainty: Float64) -> Float64:
    """The distance that is as unlikely under a known design effect as d under an estimated one.

    With phi known, P(D > d) ~ 2 exp(-x), x = 2 n d^2; averaged over an estimate of phi with v
    degrees of freedom it is 2 (1 + 2x/v)^(-v/2).
    """
    with np.errstate(invalid="ignore"):
        light = np.sqrt(np.log1p(4.0 * n * d**2 / certainty) * certainty / (4.0 * n))
    return np.where(np.isfinite(certainty), light, d)

"""The exact two-sample Kolmogorov-Smirnov test on codes, for all number columns at once.

In: sorted codes of one window and the cumulative tables of the references. Out: distances D, and
what they mean for a window worth `n_effective` independent observations. Never: a value, a search,
a window's place in time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogi, kolmogorov, smirnov, smirnovi

from monitor.events import Float64, Int64
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference

EXACT_BELOW = 100.0
"""Below this many observations the finite law is used, above it Stephens' approximation."""


@dataclass(frozen=True, slots=True, eq=False)
class CdfTables:
    """Cumulative tables of several references in one flat array, for one look-up per code.

    `flat` float64 is their concatenation, `offsets` int64[F, 1] where each begins and `last`
    uint16[F, 1] the highest code of each.
    """

    flat: Float64
    offsets: Int64
    last: Codes

    @classmethod
    def of(cls, references: Sequence[NumberReference]) -> Self:
        """Tables of the references, in their order."""
        return cls.join([reference.cdf for reference in references])

    @classmethod
    def join(cls, tables: Sequence[Float64]) -> Self:
        """Concatenate tables as `NumberReference.cdf` makes them."""
        sizes = np.array([table.size for table in tables], dtype=np.int64)
        return cls(
            flat=np.concatenate(tables) if tables else np.zeros(0),
            offsets=(np.cumsum(sizes) - sizes)[:, None],
            last=(sizes - 2).astype(np.uint16)[:, None],
        )


def ks_distances(sorted_codes: Codes, tables: CdfTables) -> tuple[Float64, Int64]:
    """Largest distance between each row's distribution and its reference's, and the row's n.

    Parameters
    ----------
    sorted_codes
        uint16[F, W], each row rising (`np.sort(kind="stable")`: a radix sort), NULL_CODE last.
    tables
        The references of the F rows.

    D+ = max_i(i/n - G(s_i)) and D- = max_i(G(s_i - 1) - (i - 1)/n), G the reference's cumulative
    distribution over slots: exact, ties included. A row without a value has D = 0 and n = 0.

    **Blind to** order inside the window and to where D was reached.

    **Cost**: about 5 ns a code after the sort, 8 where values lie on points of the reference.

    >>> reference = NumberReference.from_values("x", np.array([1.0, 2.0, 2.0, 4.0]))
    >>> window = np.sort(reference.codes(np.array([2.0, 3.0, np.nan])))
    >>> d, n = ks_distances(window[None, :], CdfTables.of([reference]))
    >>> d.tolist(), n.tolist()
    ([0.25], [2])

    Kolmogorov (1933); Smirnov (1939).
    """
    rows, width = sorted_codes.shape
    if rows == 0 or width == 0:
        return np.zeros(rows), np.zeros(rows, dtype=np.int64)
    n_cur = np.full(rows, width, dtype=np.int64)
    for row in np.flatnonzero(sorted_codes[:, -1] == NULL_CODE):
        n_cur[row] = sorted_codes[row].searchsorted(NULL_CODE)
    place = np.minimum(sorted_codes, tables.last) + tables.offsets
    steps = np.arange(width + 1, dtype=np.float64)
    if n_cur.min() == width:
        ramp = (steps / width)[None, :]
    else:
        n = np.maximum(n_cur, 1)[:, None]
        ramp = np.minimum(steps[None, :], n_cur[:, None]) / n
    below = tables.flat.take(place)
    after = np.broadcast_to(ramp[:, 1:], below.shape)
    above = after - below
    # A value between two points of the reference, an even code, is on no step of it.
    stepping = np.flatnonzero((sorted_codes & 1).any(axis=1))
    if stepping.size:
        step = tables.flat.take(place[stepping] + 1)
        above[stepping] = after[stepping] - step
    below -= ramp[:, :-1]
    d = np.maximum(above.max(axis=1), below.max(axis=1))
    return np.where(n_cur > 0, np.maximum(d, 0.0), 0.0), n_cur


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


def sorted_rows(codes: Codes) -> NDArray[np.uint16]:
    """Each row in rising order (radix sort, 7 ns a code)."""
    return np.sort(codes, axis=1, kind="stable")

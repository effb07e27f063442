"""The numbers of several tests on several windows become measurements with a verdict.

In: arrays, a row a window, a column a test. Out: measurements, window by window. Never: a test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Self

import numpy as np

from monitor.events import Float64, Int64
from monitor.findings import NO_VALUES, Measurement, Verdict

CLEAR = 0.6
"""A window is cleared when its effect is below this share of what an alert would need."""

Values = Mapping[tuple[int, int], Mapping[str, float]]
"""Further numbers, by window and test."""


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """What K tests measured on L windows, [L, K] each."""

    statistic: Float64
    effect: Float64
    threshold: Float64
    p_value: Float64
    n_cur: Int64
    n_effective: Float64

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Tests side by side."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts], axis=1)
                for name in cls.__slots__
            )
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A test of a column."""

    check: str
    feature: str
    n_ref: int
    alpha: float


class Telling:
    """Says what the numbers of these tests mean.

    Parameters
    ----------
    asked
        The K tests.
    scale, floor
        Size of the windows; an effect must exceed the floor.
    off
        Why no window of this size can tell; "": they can.
    """

    def __init__(self, asked: Sequence[Asked], *, scale: int, floor: float, off: str) -> None:
        self._checks = [one.check for one in asked]
        self._features = [one.feature for one in asked]
        self._n_ref = [one.n_ref for one in asked]
        self._alpha = np.array([one.alpha for one in asked])
        self._unclear = np.array([bool(off) or one.n_ref == 0 for one in asked], dtype=np.bool_)
        self._scale = scale
        self._floor = floor
        self._off = off

    def drifting(self, numbers: Numbers) -> list[tuple[int, int]]:
        """The (window, test)s that drift."""
        if self._off:
            return []
        places = np.argwhere((numbers.p_value <= self._alpha) & (numbers.effect > self._floor))
        return [(window, test) for window, test in places.tolist()]

    def tell(self, numbers: Numbers, values: Values) -> list[list[Measurement]]:
        """Of each window its K measurements; `values` of those that drift."""
        windows, tests = numbers.effect.shape
        needed = np.maximum(numbers.threshold, self._floor)
        empty = numbers.n_cur == 0
        unclear = empty | (numbers.threshold >= 1.0) | self._unclear
        cleared = (numbers.effect < CLEAR * needed) & ~empty
        size = windows * tests
        verdicts, reasons = [Verdict.OK] * size, [""] * size
        more: list[Mapping[str, float]] = [NO_VALUES] * size
        for (window, test), told in values.items():
            verdicts[window * tests + test] = Verdict.DRIFT
            more[window * tests + test] = told
        for at in np.flatnonzero(unclear).tolist():
            verdicts[at] = Verdict.CANNOT_TELL
            reasons[at] = self._why(numbers, at)
        columns = zip(
            self._checks * windows,
            self._features * windows,
            repeat(self._scale),
            verdicts,
            numbers.statistic.ravel().tolist(),
            numbers.effect.ravel().tolist(),
            numbers.threshold.ravel().tolist(),
            numbers.p_value.ravel().tolist(),
            self._n_ref * windows,
            numbers.n_cur.ravel().tolist(),
            numbers.n_effective.ravel().tolist(),
            needed.ravel().tolist(),
            cleared.ravel().tolist(),
            repeat(False),
            reasons,
            more,
            strict=False,
        )
        told_all = list(map(Measurement._make, columns))
        return [told_all[at * tests : (at + 1) * tests] for at in range(windows)]

    def _why(self, numbers: Numbers, at: int) -> str:
        if self._off:
            return self._off
        if numbers.n_cur.flat[at] == 0:
            return "no event of the window has a value"
        if self._n_ref[at % len(self._n_ref)] == 0:
            return "the reference has no value"
        worth = float(numbers.n_effective.flat[at])
        return f"the window is worth {worth:.1f} independent observations: too few"

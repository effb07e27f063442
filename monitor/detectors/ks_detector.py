"""The windowed KS test behind River's detector interface.

In: one number after the other. Out: `drift_detected`. Never: another KS than the battery's.
"""

from collections import deque

import numpy as np
from river.base import DriftDetector

from monitor.detectors.ks import CdfTables, ks_p_values
from monitor.detectors.window_distances import ks_distances
from monitor.sketches.number import NumberReference


class KSDetector(DriftDetector):
    """Kolmogorov-Smirnov drift detector on a sliding window against a fixed reference.

    The first `reference_size` values are the reference; then the last `window_size` values are
    compared with it every quarter of a window. After a drift it begins again with a new reference.

    **Blind to** order inside the window, and to dependence: it takes values as independent. In the
    pipeline `Battery` runs the same test with a design effect learnt from the reference.

    **Cost**: about 0.1 us a value past its comparison, 2 bytes a kept value.

    Parameters
    ----------
    alpha
        Chance of a false drift per comparison, 0 to 1.
    window_size
        Values compared, at least 8.
    reference_size
        Values taken as the reference, at least 8.
    floor
        Smallest KS distance that counts as drift, 0 to 1.

    Examples
    --------

    >>> import random
    >>> rng = random.Random(12)
    >>> detector = KSDetector()
    >>> for i in range(3_000):
    ...     detector.update(rng.gauss(0.0 if i < 2_000 else 1.0, 1.0))
    ...     if detector.drift_detected:
    ...         print(i)
    2124

    References
    ----------
    [^1]: Kifer, Ben-David, Gehrke (2004), Detecting change in data streams, VLDB.

    """

    def __init__(
        self,
        alpha: float = 1e-4,
        window_size: int = 500,
        reference_size: int = 1_000,
        floor: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is {alpha}: it must lie between 0 and 1")
        if window_size < 8 or reference_size < 8:
            raise ValueError(
                f"window_size {window_size} and reference_size {reference_size} must be at least 8"
            )
        self.alpha = alpha
        self.window_size = window_size
        self.reference_size = reference_size
        self.floor = floor
        self._reset()

    def _reset(self) -> None:
        super()._reset()
        self._first: list[float] = []
        self._reference: NumberReference | None = None
        self._tables: CdfTables | None = None
        self._window: deque[float] = deque(maxlen=self.window_size)
        self._seen = 0
        self.d = 0.0
        self.p_value = 1.0

    def update(self, x: float) -> None:
        """Take in one value; `drift_detected` tells whether it proved a drift."""
        if self.drift_detected:
            self._reset()
        if self._reference is None or self._tables is None:
            self._first.append(float(x))
            if len(self._first) == self.reference_size:
                self._reference = NumberReference.from_values("x", np.array(self._first))
                self._tables = CdfTables.of([self._reference], buckets=1)
                self._first = []
            return
        self._window.append(float(x))
        self._seen += 1
        if self._seen < self.window_size or self._seen % max(self.window_size // 4, 1):
            return
        codes = self._reference.codes(np.array(self._window))[None, :]
        d, n = ks_distances(codes, self._tables)
        size = 1.0 / (1.0 / np.maximum(n, 1) + 1.0 / max(self._reference.n, 1))
        self.d = float(d[0])
        self.p_value = float(ks_p_values(d, size, np.array([np.inf]))[0])
        self._drift_detected = self.p_value <= self.alpha and self.d > self.floor

"""Is traffic shared as it was meant to be? A sequential test of the sample ratio.

In: how many requests each version answered. Out: evidence against the intended shares. Never: a
comparison of outcomes: a wrong split spoils them, whatever they say.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from scipy.special import gammaln

from monitor.events import Float64, Int64
from monitor.findings import Measurement, Verdict

ALPHA: Final = 0.001
STRENGTH: Final = 1_000.0
"""How near to the intended shares the alternatives lie: about 1 / sqrt(STRENGTH)."""


class SplitCheck:
    """Sequential multinomial test (Dirichlet mixture) of the shares of versions.

    Parameters
    ----------
    shares
        Version to its intended share of the live traffic.
    alpha
        Chance of a false alarm, over all looks together.

    **Blind to** an assignment with the right shares that depends on the request.

    **Cost**: a few logarithms a cohort.

    >>> check = SplitCheck({"1": 0.5, "2": 0.5})
    >>> check.add({"1": 5_050, "2": 4_950}).verdict.value
    'ok'
    >>> check.add({"1": 5_600, "2": 4_900}).verdict.value
    'drift'

    Lindon and Malek (2022), Anytime-valid inference for multinomial count data.
    """

    def __init__(self, shares: Mapping[str, float], alpha: float = ALPHA) -> None:
        self.shares = dict(shares)
        """As they were given."""
        self._versions = tuple(sorted(shares))
        found = np.array([shares[version] for version in self._versions], np.float64)
        self._shares: Float64 = found / found.sum()
        self._alpha = alpha
        self._counts: Int64 = np.zeros(len(self._versions), np.int64)

    def add(self, counts: Mapping[str, int]) -> Measurement:
        """Take the counts of a cohort; other versions are none of the split."""
        new = [counts.get(version, 0) for version in self._versions]
        self._counts = self._counts + np.array(new, np.int64)
        n = int(self._counts.sum())
        prior = STRENGTH * self._shares
        log_mixture = float(
            gammaln(prior.sum())
            - gammaln(prior.sum() + n)
            + (gammaln(prior + self._counts) - gammaln(prior)).sum()
        )
        evidence = log_mixture - float((self._counts * np.log(self._shares)).sum())
        observed = self._counts / max(n, 1)
        effect = float(np.abs(observed - self._shares).max()) if n else 0.0
        found = evidence >= -np.log(self._alpha)
        meant = ", ".join(
            f"{version}: {share:.1%} of {wanted:.1%}"
            for version, share, wanted in zip(self._versions, observed, self._shares, strict=True)
        )
        return Measurement(
            check="sample_ratio",
            feature="",
            scale=0,
            verdict=Verdict.DRIFT if found else Verdict.OK,
            statistic=evidence,
            effect=effect,
            threshold=0.0,
            p_value=float(min(1.0, np.exp(-evidence))),
            n_ref=0,
            n_cur=n,
            n_effective=float(n),
            smallest_visible=float(np.sqrt(2.0 * -np.log(self._alpha) / max(n, 1)) / 2.0),
            cleared=not found,
            immediate=found,
            reason=f"versions do not answer their shares of the traffic ({meant})" if found else "",
        )

    def state(self) -> Int64:
        """The counts so far."""
        return self._counts

    def restore(self, state: Any) -> None:
        """Take up `state`."""
        self._counts = np.array(state, np.int64)

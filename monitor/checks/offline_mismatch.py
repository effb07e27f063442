"""Offline mismatch: serving logged one value, the training pipeline computes another.

In: per feature, the values that were logged and those that came back with the labels
(`offline_features`) for the same events. Out: one measurement a feature. Never: the join itself;
whoever matches labels with predictions hands the pairs over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.checks.shares import Usual
from monitor.errors import ConfigError
from monitor.events import Bool, Float64
from monitor.findings import Measurement, Verdict

TOLERATED: Final = 0.01
"""Share of mismatches that late corrections alone may cause."""
FLOOR: Final = 0.02
RELATIVE: Final = 1e-6
ABSOLUTE: Final = 1e-9
MIN_PAIRS: Final = 50
CLEAR: Final = 0.6


@dataclass(frozen=True, slots=True)
class Pairs:
    """One feature of the same events, as logged and as computed offline.

    Either float64[n] with NaN for null, or texts with None for null. Events whose label brought no
    value of the feature are left out.
    """

    feature: str
    logged: Float64 | Sequence[str | None]
    offline: Float64 | Sequence[str | None]

    def __post_init__(self) -> None:
        if len(self.logged) != len(self.offline):
            raise ConfigError(
                f"{self.feature}: {len(self.logged)} logged values and {len(self.offline)} offline "
                "ones cannot be compared in pairs"
            )


def mismatches(pairs: Pairs, *, relative: float = RELATIVE, absolute: float = ABSOLUTE) -> Bool:
    """bool[n]: where the two differ; numbers by more than a tolerance, null equals only null.

    >>> logged, offline = np.array([1.0, 2.0, np.nan]), np.array([1.0, 2.5, np.nan])
    >>> mismatches(Pairs("temp", logged, offline)).tolist()
    [False, True, False]
    >>> mismatches(Pairs("plan", ["a", None, "b"], ["a", "b", "b"])).tolist()
    [False, True, False]
    """
    logged, offline = pairs.logged, pairs.offline
    if isinstance(logged, np.ndarray) and isinstance(offline, np.ndarray):
        return ~np.isclose(logged, offline, rtol=relative, atol=absolute, equal_nan=True)
    return np.array([one != other for one, other in zip(logged, offline, strict=True)], np.bool_)


def offline_mismatches(
    all_pairs: Sequence[Pairs],
    *,
    per_look: float,
    tolerances: Mapping[str, float] | None = None,
) -> list[Measurement]:
    """One measurement for each feature of a cohort of labelled events.

    Parameters
    ----------
    all_pairs
        The features that labels brought.
    per_look
        Chance of a false alarm that this look may take, shared among the features.
    tolerances
        Feature to the relative difference that counts as equal; 1e-6 where it is not named.

    A feature is raised where its rate of mismatches is above 1 % by more than 2 points, beyond what
    chance gives. **Blind to** features that labels do not bring, and to a mistake that serving and
    training share. **Cost**: 0.02 us a pair of numbers.

    >>> logged = np.arange(200.0)
    >>> [found] = offline_mismatches([Pairs("temp", logged, logged * 1.8 + 32)], per_look=1e-4)
    >>> found.verdict.value, found.feature, found.effect
    ('drift', 'temp', 0.99)
    """
    tolerances = tolerances or {}
    alpha = per_look / max(len(all_pairs), 1)
    return [
        _measured(pairs, mismatches(pairs, relative=tolerances.get(pairs.feature, RELATIVE)), alpha)
        for pairs in all_pairs
    ]


def _measured(pairs: Pairs, differ: Bool, alpha: float) -> Measurement:
    n, usual = differ.size, Usual(TOLERATED, 0.0, 1.0)
    rate = float(differ.mean()) if n else 0.0
    effect = rate - TOLERATED
    needed = max(usual.threshold(n, alpha) - TOLERATED, FLOOR) if n else 1.0
    found = effect > needed
    verdict = Verdict.DRIFT if found else Verdict.OK
    return Measurement(
        check="offline_mismatch",
        feature=pairs.feature,
        scale=n,
        verdict=verdict if n >= MIN_PAIRS else Verdict.CANNOT_TELL,
        statistic=rate,
        effect=effect,
        threshold=needed,
        p_value=usual.p_value(rate, n),
        n_ref=n,
        n_cur=n,
        n_effective=float(n),
        smallest_visible=needed,
        cleared=effect < CLEAR * needed,
        immediate=found,
        reason=(
            f"{pairs.feature}: {rate:.1%} of {n:,} logged values differ from what the training "
            f"pipeline computes for the same events{_apart(pairs, differ)}"
        ),
        values={"mismatch_rate": rate},
    )


def _apart(pairs: Pairs, differ: Bool) -> str:
    """An example, and by how much numbers differ."""
    if not differ.any():
        return ""
    first = int(np.argmax(differ))
    return f": first {pairs.logged[first]} against {pairs.offline[first]}"

"""Thresholds of the sequential detectors: from the budget and the reference's own dependence.

In: the profile, the score tables, the budget's share. Out: heights in nats, infinite where a
detector cannot keep its share. Never: a stream.
"""

import numpy as np

from monitor.detectors.budget import Share
from monitor.detectors.mixture_cusum import independent_thresholds
from monitor.detectors.scores import ScoreTables
from monitor.events import Float64
from monitor.sketches.profile import Profile


def sequential_thresholds(
    profile: Profile, tables: ScoreTables, share: Share, *, on: bool
) -> Float64:
    """float64[F, K]: height of every sum that its share of the budget allows."""
    information = tables.information
    if not on or share.per_test <= 0:
        return np.full(information.shape, np.inf)
    independent = independent_thresholds(np.full(information.shape, share.per_test), information)
    heights: Float64 = independent * profile.calibration.sequential_effect
    return heights

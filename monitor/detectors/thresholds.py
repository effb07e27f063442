"""Thresholds of the sequential detectors: from the budget and the reference's own dependence.

In: the profile, the score tables, the budget's share. Out: heights in nats, infinite where a
detector cannot keep its share or would be slower than the windows. Never: a stream.
"""

from dataclasses import replace

import numpy as np

from monitor.detectors.budget import Share
from monitor.detectors.scores import ALTERNATIVES, ScoreTables
from monitor.events import Float64
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile

OVERSHOOT = 0.583
"""Siegmund's correction: a sum passes its threshold by this many standard deviations of a step."""
FREAK = 5.0
"""Nats by which the reference's own peak may pass what its length makes likely."""


def sequential_thresholds(
    profile: Profile, tables: ScoreTables, share: Share, *, slowest: int
) -> tuple[Float64, Share]:
    """float64[F, K]: height of every sum; and the share with the number of sums that run.

    A sum that would take more than `slowest` events to see its own alternative is switched off
    and leaves its part of the budget to the others.
    """
    information = np.maximum(tables.information, 1e-12)
    on = tables.ratio_variance > 0
    heights = np.full(on.shape, np.inf)
    weights = np.broadcast_to([alternative.weight for alternative in ALTERNATIVES], on.shape)
    for _ in range(on.size):
        share = replace(share, tests=int(on.sum()))
        if not on.any() or share.false_alarms_per_event <= 0:
            return np.full(on.shape, np.inf), replace(share, tests=0)
        parts = weights / weights[on].sum() * share.false_alarms_per_event
        heights = np.where(on, _heights(profile, tables, parts, slowest), np.inf)
        quick = heights <= slowest * information
        if quick[on].all():
            break
        on = on & quick
    return heights, share


def _heights(profile: Profile, tables: ScoreTables, rate: Float64, slowest: int) -> Float64:
    """Heights that are passed at `rate` (float64[F, K], per event), over references and streams.

    Without drift the chance of a height h goes as exp(-w h), w = 1 for independent rows, because
    the scores are likelihood ratios, and w = 1 / phi under a design effect phi. Neither is known
    exactly: w has the error of the reference's own sample, phi that of its estimate. Averaging
    exp(-w h) over both gives H = w h - v h^2 / 2 in place of H = w h; where no h solves it, the
    reference is too small to promise that rate.
    """
    calibration = profile.calibration
    effect, error = _widened(calibration.sequential_effect, calibration.sequential_error)
    information = np.maximum(tables.information, 1e-12)
    n_rows = np.array([[max(column.n_rows, 1)] for column in profile.columns], dtype=np.float64)
    n = np.array([[max(column.sample_for(slowest), 1.0)] for column in profile.columns])
    sampling = effect / n_rows + np.maximum(1.0 / n - 1.0 / n_rows, 0.0)
    exponent = 1.0 / effect
    doubt = exponent**2 * tables.ratio_variance * sampling / information**2
    doubt += (exponent * error) ** 2
    steps = information * np.exp(-2 * OVERSHOOT * np.sqrt(2 * information)) / effect
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.maximum(np.log(steps) - np.log(rate), 1.0)
        room = exponent**2 - 2.0 * doubt * needed
        heights = 2.0 * needed / (exponent + np.sqrt(room))
        # What the reference itself reached, where its length does not explain it.
        usual = np.maximum(np.log(n_rows * steps), 1.0)
        freak = calibration.sequential_peak * exponent > usual + FREAK
    heights = np.where(room >= 0, heights, np.inf)
    return np.where(
        freak, np.maximum(heights, calibration.sequential_peak * needed / usual), heights
    )


def _widened(effect: Float64, error: Float64) -> tuple[Float64, Float64]:
    """Design effects with which each alternative is judged: a spread takes the column's largest.

    A sum of squares of dependent values has a heavier tail than its variance tells: for normal
    values with autocorrelation .9 the variance says 9.5, the tail 14, and the shifts' 19 covers it.
    """
    largest = np.argmax(effect, axis=1)[:, None]
    spread = np.array([alternative.spread != 1.0 for alternative in ALTERNATIVES])
    return (
        np.where(spread, np.take_along_axis(effect, largest, axis=1), effect),
        np.where(spread, np.take_along_axis(error, largest, axis=1), error),
    )


def words(profile: Profile, heights: Float64, row: int, slowest: int) -> tuple[bool, str]:
    """Whether a column's sequential detector runs, and what it can see or why it does not."""
    name, effect = profile.names[row], float(profile.calibration.sequential_effect[row].max())
    on = np.isfinite(heights[row])
    moves = [a.name for a, runs in zip(ALTERNATIVES, on, strict=True) if runs and not a.missing]
    if moves:
        return True, f"{name} is watched event by event for: {', '.join(moves)}"
    if not isinstance(profile.columns[row], NumberReference):
        return bool(on.any()), f"{name} has no order: only its missing rate is watched by event"
    missing = "only its missing rate is" if on.any() else "it is not"
    return False, (
        f"{name}: {missing} watched event by event: its rows depend on each other so much (sums "
        f"vary {effect:.0f} times as much as of independent rows) that an alarm within its share "
        f"of the budget would take longer than a window of {slowest} events"
    )

"""History re-tested from summaries: the summary's error enters the decision."""

import numpy as np
import pytest
from scipy import stats

from monitor.detectors.retest import retest
from monitor.findings import Verdict
from monitor.sketches.kll import KllSummary
from monitor.sketches.number import NumberReference


def _merged(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> KllSummary:
    summary = KllSummary()
    for start in range(0, values.size, 250):
        summary.merge(KllSummary(values[start : start + 250]))
    return summary


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, Verdict.OK), (0.5, Verdict.DRIFT)])
def test_merged_panes_give_the_distance_within_their_error(shift: float, verdict: Verdict) -> None:
    rng = np.random.default_rng(2)
    reference = rng.normal(size=10_000)
    values = rng.normal(shift, 1.0, 4_000)
    found = retest(
        _merged(values), NumberReference.from_values("x", reference), alpha=1e-6, design_effect=2.0
    )
    exact = stats.ks_2samp(values, reference).statistic
    # The summary's error holds with 99 %; twice of it leaves no flake.
    assert abs(found.d - exact) <= 2 * found.error
    assert found.verdict is verdict


def test_a_distance_within_the_error_of_the_threshold_cannot_be_told() -> None:
    rng = np.random.default_rng(3)
    column = NumberReference.from_values("x", rng.normal(size=10_000))
    values = rng.normal(0.1, 1.0, 8_000)  # D = 0.04; critical 0.042
    found = retest(_merged(values), column, alpha=1e-6)
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.error > 0.01


def test_nothing_cannot_be_told() -> None:
    column = NumberReference.from_values("x", np.array([1.0]))
    assert retest(KllSummary(), column, alpha=0.01).verdict is Verdict.CANNOT_TELL

"""Design effects learnt from a reference, against known ones."""

import numpy as np
import pytest

from monitor.detectors.blocks import block_starts, rate_effect
from monitor.detectors.dependence import dependence
from schemas.model import Monitoring
from tests.detectors.streams import named, normal, profile_of

ONE_SCALE = Monitoring(scales=(1_000,))


@pytest.mark.parametrize("rho", [0.5, 0.8, 0.9, 0.95])
def test_long_run_variance_of_an_autoregression(rho: float) -> None:
    true = (1 + rho) / (1 - rho)
    found = [
        dependence(normal(np.random.default_rng(seed), 20_000, 1, rho)[0]) for seed in range(10)
    ]
    # Each has a relative error near `error`; the mean of ten is within one of them.
    error = float(np.mean([one.error for one in found]))
    assert np.mean([one.effect for one in found]) == pytest.approx(true, rel=max(error, 0.05))
    assert 0.0 < error < 0.25


def test_independent_rows_have_an_effect_of_one() -> None:
    effects = [
        dependence(np.random.default_rng(seed).normal(size=20_000)).effect for seed in range(40)
    ]
    # An autocorrelation above 2 standard errors adds at least 0.028; one seed in 40 expected.
    assert np.median(effects) == 1.0
    assert np.mean(effects) < 1.02
    assert max(effects) < 1.3


def test_a_season_is_seen_though_its_correlations_cancel() -> None:
    t = np.arange(20_000)
    noise = np.random.default_rng(0).normal(size=t.size)
    daily = dependence(noise + 2.0 * np.sin(2 * np.pi * t / 900))
    assert daily.effect > 30
    assert daily.peak > 400


@pytest.mark.parametrize(("rho", "low", "high"), [(0.0, 1.0, 2.0), (0.9, 9.0, 20.0)])
def test_design_effect_of_the_ks_distance(rho: float, low: float, high: float) -> None:
    # Of normal values with autocorrelation .9: 13 at the median, where the mean's is 19.
    effects = [
        profile_of(
            named(normal(np.random.default_rng(seed), 20_000, 2, rho)), None, ONE_SCALE
        ).calibration.design_effect
        for seed in range(6)
    ]
    assert low <= np.median(effects) <= high
    assert np.min(effects) >= 1.0


def test_rows_in_runs_cost_what_the_runs_are_long() -> None:
    hit = np.repeat(np.random.default_rng(1).random(4_000) < 0.1, 10)
    effect, certainty = rate_effect(hit, block_starts(hit.size, 1_000), 1_000)
    assert 5 < effect < 20
    assert certainty == 40


def test_scales_with_fewer_than_five_blocks_are_not_measured() -> None:
    rng = np.random.default_rng(0)
    monitoring = Monitoring(scales=(1_000, 4_000))
    calibration = profile_of(
        named(normal(rng, 6_000, 2)), {"c": rng.choice(["a", "b"], 6_000).tolist()}, monitoring
    ).calibration
    assert calibration.blocks.tolist() == [6, 1]
    assert not np.isnan(calibration.design_effect[:, 0]).any()
    assert np.isnan(calibration.design_effect[:, 1]).all()
    assert calibration.place_of(4_000) == 1
    assert calibration.place_of(2_000) == -1

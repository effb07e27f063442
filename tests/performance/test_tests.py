"""The sequential tests and the tests of labels: quiet when nothing is wrong, awake when it is."""

import numpy as np
import pytest

from monitor.events import Bool, Float64
from monitor.findings import Measurement, Verdict
from monitor.packing import pack, unpack
from monitor.performance.betting import BettingDetector
from monitor.performance.coverage import (
    WINDOW_ROWS,
    CoverageWatch,
    labels_stopped,
    missing_at_random,
)
from monitor.performance.delays import DelayCurve
from monitor.performance.rows import CohortRows
from monitor.performance.skill import SkillWatch
from tests.performance.events import HOUR_US


def found(said: list[Measurement]) -> set[str]:
    return {one.check for one in said if one.verdict is Verdict.DRIFT}


def test_bets_keep_the_promised_distance_between_false_alarms() -> None:
    # Means of zero, skewed and dependent in spread: at least 500 blocks to a false alarm on
    # average, so in 80 runs of 500 blocks fewer than 1 - 1/e of them alarm: 63 % + 3 errors.
    rng = np.random.default_rng(7)
    alarmed = 0
    for _ in range(80):
        detector = BettingDetector(blocks_between_alarms=500, floor=0.0)
        spread = 1.0 + np.sin(np.arange(500) / 20)
        blocks = (rng.exponential(1.0, 500) - 1.0) * spread / 2
        alarmed += any(detector.add(float(x), bound=1.0).alarm for x in blocks)
    assert alarmed / 80 < 0.8


def skill_rows(rng: np.random.Generator, n: int, shift: float) -> tuple[Float64, ...]:
    """Losses of a model whose probabilities lie `shift` below the truth, beside a prior's."""
    p = rng.uniform(0.1, 0.6, n)
    truth = (rng.random(n) < p).astype(np.float64)
    said = np.clip(p - shift, 0.01, 0.99)
    loss = -np.log(np.where(truth > 0, said, 1 - said))
    base = -np.log(np.where(truth > 0, 0.35, 0.65))
    return loss, base, np.full(n, -np.log(0.35)), truth - said


def test_a_model_that_loses_to_its_baseline_is_found_and_a_good_one_is_not() -> None:
    rng = np.random.default_rng(1)
    watch = SkillWatch()
    for _ in range(60):
        assert found(watch.add(*skill_rows(rng, 930, 0.0))) == set()
    checks: set[str] = set()
    for _ in range(10):
        saved = watch.state()
        watch = SkillWatch()
        watch.restore(unpack(pack(saved)))
        checks |= found(watch.add(*skill_rows(rng, 930, 0.3)))
    assert checks == {"worse_than_baseline", "calibration"}


def test_a_model_that_knows_the_label_is_too_good() -> None:
    rng = np.random.default_rng(2)
    watch = SkillWatch()
    loss, base, most, _ = skill_rows(rng, 3_000, 0.0)
    said = watch.add(np.full(3_000, 0.005), base, most, np.full(3_000, np.nan))
    assert found(said) == {"too_good"}
    assert found(SkillWatch().add(loss, base, most, np.full(3_000, np.nan))) == set()


def waves(rng: np.random.Generator, n: int) -> Float64:
    """Features that wander slowly, as weather does, and one that does not."""
    steps = np.cumsum(rng.normal(size=(n // 50, 2)), axis=0).repeat(50, axis=0)
    return np.column_stack((steps, rng.normal(size=n)))


def test_labels_missing_at_random_are_called_biased_as_seldom_as_promised() -> None:
    # One in a hundred by chance, over single rows and outages of 40: 200 windows, 2 expected,
    # more than 8 has a chance of 1 in 4,000.
    rng = np.random.default_rng(3)
    called = 0
    for k in range(200):
        x = waves(rng, 2_000)
        lost = rng.random(2_000) < 0.03
        if k % 2:
            lost = np.zeros(2_000, np.bool_)
            for begin in rng.integers(0, 1_960, 3).tolist():
                lost[begin : begin + 40] = True
        called += missing_at_random(x, lost, ("a", "b", "c"))[0] <= 0.01
    assert called <= 8


def cohort(
    features: Float64, labelled: Bool, *, start_us: int = 0, delay_us: int = HOUR_US
) -> CohortRows:
    n = len(labelled)
    zeros = np.zeros(n, np.int64)
    occurred = start_us + np.arange(n, dtype=np.int64)
    return CohortRows(
        versions=("1",),
        offset=np.arange(n),
        occurred_us=occurred,
        version=zeros,
        live=zeros + 1,
        request=zeros,
        answer=np.zeros(n),
        score=np.full(n, 0.5),
        scores=np.zeros((n, 0)),
        features=features,
        truth=np.where(labelled, 0.0, np.nan),
        observed_us=np.where(labelled, occurred + delay_us, 0),
        corrections=zeros,
        repeats=zeros,
    )


def test_labels_missing_for_a_part_of_the_traffic_are_biased_and_the_part_is_named() -> None:
    rng = np.random.default_rng(4)
    watch = CoverageWatch(("wind", "rain", "noise"))
    said: list[Measurement] = []
    cohorts: list[CohortRows] = []
    for _ in range(5):
        x = waves(rng, WINDOW_ROWS // 5)
        storm = x[:, 2] > 1.5
        lost = storm & (rng.random(len(x)) < 0.5)
        cohorts.append(cohort(x, ~lost))
        said += watch.add(cohorts[-1], HOUR_US * 24)
        again = CoverageWatch(("wind", "rain", "noise"))
        again.restore(unpack(pack(watch.state())))
        again.refill(cohorts, watch.pending_rows)
        watch = again
    [biased] = [one for one in said if one.check == "labels_biased"]
    assert biased.verdict is Verdict.DRIFT
    assert max(biased.values, key=lambda name: abs(biased.values[name])) == "noise"


def test_fewer_and_slower_labels_are_found() -> None:
    rng = np.random.default_rng(5)
    watch = CoverageWatch(())
    nothing = np.zeros((1_000, 0))
    for _ in range(10):
        said = watch.add(cohort(nothing, rng.random(1_000) < 0.95), HOUR_US * 24)
        assert found(said) == set()
    assert found(watch.add(cohort(nothing, rng.random(1_000) < 0.6), HOUR_US * 24)) == {
        "labels_missing"
    }
    slow = [
        watch.add(cohort(nothing, rng.random(1_000) < 0.95, delay_us=9 * HOUR_US), HOUR_US * 24)
        for _ in range(2)
    ]
    assert [found(said) for said in slow] == [set(), {"labels_slow"}]


def test_labels_that_stop_are_found_by_the_clock() -> None:
    curve = DelayCurve()
    curve.add(np.full(100, HOUR_US), np.zeros(0, np.int64))
    assert labels_stopped(10 * HOUR_US, 9 * HOUR_US, curve).verdict is Verdict.OK
    assert labels_stopped(10 * HOUR_US, 5 * HOUR_US, curve).verdict is Verdict.DRIFT


def test_the_delay_curve_is_kaplan_and_meiers() -> None:
    rng = np.random.default_rng(6)
    delay = rng.exponential(10 * HOUR_US, 20_000)
    age = rng.uniform(0, 40 * HOUR_US, 20_000)
    seen = delay <= age
    curve = DelayCurve()
    curve.add(delay[seen].astype(np.int64), age[~seen].astype(np.int64))
    for hours in (5, 10, 20):
        assert curve.share_after(hours * HOUR_US) == pytest.approx(
            1 - np.exp(-hours / 10), abs=0.07
        )
    naive = float((delay[seen] <= 10 * HOUR_US).mean())
    assert abs(naive - (1 - np.exp(-1))) > 0.1  # what leaving out the waiting ones would say
    halves = [DelayCurve(), DelayCurve()]
    for part, one in zip((slice(0, 10_000), slice(10_000, None)), halves, strict=True):
        one.add(delay[part][seen[part]].astype(np.int64), age[part][~seen[part]].astype(np.int64))
    np.testing.assert_array_equal(halves[0].merged(halves[1]).shares(), curve.shares())


@pytest.mark.parametrize("n", [0, 1])
def test_next_to_nothing_says_nothing(n: int) -> None:
    watch = CoverageWatch(("a",))
    said = watch.add(cohort(np.full((n, 1), np.nan), np.zeros(n, np.bool_)), HOUR_US)
    assert found(said) == set()
    nothing = np.zeros(n)
    assert found(SkillWatch().add(nothing, nothing, nothing + 1.0, nothing)) == set()

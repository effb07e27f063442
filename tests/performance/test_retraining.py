"""Retraining: due for drift with a loss that could be saved, for neither of them alone."""

import numpy as np
import pytest

from monitor.findings import Measurement, Verdict
from monitor.packing import pack, unpack
from monitor.performance.drifts import Drift, DriftLog
from monitor.performance.recalibration import Recalibration
from monitor.performance.recent import RecentRows
from monitor.performance.retraining import CLEAR_COHORTS, TRAINING_ROWS, RetrainWatch
from tests.performance.labelled_rows import binary_rows

DAY_US = 86_400_000_000
PER_DAY = 500
CHANGE = 20
"""Day from which the stream is another one."""


def days(
    seed: int, *, drift: bool, loss: bool, restarts: bool = False, count: int = 60
) -> list[Measurement]:
    """What is said at the end of each day."""
    rng = np.random.default_rng(seed)
    recent, watch, log = RecentRows(features=1), RetrainWatch("binary", 3_000.0), DriftLog()
    said = []
    for day in range(count):
        changed = day >= CHANGE
        p = rng.beta(2, 5, PER_DAY)
        score = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + 1.2))) if changed and loss else p
        rows = binary_rows(rng, score, p, [np.zeros(PER_DAY, np.int64)])
        if changed and drift and day == CHANGE + 1:
            log.fired("f", "temp", CHANGE * DAY_US, day * DAY_US)
        most = np.full(PER_DAY, -np.log(0.3))
        watch.gain.add(recent.rows, rows, most)
        recent.add(rows)
        end_us = (day + 1) * DAY_US
        said.append(watch.close(day * DAY_US, end_us, PER_DAY, log.on(end_us)))
        if restarts:
            again = RetrainWatch("binary", 3_000.0)
            again.restore(unpack(pack(watch.state())))
            watch = again
            saved = unpack(pack(log.state()))
            log = DriftLog()
            log.restore(saved)
    return said


def first_due(said: list[Measurement]) -> int | None:
    return next((day for day, one in enumerate(said) if one.verdict is Verdict.DRIFT), None)


def test_drift_with_a_loss_that_a_recalibration_saves_makes_it_due_within_days() -> None:
    for seed in range(5):
        said = days(seed, drift=True, loss=True)
        first = first_due(said)
        assert first is not None
        assert CHANGE < first <= CHANGE + 8
        due = said[first]
        assert due.immediate
        assert due.effect >= due.threshold
        assert "temp drifted" in due.reason
        assert due.values["window_from_us"] <= CHANGE * DAY_US
        assert due.values["window_rows"] >= TRAINING_ROWS


def test_drift_without_loss_and_loss_without_drift_make_none_due() -> None:
    # Bets at 3,000 blocks between alarms, 300 blocks a run: of 6 runs at most .6 alarms of the bets
    # alone are to be expected, and the floor is above all of them.
    for seed in range(6):
        assert first_due(days(seed, drift=True, loss=False)) is None
        assert first_due(days(seed, drift=False, loss=True, count=40)) is None


def test_the_expected_gain_is_that_of_the_true_probabilities() -> None:
    rng = np.random.default_rng(9)
    p = rng.beta(2, 5, 200_000)
    score = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + 1.2)))
    cells = [np.zeros(len(p), np.int64)]
    honest = binary_rows(np.random.default_rng(1), p, p, cells)
    shifted = binary_rows(np.random.default_rng(1), score, p, cells)
    truth = shifted.loss.mean() - honest.loss.mean()
    # Told of 2,000 rows whose gain spreads by .6: 95 % lie within .03, of 12 means within .008.
    last = [days(seed, drift=True, loss=True, count=40)[-1] for seed in range(12)]
    assert np.mean([one.values["expected_gain"] for one in last]) == pytest.approx(truth, abs=0.012)
    # Of 12 intervals of 95 % .6 miss; 4 or more with a chance of .2 %.
    covered = [
        one.values["expected_gain_low"] < truth < one.values["expected_gain_high"] for one in last
    ]
    assert sum(covered) >= 9


def test_drift_is_taken_as_of_the_cohorts_end_however_often_it_is_told() -> None:
    log = DriftLog()
    for _ in range(2):
        log.fired("f", "temp", 0, DAY_US)
        log.ended("f", 3 * DAY_US)
        log.fired("f", "temp", 4 * DAY_US, 5 * DAY_US)
    assert [one.name for one in log.on(2 * DAY_US)] == ["temp"]
    assert log.on(DAY_US - 1) == []
    assert log.on(3 * DAY_US) == []
    assert [one.starts_us for one in log.on(6 * DAY_US)] == [4 * DAY_US]
    watch = RetrainWatch("binary", 3_000.0)
    watch.gain.risen = True
    assert watch.close(0, 3 * DAY_US, 10, log.on(3 * DAY_US)).verdict is Verdict.OK


def test_a_drift_that_comes_and_goes_asks_for_one_retraining() -> None:
    log = DriftLog()
    log.fired("f", "temp", 0, DAY_US)
    log.ended("f", 3 * DAY_US)
    watch = RetrainWatch("binary", 3_000.0)
    watch.gain.risen = True
    watch.restore({**watch.state(), "due": True})  # it has been found due before
    said = []
    for day in range(1, 3 + CLEAR_COHORTS):
        if day == 4:
            again, watch = watch, RetrainWatch("binary", 3_000.0)
            watch.restore(again.state())
        said.append(watch.close(day * DAY_US, (day + 1) * DAY_US, 10, log.on(day * DAY_US)))
    assert [one.verdict is Verdict.DRIFT for one in said[:4]] == [True, True, False, False]
    assert [one.cleared for one in said] == [False] * (1 + CLEAR_COHORTS) + [True]


def test_a_restart_changes_nothing() -> None:
    assert repr(days(2, drift=True, loss=True, restarts=True, count=40)) == repr(
        days(2, drift=True, loss=True, count=40)
    )


def test_the_window_reaches_from_the_change_to_now_or_as_far_back_as_is_needed() -> None:
    watch = RetrainWatch("binary", 3_000.0)
    for day in range(30):
        watch.close(day * DAY_US, (day + 1) * DAY_US, 1_000, [])
    long = watch.window(10 * DAY_US, 30 * DAY_US)
    assert (long.from_us, long.rows, long.enough) == (10 * DAY_US, 20_000, True)
    short = watch.window(29 * DAY_US, 30 * DAY_US)
    assert (short.from_us, short.rows, short.enough) == (25 * DAY_US, TRAINING_ROWS, True)
    young = RetrainWatch("binary", 3_000.0)
    young.close(0, DAY_US, 1_000, [])
    assert not young.window(0, DAY_US).enough


def test_without_labels_the_references_calibration_tells_what_could_be_saved() -> None:
    rng = np.random.default_rng(4)
    watch = RetrainWatch("binary", 3_000.0)
    drifts = [Drift("s", "score", 0, 0)]
    p = rng.beta(2, 5, 5_000)
    score = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + 1.2)))
    for day in range(20):
        watch.gain.estimate(p, p, 0.3)
        assert watch.close(day * DAY_US, (day + 1) * DAY_US, 0, drifts).verdict is Verdict.OK
    for day in range(20, 40):
        watch.gain.estimate(score, p, 0.3)
        last = watch.close(day * DAY_US, (day + 1) * DAY_US, 0, drifts)
    assert last.verdict is Verdict.DRIFT
    assert "estimated without labels" in last.reason


def test_a_recalibration_of_numbers_is_a_line() -> None:
    rng = np.random.default_rng(5)
    p = rng.normal(size=3_000)
    rows = binary_rows(rng, np.full(3_000, 0.5), np.full(3_000, 0.5), [np.zeros(3_000, np.int64)])
    rows.answer[:] = p
    rows.truth[:] = 2 + 3 * p + rng.normal(0, 0.1, 3_000)
    fitted = Recalibration.fit("regression", rows)
    assert fitted.shift == pytest.approx(2, abs=0.05)
    assert fitted.slope == pytest.approx(3, abs=0.05)
    loss, _ = fitted.losses(rows)
    assert loss.mean() < 0.15
    assert Recalibration.fit("multiclass", rows).losses(rows)[0] is rows.loss

"""The baseline beside the model: learns from labels, and never from one not yet observed."""

import numpy as np
import pytest

from monitor.events import Float64
from monitor.packing import pack, unpack
from monitor.performance.baseline import Baseline, BaselineKind
from monitor.performance.cohorts import ClosedCohort, CohortRef
from monitor.performance.lookup import Looked
from monitor.performance.rows import CohortRows
from tests.performance.events import HOUR_US, answers_of, truths_of

ROWS = 600


def cohort(number: int, truth: Float64, x: Float64, delay_us: int) -> ClosedCohort:
    n = len(truth)
    zeros = np.zeros(n, np.int64)
    occurred = number * HOUR_US + np.arange(n) * (HOUR_US // n)
    rows = CohortRows(
        versions=("1",),
        offset=np.arange(n),
        occurred_us=occurred,
        version=zeros,
        live=zeros + 1,
        request=zeros,
        answer=np.full(n, np.nan),
        score=np.full(n, np.nan),
        scores=np.zeros((n, 0)),
        features=x[:, None],
        truth=truth,
        observed_us=occurred + delay_us,
        corrections=zeros,
        repeats=zeros,
    )
    return ClosedCohort(
        CohortRef(number, 0, 0),
        number * HOUR_US,
        (number + 1) * HOUR_US,
        rows,
        Looked(answers_of([]), truths_of([])),
    )


def baseline(kind: BaselineKind) -> Baseline:
    return Baseline("binary", kind, 2, (False,), np.full(2, np.nan), 0)


@pytest.mark.parametrize("kind", ["prior", "last_value", "one_rule"])
def test_a_label_is_not_known_before_it_was_observed(kind: BaselineKind) -> None:
    rng = np.random.default_rng(1)
    x = rng.random(ROWS)
    one, other = baseline(kind), baseline(kind)
    late_us = 3 * HOUR_US
    for number in range(4):
        truth = (rng.random(ROWS) < 0.3).astype(np.float64)
        changed = 1.0 - truth if number >= 1 else truth
        said = one.predict(cohort(number, truth, x, late_us))
        # Labels of cohort 1 and later are observed in hour 4 at the earliest: none can show yet.
        np.testing.assert_array_equal(said, other.predict(cohort(number, changed, x, late_us)))
        one.learn(cohort(number, truth, x, late_us))
        other.learn(cohort(number, changed, x, late_us))
    truth = np.zeros(ROWS)
    later = [side.predict(cohort(9, truth, x, late_us)) for side in (one, other)]
    assert np.abs(later[0] - later[1]).max() > 0.1


def test_each_kind_is_as_good_as_it_should_be_and_survives_a_restart() -> None:
    rng = np.random.default_rng(2)
    loss: dict[str, list[float]] = {}
    kinds: tuple[BaselineKind, ...] = ("prior", "last_value", "one_rule")
    held = {kind: baseline(kind) for kind in kinds}
    for number in range(24):
        x = rng.random(ROWS)
        rate = 0.2 if number < 18 else 0.8
        truth = (rng.random(ROWS) < np.where(x > 0.5, rate, rate / 2)).astype(np.float64)
        now = cohort(number, truth, x, HOUR_US // 60)
        for kind in kinds:
            p = held[kind].predict(now)
            assert p.shape == (ROWS, 2)
            np.testing.assert_allclose(p.sum(axis=1), 1.0, atol=1e-9)
            own = -np.log(p[np.arange(ROWS), truth.astype(np.int64)]).mean()
            loss.setdefault(kind, []).append(float(own))
            held[kind].learn(now)
            again = baseline(kind)
            again.restore(unpack(pack(held[kind].state())))
            held[kind] = again
    steady = {kind: np.mean(values[10:18]) for kind, values in loss.items()}
    after = {kind: np.mean(values[19:]) for kind, values in loss.items()}
    assert steady["one_rule"] < steady["prior"] < steady["last_value"] + 0.02
    assert after["last_value"] < after["prior"] - 0.1


def test_the_mean_of_a_number_and_its_last_value() -> None:
    x = np.zeros(4)
    kinds: tuple[tuple[BaselineKind, float], ...] = (("mean", 2.5), ("last_value", 4.0))
    for kind, expected in kinds:
        held = Baseline("regression", kind, 0, (False,), np.full(1, np.nan), 0)
        held.learn(cohort(0, np.array([1.0, 2.0, 3.0, 4.0]), x, 1))
        said = held.predict(cohort(5, np.full(4, 9.0), x, HOUR_US))
        np.testing.assert_allclose(said[:, 0], expected)

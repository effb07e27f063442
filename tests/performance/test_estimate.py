"""Estimates are right where their assumption holds, and NannyML's definition to the digit."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import auc as trapezoid
from sklearn.tree import DecisionTreeRegressor

from monitor.errors import ProfileError
from monitor.events import Float64
from monitor.packing import pack, unpack
from monitor.performance.estimate import Calibrator, expected_binary
from monitor.performance.loss_tree import LEAF_ROWS, LEAVES, LossTree
from monitor.performance.metrics import MEASURES, Labelled
from monitor.performance.reference import PerformanceReference


def outcomes(rng: np.random.Generator, n: int, centre: float) -> tuple[Float64, Float64, Float64]:
    """A feature, an overconfident score that follows it, and outcomes."""
    x = rng.normal(centre, 1.0, n)
    truth = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(np.float64)
    return x, 1 / (1 + np.exp(-2 * x)), truth


def labelled(truth: Float64, score: Float64) -> Labelled:
    return Labelled(truth, (score >= 0.5).astype(np.float64), score, np.zeros((len(truth), 0)))


def test_the_estimate_follows_drift_of_the_inputs() -> None:
    rng = np.random.default_rng(1)
    x, score, truth = outcomes(rng, 20_000, 0.0)
    reference = PerformanceReference.fit("binary", labelled(truth, score), x[:, None])
    estimator = PerformanceReference.of_arrays(reference.task, unpack(pack(reference.arrays())), 1)
    for centre in (-1.0, 0.5):
        x, score, truth = outcomes(rng, 20_000, centre)
        rows = labelled(truth, score)
        realised = MEASURES["binary"](rows)
        for name, value in estimator.expected(rows.answer, score, rows.scores, x[:, None]).items():
            assert value == pytest.approx(realised[name], abs=0.025), name


def test_the_calibrator_is_scikit_learns_isotonic_regression() -> None:
    rng = np.random.default_rng(2)
    score = rng.random(2_000).round(2)
    truth = (rng.random(2_000) < score**2).astype(np.float64)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(score, truth)
    at = np.linspace(-0.1, 1.1, 50)
    np.testing.assert_allclose(Calibrator.fit(truth, score).of(at), oracle.predict(at), atol=1e-9)


def test_the_expected_auc_is_nannymls() -> None:
    rng = np.random.default_rng(3)
    score, p = rng.random(500), rng.random(500)
    order = np.argsort(score)[::-1]
    hits = np.r_[0, np.cumsum(p[order])]
    misses = np.r_[0, np.cumsum(1 - p[order])]
    theirs = trapezoid(misses / misses[-1], hits / hits[-1])
    found = expected_binary(score, (score > 0.5).astype(np.float64), p)
    assert found["auc"] == pytest.approx(theirs, abs=1e-9)


def test_a_multiclass_estimate_is_near_what_comes_true() -> None:
    rng = np.random.default_rng(4)
    scores = rng.dirichlet([1.0, 2.0, 1.5], 20_000)
    truth = (rng.random((20_000, 1)) > scores.cumsum(axis=1)).sum(axis=1).astype(np.float64)
    rows = Labelled(
        truth, scores.argmax(axis=1).astype(np.float64), np.full(20_000, np.nan), scores
    )
    half = np.arange(20_000) < 10_000
    nothing = np.zeros((10_000, 0))
    reference = PerformanceReference.fit("multiclass", rows.kept(half), nothing)
    rest = rows.kept(~half)
    realised = MEASURES["multiclass"](rest)
    found = reference.expected(rest.answer, rest.score, rest.scores, nothing)
    assert set(found) == {"log_loss", "accuracy", "precision", "recall", "f1"}
    for name, value in found.items():
        assert value == pytest.approx(realised[name], abs=0.025), name


def test_a_regression_estimate_knows_where_the_model_is_wrong() -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 1, (4_000, 1))
    truth = x[:, 0] + rng.normal(0.0, 0.05 + x[:, 0])
    nothing = np.zeros((4_000, 0))
    rows = Labelled(truth, x[:, 0], np.full(4_000, np.nan), nothing)
    reference = PerformanceReference.fit("regression", rows, x)
    estimator = PerformanceReference.of_arrays(reference.task, unpack(pack(reference.arrays())), 1)
    for at in (0.2, 0.8):
        far = np.full((500, 1), at)
        expected = (0.05 + at) * np.sqrt(2 / np.pi)
        found = estimator.expected(far[:, 0], far[:, 0], np.zeros((500, 0)), far)
        assert found["mae"] == pytest.approx(expected, rel=0.25)


def test_few_reference_rows_give_no_estimate() -> None:
    rows = labelled(np.array([0.0, 1.0]), np.array([0.2, 0.9]))
    reference = PerformanceReference.fit("binary", rows, np.zeros((2, 1)))
    assert reference.expected(rows.answer, rows.score, rows.scores, np.zeros((2, 1))) == {}


def test_a_kept_tree_is_scikit_learns() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(3_000, 3))
    x[::5, 1] = np.nan
    target = np.abs(x[:, 0]) + np.where(np.isnan(x[:, 1]), 2.0, 0.0)
    oracle = DecisionTreeRegressor(
        max_leaf_nodes=LEAVES, min_samples_leaf=LEAF_ROWS, random_state=3
    ).fit(x, target)
    tree = LossTree.of(LossTree.fit(x, target, seed=3).nodes, inputs=3)
    np.testing.assert_array_equal(tree.predict(x), oracle.predict(x))


@pytest.mark.parametrize(
    ("row", "column", "value"), [(0, 0, 0.0), (0, 1, 1e9), (0, 2, 7.0), (1, 5, np.inf)]
)
def test_a_damaged_tree_is_refused(row: int, column: int, value: float) -> None:
    x = np.linspace(0, 1, 400)[:, None]
    nodes = LossTree.fit(x, (x[:, 0] > 0.5).astype(np.float64), seed=0).nodes
    nodes[row, column] = value
    with pytest.raises(ProfileError, match="loss tree"):
        LossTree.of(nodes, inputs=1)

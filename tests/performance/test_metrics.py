"""Every metric equals scikit-learn's, whatever the cohort; sums of parts equal the whole."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve

from monitor.events import Bool, Float64
from monitor.performance.bands import jackknife_bands
from monitor.performance.decisions import Confusion
from monitor.performance.metrics import MEASURES, Labelled, measured
from monitor.performance.probabilities import BINS, ProbabilitySums
from monitor.performance.ranking import auc, average_precision
from monitor.performance.regression import ErrorSums

SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 1.0]) | st.floats(0.0, 1.0)
BINARY = st.lists(st.tuples(st.booleans(), SCORES), max_size=40)
NUMBER = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))
NUMBERS = st.lists(st.tuples(NUMBER, NUMBER), max_size=40)


def columns(rows: list[tuple[Any, Any]]) -> tuple[Float64, Float64]:
    pairs = np.array(rows, dtype=np.float64).reshape(len(rows), 2)
    return pairs[:, 0], pairs[:, 1]


def binary(truth: Float64, score: Float64) -> Labelled:
    answer = (score >= 0.3).astype(np.float64)
    return Labelled(truth, answer, score, np.zeros((len(truth), 0)))


def same(ours: float, theirs: float) -> None:
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9, nan_ok=True)


@given(BINARY)
def test_binary_metrics_are_those_of_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    truth, score = columns(rows)
    found = MEASURES["binary"](binary(truth, score))
    if not rows:
        assert all(np.isnan(value) for value in found.values())
        return
    chosen = score >= 0.3
    same(found["log_loss"], oracle.log_loss(truth, score, labels=[0, 1]))
    same(found["brier"], oracle.brier_score_loss(truth, score, labels=[0, 1], pos_label=1))
    same(found["accuracy"], oracle.accuracy_score(truth, chosen))
    same(found["precision"], oracle.precision_score(truth, chosen, zero_division=np.nan))
    same(found["recall"], oracle.recall_score(truth, chosen, zero_division=np.nan))
    same(found["f1"], oracle.f1_score(truth, chosen, zero_division=np.nan))
    same(found["selection_rate"], float(chosen.mean()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of one class alone
        same(found["auc"], oracle.roc_auc_score(truth, score))
        expected = oracle.average_precision_score(truth, score) if truth.any() else np.nan
    same(found["pr_auc"], expected)


@given(BINARY)
def test_the_reliability_curve_is_that_of_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    truth, score = columns([(False, 0.2), (True, 0.9), *rows])
    promised, observed, n = ProbabilitySums.binary(truth, score).reliability()
    expected = calibration_curve(truth, score, n_bins=BINS)
    np.testing.assert_allclose(observed, expected[0], atol=1e-9)
    np.testing.assert_allclose(promised, expected[1], atol=1e-9)
    by_hand = (np.abs(observed - promised) * n).sum() / len(truth)
    same(ProbabilitySums.binary(truth, score).ece, by_hand)


@given(BINARY, BINARY)
def test_sums_of_two_cohorts_are_those_of_both(
    first: list[tuple[bool, float]], second: list[tuple[bool, float]]
) -> None:
    parts = [ProbabilitySums.binary(*columns(rows)) for rows in (first, second)]
    merged, whole = parts[0].merged(parts[1]), ProbabilitySums.binary(*columns(first + second))
    for name in ("n", "log_loss", "brier", "ece", "calibration_bias"):
        same(getattr(merged, name), getattr(whole, name))
    counts = [
        Confusion.of(truth, (score > 0.5).astype(np.float64), classes=2)
        for truth, score in map(columns, (first, second, first + second))
    ]
    np.testing.assert_array_equal(counts[0].merged(counts[1]).counts, counts[2].counts)


@given(st.integers(3, 30), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_multiclass_metrics_are_those_of_scikit_learn(n: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(classes), n)
    truth = rng.integers(0, classes, n).astype(np.float64)
    chosen = scores.argmax(axis=1).astype(np.float64)
    found = MEASURES["multiclass"](Labelled(truth, chosen, np.full(n, np.nan), scores))
    names = list(range(classes))
    same(found["log_loss"], oracle.log_loss(truth, scores, labels=names))
    same(found["accuracy"], oracle.accuracy_score(truth, chosen))
    np.testing.assert_array_equal(
        Confusion.of(truth, chosen, classes).counts,
        oracle.confusion_matrix(truth, chosen, labels=names),
    )
    if classes > 2:
        for name, score in (("precision", oracle.precision_score), ("recall", oracle.recall_score)):
            each = score(truth, chosen, labels=names, average=None, zero_division=np.nan)
            same(found[name], float(np.mean(each)))
        if len(set(truth)) == classes:
            same(found["auc"], oracle.roc_auc_score(truth, scores, multi_class="ovr"))


@given(NUMBERS)
def test_regression_metrics_are_those_of_scikit_learn(rows: list[tuple[float, float]]) -> None:
    truth, answer = columns(rows)
    found = MEASURES["regression"](
        Labelled(truth, answer, np.full(len(rows), np.nan), np.zeros((len(rows), 0)))
    )
    if not rows:
        assert all(np.isnan(value) for value in found.values())
        return
    same(found["mae"], oracle.mean_absolute_error(truth, answer))
    same(found["rmse"], oracle.root_mean_squared_error(truth, answer))
    same(found["bias"], float((answer - truth).mean()))
    if len(set(truth)) > 1:
        same(found["r2"], oracle.r2_score(truth, answer))


@given(NUMBERS, NUMBERS)
def test_errors_of_two_cohorts_are_those_of_both(
    first: list[tuple[float, float]], second: list[tuple[float, float]]
) -> None:
    merged = ErrorSums.of(*columns(first)).merged(ErrorSums.of(*columns(second)))
    whole = ErrorSums.of(*columns(first + second))
    for name in ("n", "mae", "rmse", "bias", "mean", "spread"):
        same(getattr(merged, name), getattr(whole, name))


def test_a_row_without_score_or_label_is_left_out() -> None:
    truth = np.array([0.0, 1.0, np.nan, 1.0])
    score = np.array([0.2, 0.7, 0.9, np.nan])
    assert ProbabilitySums.binary(truth, score).n == 2
    assert auc(truth, score) == 1.0
    assert average_precision(truth, score) == 1.0


def test_bands_hold_the_truth_as_often_as_they_say_although_rows_depend_on_each_other() -> None:
    # Blocks of 10 equal rows in 2,000: independent rows would give bands sqrt(10) too narrow,
    # which hold the truth in 46 %. 400 runs at 95 %: below .91 has a chance of 1 in 4,000.
    rng = np.random.default_rng(11)
    inside = 0
    for _ in range(400):
        rows = np.repeat(rng.normal(size=200), 10)

        def mean(kept: Bool, values: Float64 = rows) -> Float64:
            return np.array([values[kept].mean()])

        low, high = jackknife_bands(2_000, mean)
        inside += bool(low[0] <= 0.0 <= high[0])
    assert 0.91 <= inside / 400 <= 0.985


def test_the_band_of_an_auc_is_as_wide_as_its_values_spread() -> None:
    rng = np.random.default_rng(5)
    values, widths = [], []
    for _ in range(60):
        score = rng.random(1_000)
        rows = binary((rng.random(1_000) < score).astype(np.float64), score)
        [metric] = [one for one in measured("binary", rows) if one.name == "auc"]
        values.append(metric.value)
        widths.append(metric.high - metric.low)
    # 2 x 2.09 standard errors wide; the spread of 60 values is known to 9 %, taken thrice.
    assert np.mean(widths) / (2 * 2.09 * np.std(values)) == pytest.approx(1.0, abs=0.3)


def test_few_rows_have_values_and_no_band() -> None:
    rows = binary(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.8, 0.4]))
    for metric in measured("binary", rows):
        assert np.isnan(metric.low)
        assert np.isnan(metric.high)
        assert metric.n == 3

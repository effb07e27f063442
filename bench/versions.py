"""How surely and how soon two versions are told apart: `make bench-versions`.

In: seeded runs on synthetic traffic. Out: shares with 95 % intervals, printed; exit code 1 where a
target is missed. Never: a run left out.

Each run draws a logistic model of ten features. A version with a planted bug sees zero instead of
its most important feature; a shadow answers every request beside the outgoing version, or traffic
is split in halves.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from bench.machine import machine_line, versions_line
from monitor.events import Float64, Int64
from monitor.performance.compare import Outcome, VersionComparison, VersionVerdict
from monitor.performance.losses import losses, two_columns
from monitor.performance.rows import CohortRows

EVENTS = 5_000
"""Labelled events of the new version; the old one has as many."""
FEATURES = 10
COHORT = 500
CAUGHT_AT_LEAST = 0.98
MISTAKEN_AT_MOST = 0.005


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table."""

    title: str
    paired: bool
    bug: bool


CASES = (
    Case("bug, both answer", paired=True, bug=True),
    Case("bug, split traffic", paired=False, bug=True),
    Case("identical, split traffic", paired=False, bug=False),
    Case("identical but noisy, both answer", paired=True, bug=False),
)


def run(case: Case, seed: int) -> VersionVerdict:
    """One comparison."""
    rng = np.random.default_rng([seed, CASES.index(case)])
    weights = np.sort(rng.exponential(0.4, FEATURES))[::-1] * rng.choice([-1.0, 1.0], FEATURES)
    weights[0] += np.sign(weights[0]) * 0.5
    requests = EVENTS if case.paired else 2 * EVENTS
    x = rng.normal(size=(requests, FEATURES))
    truth = (rng.random(requests) < _sigmoid(x @ weights - 1.0)).astype(np.float64)
    old = _sigmoid(x @ weights - 1.0)
    broken = x.copy()
    if case.bug:
        broken[:, 0] = 0.0
    new = _sigmoid(broken @ weights - 1.0)
    if case.paired and not case.bug:
        new = _sigmoid(x @ weights - 1.0 + rng.normal(0.0, 0.1, requests))
        old = _sigmoid(x @ weights - 1.0 + rng.normal(0.0, 0.1, requests))
    past = rng.normal(size=(2_000, FEATURES)) @ weights - 1.0
    rate = float((rng.random(2_000) < _sigmoid(past)).mean())
    comparison = VersionComparison("old", "new")
    for begin in range(0, requests, COHORT):
        part = slice(begin, begin + COHORT)
        if case.paired:
            size = 2 * len(truth[part])
            score = np.column_stack((old[part], new[part])).ravel()
            version = np.tile([0, 1], len(truth[part]))
            request = np.repeat(np.arange(begin + 1, begin + 1 + size // 2), 2)
            labels = np.repeat(truth[part], 2)
        else:
            size = len(truth[part])
            version = rng.integers(0, 2, size)
            score = np.where(version == 1, new[part], old[part])
            request = np.zeros(size, np.int64)
            labels = truth[part]
        rows = _rows(version.astype(np.int64), request.astype(np.int64), labels, begin)
        loss = losses("binary", labels, labels, two_columns(score))
        prior = losses("binary", labels, labels, two_columns(np.full(size, rate)))
        comparison.add(rows, loss, prior)
    return comparison.verdict()


def main() -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1_000)
    runs = parser.parse_args().runs
    print(f"{machine_line()}; {versions_line('numpy', 'scipy')}")
    print(
        f"{runs} seeded runs of {EVENTS:,} labelled events of the new version, error budget 0.5 %\n"
    )
    head = ("regressed", "improved", "95 % interval of called", "labelled of new, median / p98")
    print(f"{'case':<34}{head[0]:>10}{head[1]:>10}{head[2]:>26}{head[3]:>32}")
    missed = False
    for case in CASES:
        verdicts = [run(case, seed) for seed in range(runs)]
        regressed = sum(one.outcome is Outcome.REGRESSED for one in verdicts)
        improved = sum(one.outcome is Outcome.IMPROVED for one in verdicts)
        called = regressed if case.bug else regressed + improved
        low, high = _interval(called, runs)
        when = np.array([one.labelled for one in verdicts if one.outcome is Outcome.REGRESSED])
        soon = f"{np.median(when):,.0f} / {np.quantile(when, 0.98):,.0f}" if case.bug else ""
        print(
            f"{case.title:<34}{regressed / runs:>10.1%}{improved / runs:>10.1%}"
            f"{f'{low:.2%} .. {high:.2%}':>26}{soon:>32}"
        )
        if case.bug:
            missed |= called / runs < CAUGHT_AT_LEAST
        else:
            missed |= called / runs > MISTAKEN_AT_MOST
    print(
        f"\ntargets: at least {CAUGHT_AT_LEAST:.0%} of bugs, at most {MISTAKEN_AT_MOST:.1%}", end=""
    )
    print(" of equals: " + ("NOT MET" if missed else "met"))
    sys.exit(int(missed))


def _sigmoid(x: Float64) -> Float64:
    return np.asarray(1.0 / (1.0 + np.exp(-x)), np.float64)


def _interval(k: int, n: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval."""
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    return low, float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0


def _rows(version: Int64, request: Int64, truth: Float64, begin: int) -> CohortRows:
    n = len(version)
    zeros, none = np.zeros(n, np.int64), np.full(n, np.nan)
    return CohortRows(
        versions=("old", "new"),
        offset=np.arange(begin, begin + n),
        occurred_us=np.arange(begin, begin + n),
        version=version,
        live=zeros + 1,
        request=request,
        answer=none,
        score=none,
        scores=np.zeros((n, 0)),
        features=np.zeros((n, 0)),
        truth=truth,
        observed_us=zeros,
        corrections=zeros,
        repeats=zeros,
    )


if __name__ == "__main__":
    main()

"""What only labels can show: features that know the answer, values that training computes anew."""

import numpy as np
import pytest

from monitor.checks.leak import label_leaks
from monitor.checks.offline_mismatch import Pairs, offline_mismatches
from monitor.errors import ConfigError
from monitor.findings import Verdict
from monitor.sketches.category import CategoryReference
from tests.checks.flow import frame, panes, profile


def _codes_and_scores() -> tuple[np.ndarray, np.ndarray]:
    views = panes(frame(4_000, 21))
    codes = np.concatenate([view.codes for view in views], axis=1)
    numbers = [c.name for c in profile().columns if not isinstance(c, CategoryReference)]
    scores = np.concatenate([view.values[numbers.index("score")] for view in views])
    return codes, scores


def test_a_feature_that_is_the_label_is_named_and_others_are_not() -> None:
    codes, scores = _codes_and_scores()
    rng = np.random.default_rng(99)
    late = rng.random(scores.size) < scores  # the score is right: area .83
    names = [c.name for c in profile().columns]
    assert {m.verdict for m in label_leaks(profile(), codes, late)} == {Verdict.OK}
    codes[names.index("shop")] = late
    found = {m.feature: m for m in label_leaks(profile(), codes, late)}
    assert found["shop"].verdict is Verdict.DRIFT
    assert "does it leak the label" in found["shop"].reason
    assert found["amount"].verdict is Verdict.OK
    few = label_leaks(profile(), codes[:, :60], late[:60])
    assert {m.verdict for m in few} == {Verdict.CANNOT_TELL}


def test_what_training_computes_otherwise_is_named_by_feature() -> None:
    rng = np.random.default_rng(22)
    logged = rng.normal(20, 5, 1_000)
    plans = rng.choice(["a", "b"], 1_000).tolist()
    other = np.where(rng.random(1_000) < 0.1, logged * 2.0, logged)
    nulls = logged.copy()
    nulls[:5] = np.nan
    found = offline_mismatches(
        [
            Pairs("same", logged, logged * (1 + 1e-9)),
            Pairs("few", logged, nulls),
            Pairs("tenth", logged, other),
            Pairs("rounded", logged, logged.round(1)),
            Pairs("plan", plans, plans[::-1]),
            Pairs("short", logged[:20], logged[:20] + 1.0),
        ],
        per_look=1e-4,
        tolerances={"rounded": 0.1},
    )
    verdicts = {m.feature: m.verdict.value for m in found}
    assert verdicts == {
        "same": "ok",
        "few": "ok",
        "tenth": "drift",
        "rounded": "ok",
        "plan": "drift",
        "short": "cannot_tell",
    }
    assert "9.8% of 1,000" in next(m.reason for m in found if m.feature == "tenth")


def test_pairs_must_be_pairs() -> None:
    with pytest.raises(ConfigError, match="3 logged values and 2 offline ones"):
        Pairs("x", np.zeros(3), np.zeros(2))


def test_silent_on_chance_mismatches() -> None:
    # 200 cohorts at the tolerated 1 %: a false alarm in 1e-4 each is at most one in 50 such runs
    rng = np.random.default_rng(23)
    alarms = 0
    for _ in range(200):
        logged = rng.normal(size=500)
        offline = np.where(rng.random(500) < 0.01, logged + 1.0, logged)
        [found] = offline_mismatches([Pairs("x", logged, offline)], per_look=1e-4)
        alarms += found.verdict is Verdict.DRIFT
    assert alarms <= 1

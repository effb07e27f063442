"""Severity from effect and reach, who is suppressed, what repeats and what flaps."""

import pytest

from monitor.alerts import AlertMove, AlertState
from monitor.clock import US_PER_DAY
from monitor.findings import Finding, Span, Verdict, finding_of
from monitor.judging.judge import Judge
from monitor.judging.links import Links
from monitor.judging.policy import Policy
from tests.judging.samples import MEASURED

POLICY = Policy(confirmations=1, resolving_scale=1_000, features=4)


def _finding(
    feature: str, effect: float, *, look: int, day: float = 0.0, check: str = "ks"
) -> Finding:
    at_us = round(day * US_PER_DAY) + look
    span = Span("t", 0, look * 250, look * 250 + 999, look * 250, look * 250 + 999, at_us, at_us)
    measurement = MEASURED._replace(
        check=check,
        feature=feature,
        effect=effect,
        verdict=Verdict.DRIFT if effect >= 0.2 else Verdict.OK,
        cleared=effect < 0.2,
    )
    return finding_of(("m", "1"), span, measurement)


def _told(moves: list[AlertMove]) -> list[tuple[str, str, str]]:
    return [
        (move.labels["severity"], move.labels.get("feature", ""), move.state.value)
        for move in moves
        if move.published
    ]


def test_a_change_of_severity_is_another_alert_that_suppresses_the_lesser() -> None:
    judge = Judge(Links("https://p.example.com"))
    first = judge.judge([_finding("score", 0.3, look=0)], POLICY)
    worse = judge.judge([_finding("score", 0.7, look=1)], POLICY)
    assert _told(first) == [("warning", "score", "firing")]
    assert _told(worse) == [("critical", "score", "firing"), ("warning", "score", "firing")]
    critical, again = [move for move in worse if move.published]
    assert critical.fingerprint != again.fingerprint == first[-1].fingerprint
    assert again.annotations["inhibited_by"] == critical.fingerprint
    assert again.reason.startswith("suppressed: people are told of PredictionDrift score")
    assert critical.annotations["suppresses"] == f"PredictionDrift score {again.fingerprint}"
    assert critical.annotations["weight"].startswith("0.70 ")
    assert critical.url == f"https://p.example.com/alerts/{critical.fingerprint}"
    # Between 0.40 and 0.50 nothing changes; below, the critical one ends and the warning goes on.
    assert judge.judge([_finding("score", 0.45, look=2)], POLICY) == []
    better = judge.judge([_finding("score", 0.35, look=3)], POLICY)
    assert _told(better) == [("critical", "score", "resolved"), ("warning", "score", "firing")]
    assert better[-1].reason.startswith("no longer suppressed")
    assert "inhibited_by" not in better[-1].annotations


def test_one_feature_in_four_is_no_crisis_and_all_of_them_are() -> None:
    judge = Judge()
    features = ["a", "b", "c", "d"]
    moves = [judge.judge([_finding(name, 0.8, look=i)], POLICY) for i, name in enumerate(features)]
    severities = [{severity for severity, _, _ in _told(one)} for one in moves]
    assert severities == [
        {"warning"},
        {"warning"},
        {"warning", "critical"},
        {"warning", "critical"},
    ]


def test_what_goes_on_is_told_again_unless_somebody_is_at_it() -> None:
    judge = Judge()
    told = [
        (day, move.reason)
        for day in range(16)
        for move in judge.judge([_finding("a", 0.3, look=day, day=day)], POLICY)
        if move.told_again
    ]
    assert [day for day, _ in told] == [7, 14]
    assert told[0][1].startswith("still firing after 7.0 days: ks 0.300")


def test_what_comes_and_goes_says_that_it_flaps() -> None:
    judge = Judge()
    reasons = [
        move.reason
        for look in range(6)
        for move in judge.judge(
            [_finding("a", 0.3 if look % 2 == 0 else 0.1, look=look, day=look / 4)], POLICY
        )
        if move.state is AlertState.FIRING
    ]
    assert ["flapping: fired 3 times in 7 days" in reason for reason in reasons] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("feature", ["a", "score"])
def test_the_sentence_says_since_when_how_sure_what_else_and_what_first(feature: str) -> None:
    judge = Judge()
    judge.judge([_finding("b", 0.3, look=0)], POLICY)
    fired = judge.judge([_finding(feature, 0.3, look=1)], POLICY)[-1]
    summary = fired.annotations["summary"]
    assert summary.startswith(f"m 1: {feature} in the last 1000 events")
    for part in (
        "; since 1970-01-01 00:00 UTC; ",
        "p 0.001 with its 1,000 events worth 100 independent ones",
        "also on: FeatureDrift b; check first: ",
    ):
        assert part in summary
    assert summary.count("\n") == 0
    assert fired.annotations["runbook_url"].endswith(f"{fired.labels['alertname']}.md")

"""What people read: every summary names the model, and a fact is told as one."""

import pytest

from monitor.checks.registration import registration
from monitor.findings import Finding, Measurement, Span
from monitor.judging.judge import Judge
from monitor.judging.policy import Policy
from monitor.judging.words import sentence
from tests.judging.samples import MEASURED

SPAN = Span("t", 0, 0, 999, 0, 999, 0, 60_000_000)
WINDOW = "the last 1000 events (1970-01-01 00:00 to 1970-01-01 00:01 UTC)"


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (
            MEASURED,
            f"m 1: temp in {WINDOW} differs from the reference: ks 0.300, threshold 0.200.",
        ),
        (
            MEASURED._replace(check="joint_shift", feature="", reason="most: temp 0.30"),
            (
                f"m 1: the joint distribution in {WINDOW} differs from the reference: "
                "joint_shift 0.300, threshold 0.200; most: temp 0.30."
            ),
        ),
        (
            MEASURED._replace(check="cusum", scale=0, reason="temp has moved (up 0.5)"),
            "m 1: temp has moved (up 0.5)",
        ),
        (
            MEASURED._replace(check="unregistered", feature="", reason="m 1 has no card"),
            "m 1 has no card",
        ),
    ],
)
def test_a_summary_names_the_model(measured: Measurement, words: str) -> None:
    finding = Finding("m", "1", "drift", "FeatureDrift", "", SPAN, measured)
    assert sentence(finding) == words


def test_a_fact_is_no_distance_from_a_threshold() -> None:
    missing = registration("unregistered", trouble=True, reason="m 1 has no card")
    found = registration("unregistered", trouble=False, reason="the version has a card now")
    judge = Judge()
    reasons = [
        move.reason
        for measured in (missing, found)
        for move in judge.judge(
            [Finding("m", "1", "ownership", "UnregisteredModel", "", SPAN, measured)],
            Policy(confirmations=1),
        )
    ]
    assert reasons == [
        "first seen: m 1 has no card",
        "m 1 has no card",
        "clear for 1 looks in a row: the version has a card now",
    ]

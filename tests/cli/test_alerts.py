"""Which alert a person means, and until when."""

from typing import Any

import click
import pytest

from monitor.cli.alerts import chosen, moment

ROWS: list[dict[str, Any]] = [
    {
        "fingerprint": "ab12" + "0" * 12,
        "model": "m",
        "alertname": "FeatureDrift",
        "feature": "temp",
    },
    {
        "fingerprint": "ab34" + "0" * 12,
        "model": "m",
        "alertname": "FeatureDrift",
        "feature": "dewp",
    },
    {"fingerprint": "cd56" + "0" * 12, "model": "n", "alertname": "JointDrift", "feature": ""},
    {"fingerprint": "ef78" + "0" * 12, "model": "o", "alertname": "JointDrift", "feature": ""},
]


@pytest.mark.parametrize(
    ("alert", "model", "place"),
    [
        ("ab12", None, 0),
        ("FeatureDrift dewp", None, 1),
        ("JointDrift", "n", 2),
        ("e", None, 3),
        ("ab12" + "0" * 12, "m", 0),
    ],
)
def test_one_alert_is_meant(alert: str, model: str | None, place: int) -> None:
    assert chosen(ROWS, alert, model) is ROWS[place]


@pytest.mark.parametrize("alert", ["ab", "FeatureDrift", "JointDrift", ""])
def test_several_are_named_with_their_fingerprints(alert: str) -> None:
    with pytest.raises(click.UsageError, match=r"may be any of .*give one fingerprint"):
        chosen(ROWS, alert, None)


@pytest.mark.parametrize(("alert", "model"), [("ff", None), ("ab12", "n"), ("Nothing", None)])
def test_none_is_said(alert: str, model: str | None) -> None:
    with pytest.raises(click.UsageError, match=r"see `plumbline alerts list`"):
        chosen(ROWS, alert, model)


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no date or time"):
        moment(text)

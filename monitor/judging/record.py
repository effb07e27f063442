"""Findings and moves as plain values, for the state topic, and back.

In: a finding or a move; or what was saved of one. Out: the other. Never: an object whose class the
saved values name.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from monitor.alerts import AlertMove, AlertState
from monitor.findings import Finding, Measurement, Span, Verdict


def saved_finding(finding: Finding) -> dict[str, Any]:
    """Plain values of a finding."""
    measurement = finding.measurement._asdict()
    return finding._asdict() | {
        "span": asdict(finding.span),
        "measurement": measurement | {"values": dict(finding.measurement.values)},
    }


def finding_of_saved(saved: Mapping[str, Any]) -> Finding:
    """The finding again."""
    measurement = dict(saved["measurement"])
    measurement["verdict"] = Verdict(measurement["verdict"])
    return Finding(
        **{
            **saved,
            "span": Span(**saved["span"]),
            "measurement": Measurement(**measurement),
        }
    )


def saved_move(move: AlertMove) -> dict[str, Any]:
    """Plain values of a move."""
    return asdict(move) | {"finding": saved_finding(move.finding)}


def move_of_saved(saved: Mapping[str, Any]) -> AlertMove:
    """The move again."""
    previous = saved["previous"]
    return AlertMove(
        **{
            **saved,
            "state": AlertState(saved["state"]),
            "previous": AlertState(previous) if previous else None,
            "finding": finding_of_saved(saved["finding"]),
        }
    )

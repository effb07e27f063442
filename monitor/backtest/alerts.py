"""The alerts of a backtest: the moves of each, and the events at which it began, fired and ended.

In: alert moves in their order. Out: `BacktestAlert`s. Never: an alert that did not fire; those are
counted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.alerts import AlertMove, AlertState
from monitor.clock import to_datetime
from monitor.publishing.alert_event import ENDED, measured


@dataclass(frozen=True, slots=True)
class BacktestAlert:
    """One alert that fired, first move to last. Its events are rows of the file, from 0."""

    moves: tuple[AlertMove, ...]
    pending_event: int
    firing_event: int
    resolved_event: int | None

    @property
    def fired(self) -> AlertMove:
        """The move with which it fired first."""
        return next(move for move in self.moves if move.state is AlertState.FIRING)

    @property
    def labels(self) -> Mapping[str, str]:
        """What the alert is: alertname, severity, category, model, model_version, feature."""
        return self.moves[0].labels

    @property
    def feature(self) -> str:
        """The column that it is about, empty where it is about all of them."""
        return self.labels.get("feature", "")

    @property
    def name(self) -> str:
        """What a person calls it: `FeatureDrift temp`."""
        return f"{self.labels['alertname']} {self.feature}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """The alert as one JSON object."""
        measurement = self.fired.finding.measurement
        return {
            "alertname": self.labels["alertname"],
            "category": self.labels["category"],
            "feature": self.feature,
            "severity": self.labels["severity"],
            "model": self.labels["model"],
            "model_version": self.labels["model_version"],
            "pending_event": self.pending_event,
            "firing_event": self.firing_event,
            "resolved_event": self.resolved_event,
            "starts_at": _iso(self.fired.starts_us),
            "check": measurement.check,
            "scale": measurement.scale,
            "values": measured(measurement),
            "summary": self.fired.annotations["summary"],
            "fingerprint": self.fired.fingerprint,
            "moves": [
                {
                    "id": move.event_id,
                    "state": move.state.value,
                    "event": event_of(move),
                    "at": _iso(move.moved_us),
                    "reason": move.reason,
                }
                for move in self.moves
            ],
        }


def event_of(move: AlertMove) -> int:
    """The row at which a move was made: the last event of its evidence."""
    return move.finding.span.last_offset


def alerts_of(moves: Iterable[AlertMove]) -> tuple[tuple[BacktestAlert, ...], int]:
    """The alerts that fired, in the order of firing, and how many were pending and never fired."""
    open_moves: dict[str, list[AlertMove]] = {}
    ended: list[tuple[list[AlertMove], bool]] = []
    for move in moves:
        open_moves.setdefault(move.fingerprint, []).append(move)
        if move.state in ENDED:
            ended.append((open_moves.pop(move.fingerprint), True))
    lives = [*ended, *((life, False) for life in open_moves.values())]
    fired = [
        _alert(life, over=over)
        for life, over in lives
        if any(move.state is AlertState.FIRING for move in life)
    ]
    fired.sort(key=lambda alert: (alert.firing_event, alert.pending_event))
    return tuple(fired), len(lives) - len(fired)


def events_under_alert(alerts: Sequence[BacktestAlert], n: int) -> int:
    """How many of n events came while at least one alert was firing."""
    change = np.zeros(n + 1, dtype=np.int64)
    for alert in alerts:
        change[alert.firing_event] += 1
        change[n if alert.resolved_event is None else alert.resolved_event] -= 1
    return int(np.count_nonzero(np.cumsum(change[:n]) > 0))


def _alert(life: Sequence[AlertMove], *, over: bool) -> BacktestAlert:
    firing = next(move for move in life if move.state is AlertState.FIRING)
    return BacktestAlert(
        moves=tuple(life),
        pending_event=event_of(life[0]),
        firing_event=event_of(firing),
        resolved_event=event_of(life[-1]) if over else None,
    )


def _iso(moment_us: int) -> str:
    return to_datetime(moment_us).isoformat().replace("+00:00", "Z")

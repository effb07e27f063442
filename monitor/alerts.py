"""Records of step 5: the moves of alerts, each with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from monitor.findings import Finding


class AlertState(StrEnum):
    """Where an alert is in its life."""

    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    RESOLVED = "resolved"
    STALE = "stale"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class AlertMove:
    """One move of one alert: from `previous` to `state`, because of `reason`, on one finding.

    `labels` are the alert's identity; `fingerprint` and `event_id` follow from the contract, so
    the same move found again in a replay carries the same id.
    """

    event_id: str
    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    state: AlertState
    previous: AlertState | None
    reason: str
    starts_us: int
    """Event time at which the trouble began."""
    moved_us: int
    """Event time of this move."""
    finding: Finding
    url: str = ""
    """Page of the alert, empty where no dashboard is set."""

    @property
    def published(self) -> bool:
        """Whether the move goes to the alert topic: what never fired is only stored."""
        return (
            self.state is not AlertState.PENDING
            and self.previous is not None
            and not (self.previous is AlertState.PENDING and self.state is AlertState.RESOLVED)
        )

    @property
    def told_again(self) -> bool:
        """Whether it moved nothing: the same state, with other annotations or once more."""
        return self.state is self.previous

    def __str__(self) -> str:
        """For a log line: what moved where."""
        names = ("alertname", "model", "model_version", "feature", "segment")
        what = " ".join(self.labels[name] for name in names if self.labels.get(name))
        return f"{self.state.value} {what}"

"""Incidents: alerts of one cause are one group, with the likeliest cause at its head.

In: the moves of alerts, in order. Out: for each move of an alert that is on, the incident that it
belongs to, and whether another alert of it is nearer to the cause. Never: a move held back; all of
them are stored and published, and who tells people tells the head.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.alerts import AlertMove, AlertState

CAUSES: Final[tuple[frozenset[str], ...]] = (
    frozenset({"SchemaBreak", "StreamStopped", "UnregisteredModel", "ProfileMissing"}),
    frozenset(
        {
            "CategoryEncoding",
            "DuplicateEvents",
            "FutureTimestamps",
            "PlaceholderBurst",
            "RepeatedInputs",
            "ReplayedData",
            "StaleInputs",
            "StuckFeature",
            "SwappedColumns",
            "TimeZoneShift",
            "UnitChange",
        }
    ),
    frozenset({"MissingValues", "UnseenCategories", "TrainingServingSkew", "OfflineMismatch"}),
    frozenset({"FeatureDrift", "CorrelationBreak"}),
    frozenset({"JointDrift"}),
    frozenset({"PredictionDrift"}),
)
"""Alert names from cause to effect; a name that is not here is a cause of its own kind."""
EFFECTS: Final = frozenset({"JointDrift", "PredictionDrift"})
"""What the trouble of any feature may cause, whenever it shows."""
TOGETHER_EVENTS: Final = 1_000
"""Alerts that fire within so many events of an incident's first one belong to it."""

_ENDED: Final = (AlertState.RESOLVED, AlertState.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Member:
    """One alert of an incident that is on."""

    fingerprint: str
    alertname: str
    feature: str
    order: int
    """Of its joining, counted from 0."""

    @property
    def rank(self) -> tuple[int, int]:
        """Nearness to the cause: smaller is nearer."""
        places = (place for place, names in enumerate(CAUSES) if self.alertname in names)
        return next(places, 0), self.order


@dataclass(slots=True)
class Incident:
    """Alerts of one model version that belong together."""

    id: str
    model: str
    model_version: str
    opened_us: int
    """Event time at which its first alert began."""
    first_event: int
    """Index of the event at which its first alert fired."""
    joined: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    """Those that are on, by fingerprint."""

    @property
    def head(self) -> Member:
        """The alert that is nearest to the cause."""
        return min(self.members.values(), key=lambda member: member.rank)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert stands among the others."""

    incident: str
    opened_us: int
    head: Member
    members: int
    """Alerts of the incident that are on."""

    def annotations(self, fingerprint: str) -> dict[str, str]:
        """For the alert with this fingerprint; `inhibited_by` where another one is the head."""
        told = {"incident": self.incident, "incident_alerts": str(self.members)}
        if fingerprint != self.head.fingerprint:
            told["inhibited_by"] = self.head.fingerprint
            told["cause"] = f"{self.head.alertname} {self.head.feature}".rstrip()
        return told


class Incidents:
    """The open incidents of all models.

    An alert that fires joins the newest open incident of its version that has an alert of the same
    feature, or that began at most TOGETHER_EVENTS events before, or, if it is an effect, any. Else
    it opens one of its own. An incident closes when none of its alerts is on.

    **Blind to** causes that two versions or two models share.
    """

    def __init__(self) -> None:
        self._open: dict[str, Incident] = {}
        self._by_alert: dict[str, str] = {}

    def place(self, move: AlertMove) -> Place | None:
        """Where the alert of a move stands after it; None for one that never fired."""
        known = self._by_alert.get(move.fingerprint)
        if move.state in _ENDED:
            return None if known is None else self._leave(move.fingerprint, known)
        if known is not None:
            return _place(self._open[known])
        if not move.published:
            return None
        incident = self._joinable(move) or self._begin(move)
        labels = move.labels
        incident.members[move.fingerprint] = Member(
            move.fingerprint, labels["alertname"], labels.get("feature", ""), incident.joined
        )
        incident.joined += 1
        self._by_alert[move.fingerprint] = incident.id
        return _place(incident)

    def state(self, model: str) -> list[Any]:
        """The open incidents of one model as plain values."""
        return [
            [
                *(one.id, one.model, one.model_version, one.opened_us),
                *(one.first_event, one.joined),
                [[m.fingerprint, m.alertname, m.feature, m.order] for m in one.members.values()],
            ]
            for one in self._open.values()
            if one.model == model
        ]

    def restore(self, saved: list[Any]) -> None:
        """Take up the incidents of one model where `state` left off."""
        for mark, model, version, opened_us, first_event, joined, members in saved:
            incident = Incident(
                str(mark), str(model), str(version), int(opened_us), int(first_event), int(joined)
            )
            for fingerprint, alertname, feature, order in members:
                member = Member(str(fingerprint), str(alertname), str(feature), int(order))
                incident.members[member.fingerprint] = member
                self._by_alert[member.fingerprint] = incident.id
            self._open[incident.id] = incident

    def forget(self) -> None:
        """Drop everything, for a new beginning."""
        self._open.clear()
        self._by_alert.clear()

    def _joinable(self, move: AlertMove) -> Incident | None:
        labels, finding = move.labels, move.finding
        feature = labels.get("feature", "")
        for incident in reversed(self._open.values()):
            if (incident.model, incident.model_version) != (finding.model, finding.model_version):
                continue
            same = feature and any(m.feature == feature for m in incident.members.values())
            since = finding.span.last_event - incident.first_event
            together = not finding.clock and 0 <= since <= TOGETHER_EVENTS
            if same or together or labels["alertname"] in EFFECTS:
                return incident
        return None

    def _begin(self, move: AlertMove) -> Incident:
        finding = move.finding
        text = f"{finding.model}|{finding.model_version}|{move.fingerprint}|{move.starts_us}"
        incident = Incident(
            id=hashlib.sha256(text.encode()).hexdigest()[:16],
            model=finding.model,
            model_version=finding.model_version,
            opened_us=move.starts_us,
            first_event=finding.span.last_event,
        )
        self._open[incident.id] = incident
        return incident

    def _leave(self, fingerprint: str, mark: str) -> Place:
        incident = self._open[mark]
        place = _place(incident)
        del incident.members[fingerprint], self._by_alert[fingerprint]
        if not incident.members:
            del self._open[mark]
        return place


def _place(incident: Incident) -> Place:
    return Place(incident.id, incident.opened_us, incident.head, len(incident.members))

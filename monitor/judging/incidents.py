"""Incidents: alerts of one cause are one group, with the likeliest cause at its head.

In: the moves of alerts, in order. Out: for each move of an alert that is on, the incident that it
belongs to, and whether another alert of it is nearer to the cause. Never: a move held back; all of
them are stored and published, and who tells people tells the head.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from monitor.alerts import AlertMove, AlertState
from monitor.findings import KINDS
from monitor.judging.severity import graver

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
    frozenset({"MissingValues", "UnseenCategories", "TrainingServingSkew"}),
    frozenset({"FeatureDrift", "CorrelationBreak"}),
    frozenset({"JointDrift"}),
    frozenset({"PredictionDrift"}),
)
"""Alert names from cause to effect; a name that is not here is a cause of its own kind.

What labels say of the performance (category `performance`) is the effect of them all.
"""
EFFECTS: Final = frozenset(
    {"JointDrift", "PredictionDrift", "Miscalibration", "WorseThanBaseline", "RetrainDue"}
)
"""What the trouble of any feature, or of the labels, may cause, whenever it shows."""
CAUSES_OF_LABELS: Final[tuple[frozenset[str], ...]] = (
    frozenset({"LabelLeak", "OfflineMismatch", "SampleRatioMismatch"}),
    frozenset({"LabelsStopped"}),
    frozenset({"LabelsBiased"}),
    frozenset({"LabelsMissing"}),
    frozenset({"LabelsSlow"}),
    frozenset({"TooGoodToBeTrue"}),
    frozenset({"Miscalibration"}),
    frozenset({"WorseThanBaseline"}),
    frozenset({"RetrainDue"}),
)
"""The same among what closed cohorts say."""
OF_LABELS: Final = frozenset(
    kind.alertname for kind in KINDS.values() if kind.category == "performance"
)
"""What closed cohorts say has incidents of its own: how far the predictions were read before the
labels must not matter."""
TOGETHER_EVENTS: Final = 1_000
"""Alerts that fire within so many events of an incident's first one belong to it."""
MOST_NAMED: Final = 20

_ENDED: Final = (AlertState.RESOLVED, AlertState.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Member:
    """One alert of an incident that is on."""

    fingerprint: str
    alertname: str
    feature: str
    order: int
    """Of its joining, counted from 0."""
    cause: int
    """Nearness to the cause: place in CAUSES, smaller is nearer."""
    severity: str = "warning"
    later: bool = False
    """Whether one as near to the cause and no less grave was in the incident before it."""

    @property
    def rank(self) -> tuple[int, int, int]:
        """The least of an incident is its head: the cause, the gravest, the first."""
        return self.cause, graver(self.severity), self.order

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.alertname} {self.feature}".rstrip()

    @property
    def place(self) -> str:
        """A word that stays the same for the alert's life, by which others inhibit it."""
        return f"{self.cause}-later" if self.later else str(self.cause)


def nearness(labels: Mapping[str, str]) -> int:
    """How near to the cause an alert of these labels is.

    >>> nearness({"alertname": "SchemaBreak"}) < nearness({"alertname": "FeatureDrift"})
    True
    """
    every = (*CAUSES, *CAUSES_OF_LABELS)
    places = (place for place, names in enumerate(every) if labels["alertname"] in names)
    return next(places, 0)


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
    clock: bool = False
    """Opened by the clock. What the log says stands apart: it must not depend on a clock."""
    of_labels: bool = False
    """What closed cohorts say stands apart, too."""
    joined: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    """Those that are on, by fingerprint."""

    @property
    def head(self) -> Member:
        """The alert that is nearest to the cause."""
        return min(self.members.values(), key=lambda member: member.rank)

    def told(self) -> frozenset[str]:
        """The alerts of which people hear: no other one of no less severity comes before them."""
        members = self.members.values()
        return frozenset(m.fingerprint for m in members if teller_of(m, members) is m)

    def turned(self, before: frozenset[str]) -> tuple[Member, ...]:
        """The members that people heard of before and now do not."""
        gone = before - self.told()
        return tuple(member for member in self.members.values() if member.fingerprint in gone)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert stands among the others."""

    incident: str
    opened_us: int
    head: Member
    members: tuple[Member, ...]
    """Alerts of the incident that are on, in the order of joining."""
    turned: tuple[Member, ...] = ()
    """Other members that this move has suppressed, or of which people hear from now on."""

    def annotations(self, fingerprint: str) -> dict[str, str]:
        """For the alert with this fingerprint: who suppresses it and why, or whom it suppresses."""
        told = {"incident": self.incident, "incident_alerts": str(len(self.members))}
        own = next((one for one in self.members if one.fingerprint == fingerprint), None)
        if own is None:
            return told
        told["incident_place"] = own.place
        teller = teller_of(own, self.members)
        if teller is not own:
            told["inhibited_by"] = teller.fingerprint
            told["cause"] = teller.name
            told["suppressed"] = _why(teller, own)
            return told
        others = [m for m in self.members if m is not own and teller_of(m, self.members) is own]
        if others:
            named = [f"{member.name} {member.fingerprint}" for member in others]
            more = len(named) - MOST_NAMED
            told["suppresses"] = "; ".join(named[:MOST_NAMED]) + (
                f"; and {more} more" if more > 0 else ""
            )
        return told


def teller_of(member: Member, members: Collection[Member]) -> Member:
    """Of whom people hear instead of a member: the nearest to the cause that is no less grave."""
    own = graver(member.severity)
    return min((one for one in members if graver(one.severity) <= own), key=lambda one: one.rank)


def _why(teller: Member, member: Member) -> str:
    if teller.cause < member.cause:
        why = "which is nearer to the cause"
    elif teller.severity != member.severity:
        why = f"which is {teller.severity}"
    else:
        why = "which was first"
    return f"people are told of {teller.name} of the same incident, {why}"


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
        before = incident.told()
        cause, severity = nearness(labels), labels.get("severity", "warning")
        member = Member(
            fingerprint=move.fingerprint,
            alertname=labels["alertname"],
            feature=labels.get("feature", ""),
            order=incident.joined,
            cause=cause,
            severity=severity,
            later=any(
                other.cause == cause and graver(other.severity) <= graver(severity)
                for other in incident.members.values()
            ),
        )
        incident.members[move.fingerprint] = member
        incident.joined += 1
        self._by_alert[move.fingerprint] = incident.id
        return _place(incident, incident.turned(before))

    def of(self, fingerprint: str) -> Place | None:
        """Where an alert stands that is on."""
        known = self._by_alert.get(fingerprint)
        return None if known is None else _place(self._open[known])

    def state(self, model: str) -> list[Any]:
        """The open incidents of one model as plain values."""
        return [
            [
                *(one.id, one.model, one.model_version, one.opened_us),
                *(one.first_event, one.joined),
                [
                    [m.fingerprint, m.alertname, m.feature, m.order, m.cause, m.severity, m.later]
                    for m in one.members.values()
                ],
                one.clock,
                one.of_labels,
            ]
            for one in sorted(self._open.values(), key=lambda one: one.of_labels)
            if one.model == model
        ]

    def restore(self, saved: list[Any]) -> None:
        """Take up the incidents of one model where `state` left off, also of an older release."""
        for mark, model, version, opened_us, first_event, joined, members, *apart in saved:
            incident = Incident(
                id=str(mark),
                model=str(model),
                model_version=str(version),
                opened_us=int(opened_us),
                first_event=int(first_event),
                clock=bool(apart and apart[0]),
                of_labels=bool(apart[1:] and apart[1]),
                joined=int(joined),
            )
            for fingerprint, alertname, feature, order, *further in members:
                cause, severity, later = further or (
                    nearness({"alertname": str(alertname)}),
                    "warning",
                    False,
                )
                member = Member(
                    *(str(fingerprint), str(alertname), str(feature), int(order)),
                    *(int(cause), str(severity), bool(later)),
                )
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
            if incident.clock is not finding.clock:
                continue
            if incident.of_labels is not (labels["alertname"] in OF_LABELS):
                continue
            same = feature and any(m.feature == feature for m in incident.members.values())
            since = finding.span.last_event - incident.first_event
            together = not finding.clock and 0 <= since <= TOGETHER_EVENTS
            if same or together or _is_effect(labels):
                return incident
        return None

    def _begin(self, move: AlertMove) -> Incident:
        finding = move.finding
        since = f"{move.starts_us}|{finding.span.last_offset}|{finding.span.last_event}"
        text = f"{finding.model}|{finding.model_version}|{move.fingerprint}|{since}"
        incident = Incident(
            id=hashlib.sha256(text.encode()).hexdigest()[:16],
            model=finding.model,
            model_version=finding.model_version,
            opened_us=move.starts_us,
            first_event=finding.span.last_event,
            clock=finding.clock,
            of_labels=move.labels["alertname"] in OF_LABELS,
        )
        self._open[incident.id] = incident
        return incident

    def _leave(self, fingerprint: str, mark: str) -> Place:
        incident = self._open[mark]
        place, before = _place(incident), incident.told()
        del incident.members[fingerprint], self._by_alert[fingerprint]
        if not incident.members:
            del self._open[mark]
            return place
        after = incident.told() - before
        return replace(
            place, turned=tuple(m for m in incident.members.values() if m.fingerprint in after)
        )


def _is_effect(labels: Mapping[str, str]) -> bool:
    return labels["alertname"] in EFFECTS


def _place(incident: Incident, turned: tuple[Member, ...] = ()) -> Place:
    members = tuple(incident.members.values())
    return Place(incident.id, incident.opened_us, incident.head, members, turned)

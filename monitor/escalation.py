"""Ownership as a monitored property: what the clock says of owners and of alerts.

In: the cards that act, the alerts that are on, the time. Out: findings, one when a trouble begins
and one when it ends: a model without owner, an owner past the review date, an alert that nobody
has acknowledged in time, an alert of which nobody can be told. Never: a change of an alert; these
findings are of the clock and stand outside of the replay guarantee.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from monitor.census import Census
from monitor.checks.ownership import OWNERSHIP, ownership
from monitor.clock import Clock, to_datetime
from monitor.config import EscalationSettings
from monitor.findings import KINDS, Finding, finding_of
from monitor.judging.contacts import channel_of
from monitor.judging.judge import Judge
from monitor.roster import Roster, VersionKey
from schemas.model import ModelCard

LOOK_INTERVAL_S: Final = 10.0
"""So often all owners and alerts are looked at."""


class Escalation:
    """Looks at owners and at alerts that wait for somebody."""

    def __init__(
        self,
        settings: EscalationSettings,
        clock: Clock,
        census: Census,
        roster: Roster,
        judge: Judge,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._census = census
        self._roster = roster
        self._judge = judge
        self._looked_s = clock.monotonic_s()
        self._unowned_s: dict[VersionKey, float] = {}
        """Since when a version has been known to have no owner."""

    def look(self) -> list[Finding]:
        """What has begun or ended since the last look; nothing before LOOK_INTERVAL_S."""
        now_s = self._clock.monotonic_s()
        passed_s = now_s - self._looked_s
        if passed_s < LOOK_INTERVAL_S:
            return []
        self._looked_s = now_s
        self._judge.lives.pass_time(passed_s)
        overdue = self._overdue()
        on = self._judge.lives.names_on()
        found = []
        for model, state in self._census.models.items():
            if state.last_span is None:
                continue
            for name, standing in state.versions.items():
                version = (model, name)
                if standing.replaced:
                    self._unowned_s.pop(version, None)
                    continue
                card = self._roster.acting(model, name)
                troubles = self._troubles(version, card, overdue.get(version, ()), now_s)
                for check, trouble in zip(OWNERSHIP, troubles, strict=True):
                    if bool(trouble) != ((KINDS[check].alertname, *version) in on):
                        measurement = ownership(check, trouble)
                        found.append(finding_of(version, state.last_span, measurement, clock=True))
        return found

    def forget(self) -> None:
        """Know nobody."""
        self._unowned_s.clear()
        self._looked_s = self._clock.monotonic_s()

    def _troubles(
        self, version: VersionKey, card: ModelCard | None, overdue: tuple[str, ...], now_s: float
    ) -> Iterator[str]:
        """What is wrong, in the order of OWNERSHIP; empty words where nothing is."""
        who = " ".join(version)
        owner = None if card is None else card.owner
        if card is None or owner is not None:
            self._unowned_s.pop(version, None)
            yield ""
        else:
            minutes = (now_s - self._unowned_s.setdefault(version, now_s)) / 60
            late = minutes >= self._settings.owner_missing_minutes
            yield f"{who} has no owner: nobody is told of its alerts" if late else ""
        today = to_datetime(self._clock.now_us()).date()
        if owner is not None and owner.review_by is not None and owner.review_by < today:
            yield f"{who}: its owner {owner.team} was to be confirmed by {owner.review_by}"
        else:
            yield ""
        named = "; ".join(overdue)
        reachable = owner is not None and channel_of(owner.contact) is not None
        yield f"{who}: nobody has acknowledged {named}" if named and reachable else ""
        yield f"{who}: there is nobody to tell of {named}" if named and not reachable else ""

    def _overdue(self) -> dict[VersionKey, tuple[str, ...]]:
        """The alerts of each version that have been on for longer than may be, unanswered."""
        limits_s = {
            "critical": self._settings.critical_minutes * 60,
            "warning": self._settings.warning_minutes * 60,
        }
        found: defaultdict[VersionKey, dict[str, None]] = defaultdict(dict)
        for version, name, severity, waited_s in self._judge.lives.unanswered():
            limit_s = limits_s.get(severity)
            if limit_s is not None and waited_s >= limit_s:
                found[version][f"{name} ({severity}, on for more than {limit_s / 3600:g} h)"] = None
        return {version: tuple(names) for version, names in found.items()}

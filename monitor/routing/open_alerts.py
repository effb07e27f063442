"""The alerts that are on, and since when, in wall time.

In: records of the topic `plumbline.alerts.state`. Out: what to post to an Alertmanager now.
Never: an event time as a wall time. Alertmanager closes what ended in its past, so a replay of
last year must not look a year old: an alert starts when the broker took its first record.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from monitor.clock import to_datetime
from monitor.events import Record
from monitor.routing.alertmanager import PostableAlert
from monitor.routing.heartbeats import Heartbeats
from schemas.alert import AlertEvent
from schemas.heartbeat import HEARTBEAT_KEY

RESENDS_UNTIL_RESOLVED = 4
"""Missed resends after which Alertmanager may call an alert resolved, as for Prometheus' own."""
MOST_NAMED = 20
_US_PER_MS = 1_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """One alert that is on."""

    event: AlertEvent
    """Its newest move."""
    since: datetime
    """Wall time at which the broker took its first move that we know of."""


class OpenAlerts:
    """The table of alerts that are on, by fingerprint; it holds what the compacted topic holds."""

    def __init__(self) -> None:
        self.heartbeats = Heartbeats()
        self._open: dict[str, OpenAlert] = {}
        self._ended: dict[str, PostableAlert] = {}
        """Ended, and not yet posted as such."""

    def take(self, record: Record) -> None:
        """Take one record of the state topic: a move, or the tombstone of what has ended."""
        if (record.key or b"").startswith(HEARTBEAT_KEY):
            self.heartbeats.take(record)
            return
        fingerprint = (record.key or b"").decode("utf-8", "replace")
        at = to_datetime(record.timestamp * _US_PER_MS)
        if record.value is None:
            ended = self._open.pop(fingerprint, None)
            if ended is not None:
                self._ended[fingerprint] = _postable(ended, [], ends_at=at)
            return
        try:
            event = AlertEvent.model_validate_json(record.value)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)[:3]
            log.warning("offset %d is no alert event: %s", record.offset, problems)
            return
        known = self._open.get(fingerprint)
        self._ended.pop(fingerprint, None)
        self._open[fingerprint] = OpenAlert(event, known.since if known else at)

    def to_post(self, now: datetime, resend_interval: timedelta) -> list[PostableAlert]:
        """Everything that is on, to end by itself if nobody resends it; and what has just ended."""
        ends_at = now + RESENDS_UNTIL_RESOLVED * resend_interval
        alerts = self.alerts
        on = [_postable(alert, alerts, ends_at=ends_at) for alert in alerts]
        return [*on, *self._ended.values(), *self.heartbeats.to_post(now, resend_interval)]

    def posted(self) -> None:
        """What ended has been told."""
        self._ended.clear()

    @property
    def news(self) -> bool:
        """Whether something ended that has not been posted."""
        return bool(self._ended)

    @property
    def alerts(self) -> list[OpenAlert]:
        """Those that are on."""
        return list(self._open.values())


def routed_labels(alert: OpenAlert) -> dict[str, str]:
    """The alert's labels, and by what Alertmanager groups and inhibits it: both for its whole life.

    `incident` groups what has one cause, `incident_place` says how near to that cause it is.
    """
    entry = alert.event.data.alerts[0]
    grouping = {name: entry.annotations.get(name, "") for name in ("incident", "incident_place")}
    return {**entry.labels, **{name: value for name, value in grouping.items() if value}}


def _postable(alert: OpenAlert, beside: Sequence[OpenAlert], *, ends_at: datetime) -> PostableAlert:
    entry = alert.event.data.alerts[0]
    annotations = {
        **entry.annotations,
        **_others(alert, beside),
        "state": alert.event.state,
        "reason": alert.event.reason,
        "event_time_start": entry.startsAt.isoformat(),
        "fingerprint": entry.fingerprint,
    }
    if alert.event.offsets:
        annotations["offsets"] = alert.event.offsets
    return PostableAlert(
        labels=routed_labels(alert),
        annotations=annotations,
        starts_at=min(alert.since, ends_at),
        ends_at=ends_at,
        generator_url=entry.generatorURL,
    )


def _others(alert: OpenAlert, beside: Sequence[OpenAlert]) -> dict[str, str]:
    """What else is on now: the rest of the incident with links, and other models."""
    own = alert.event.data.alerts[0]
    model = own.labels.get("model", "")
    incident = own.annotations.get("incident")
    children, models = [], Counter[str]()
    for other in beside:
        entry = other.event.data.alerts[0]
        if (theirs := entry.labels.get("model", "")) != model:
            models[theirs] += 1
        elif incident and other is not alert and entry.annotations.get("incident") == incident:
            name = f"{entry.labels['alertname']} {entry.labels.get('feature', '')}".rstrip()
            children.append(f"{name} ({entry.generatorURL or entry.fingerprint})")
    told = {}
    if children:
        told["incident_others"] = _list(children)
    if models:
        told["other_models"] = _list([f"{name} ({n} alerts)" for name, n in models.most_common()])
    return told


def _list(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")

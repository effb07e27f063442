"""The alerts that are on, and since when, in wall time.

In: records of the topic `plumbline.alerts.state`. Out: what to post to an Alertmanager now.
Never: an event time as a wall time. Alertmanager closes what ended in its past, so a replay of
last year must not look a year old: an alert starts when the broker took its first record.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from monitor.clock import to_datetime
from monitor.events import Record
from monitor.routing.alertmanager import PostableAlert
from schemas.alert import AlertEvent

RESENDS_UNTIL_RESOLVED = 4
"""Missed resends after which Alertmanager may call an alert resolved, as for Prometheus' own."""
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
        self._open: dict[str, OpenAlert] = {}
        self._ended: dict[str, PostableAlert] = {}
        """Ended, and not yet posted as such."""

    def take(self, record: Record) -> None:
        """Take one record of the state topic: a move, or the tombstone of what has ended."""
        fingerprint = (record.key or b"").decode("utf-8", "replace")
        at = to_datetime(record.timestamp * _US_PER_MS)
        if record.value is None:
            ended = self._open.pop(fingerprint, None)
            if ended is not None:
                self._ended[fingerprint] = _postable(ended, ends_at=at)
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
        on = [_postable(alert, ends_at=ends_at) for alert in self._open.values()]
        return [*on, *self._ended.values()]

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


def _postable(alert: OpenAlert, *, ends_at: datetime) -> PostableAlert:
    entry = alert.event.data.alerts[0]
    annotations = {
        **entry.annotations,
        "state": alert.event.state,
        "reason": alert.event.reason,
        "event_time_start": entry.startsAt.isoformat(),
        "fingerprint": entry.fingerprint,
    }
    if alert.event.offsets:
        annotations["offsets"] = alert.event.offsets
    return PostableAlert(
        labels=entry.labels,
        annotations=annotations,
        starts_at=min(alert.since, ends_at),
        ends_at=ends_at,
        generator_url=entry.generatorURL,
    )

"""The heartbeats of the workers, as alerts: one that always fires, one where a heart has stopped.

In: heartbeats from the topic of current alerts. Out: `Heartbeat`, on for as long as every partition
has a fresh one, for a dead-man's switch outside; `HeartbeatMissing` for people as soon as one is
late. Never: a heartbeat made up: where the router, the broker or Alertmanager is away, it stops.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from monitor.clock import to_datetime
from monitor.events import Record
from monitor.routing.alertmanager import PostableAlert
from schemas.heartbeat import Beat, Heartbeat

LATE_AFTER_INTERVALS: Final = 3
"""Heartbeats that may be missed."""
RESENDS_UNTIL_RESOLVED: Final = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Heard:
    beat: Beat
    at: datetime
    """When the broker took it."""


class Heartbeats:
    """The last heartbeat of each partition."""

    def __init__(self) -> None:
        self._heard: dict[int, _Heard] = {}
        self._since: datetime | None = None
        """Since when all beat."""
        self._missing_since: datetime | None = None

    def take(self, record: Record) -> None:
        """Take one heartbeat; what is none is logged and left out."""
        if record.value is None:
            return
        try:
            beat = Heartbeat.model_validate_json(record.value).data
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)[:3]
            log.warning("offset %d is no heartbeat: %s", record.offset, problems)
            return
        self._heard[beat.partition] = _Heard(beat, to_datetime(record.timestamp * 1_000))

    def late(self, now: datetime) -> list[int]:
        """The partitions on which nobody works any more, as far as anybody can tell."""
        partitions = max((one.beat.partitions for one in self._heard.values()), default=0)
        return [number for number in range(partitions) if not self._fresh(number, now)]

    def to_post(self, now: datetime, resend_interval: timedelta) -> list[PostableAlert]:
        """The two alerts as they stand now; nothing before the first heartbeat."""
        if not self._heard:
            return []
        late = self.late(now)
        if late:
            self._since, self._missing_since = None, self._missing_since or now
            return [self._missing(late, now, now + RESENDS_UNTIL_RESOLVED * resend_interval)]
        posted = []
        self._since = self._since or now
        if self._missing_since is not None:
            posted.append(self._missing([], now, now))
            self._missing_since = None
        last = max(self._heard.values(), key=lambda heard: heard.at)
        words = f"Plumbline works on all {last.beat.partitions} partitions"
        posted.append(
            PostableAlert(
                labels=self._labels("Heartbeat", "info"),
                annotations={
                    "summary": f"{words}; when this stops, somebody has to look at the monitor.",
                    "lag_events": str(last.beat.lag_events),
                    "firing_alerts": str(sum(self._firing_by_slot().values())),
                },
                starts_at=self._since,
                ends_at=now + RESENDS_UNTIL_RESOLVED * resend_interval,
            )
        )
        return posted

    def _fresh(self, number: int, now: datetime) -> bool:
        heard = self._heard.get(number)
        if heard is None:
            return False
        return now - heard.at <= LATE_AFTER_INTERVALS * timedelta(seconds=heard.beat.interval_s)

    def _missing(self, late: list[int], now: datetime, ends_at: datetime) -> PostableAlert:
        names = ", ".join(str(number) for number in late)
        words = f"nobody works on partitions {names} of the predictions" if late else "all beat"
        return PostableAlert(
            labels=self._labels("HeartbeatMissing", "critical"),
            annotations={
                "summary": f"Plumbline: {words}; their models are not watched. "
                "Check first: do the workers run (`plumbline doctor`).",
            },
            starts_at=self._missing_since or now,
            ends_at=ends_at,
        )

    def _labels(self, alertname: str, severity: str) -> dict[str, str]:
        group = next(iter(self._heard.values())).beat.group
        return {
            "alertname": alertname,
            "severity": severity,
            "category": "heartbeat" if severity == "info" else "monitor",
            "group": group,
        }

    def _firing_by_slot(self) -> dict[str, int]:
        return {one.beat.slot: one.beat.firing_alerts for one in self._heard.values()}

"""`AlertSubscriber`: what a team runs to act on its alerts by program.

In: the alert topic, under a consumer group of the caller's own or without one. Out: `AlertEvent`s,
committed ones only, each at least once, one id once in a subscriber's life. Never: an offset
committed before the caller has come back for the next alert, so that an alert that the caller died
over comes again.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Final, Self

from kafka.errors import AuthorizationError, KafkaError

from monitor.config import Settings
from monitor.errors import BrokerError, ConfigError
from monitor.events import Record
from monitor.intake.alerts import parse_alerts
from monitor.intake.consumer import connect
from monitor.intake.follower import TopicFollower
from schemas.alert import AlertEvent

WAIT_MS: Final = 500
REMEMBERED_IDS: Final = 100_000

log = logging.getLogger(__name__)


class AlertSubscriber:
    """The alert moves that concern somebody, from where the group left off.

    Parameters
    ----------
    settings
        Where the broker is and how the topics are called.
    group
        Consumer group that remembers the place; a new one begins with the oldest alert. None: no
        place is remembered, as for a terminal.
    from_beginning
        Without a group: give the alerts of the past first. With one, its place counts.
    owner, model, severity
        Only alerts with this owner (the card's team), of this model, of this severity.

    Iterating waits for more, without end; `stop` ends it after the alert in hand. Raises
    BrokerError when no broker answers at the start, ConfigError where the account may not read.

    Ten lines that page somebody::

        from monitor.config import load_settings
        from monitor.intake.subscriber import AlertSubscriber

        with AlertSubscriber(load_settings(), group="pager", owner="flight-operations") as alerts:
            for alert in alerts:
                entry = alert.data.alerts[0]
                if alert.state == "firing":
                    page(entry.annotations["summary"], key=alert.subject)
                elif alert.state in ("resolved", "superseded"):
                    unpage(key=alert.subject)
    """

    def __init__(
        self,
        settings: Settings,
        *,
        group: str | None,
        from_beginning: bool = True,
        owner: str | None = None,
        model: str | None = None,
        severity: str | None = None,
    ) -> None:
        self._asked = {"owner": owner, "model": model, "severity": severity}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._stopped = False
        self._consumer: Any = None
        self._follower: TopicFollower | None = None
        topic = settings.kafka.topics.alerts
        if group is None:
            self._follower = TopicFollower(settings.kafka, topic)
            if not from_beginning:
                self._follower.skip_to_end()
            return
        try:
            self._consumer = connect(
                settings.kafka, group_id=group, auto_offset_reset="earliest", max_poll_records=500
            )
            self._consumer.subscribe([topic])
        except AuthorizationError as error:
            raise ConfigError(
                f"the account may not read {topic} as group {group!r}: {error}; grant Read on both"
            ) from error
        except KafkaError as error:
            raise BrokerError(
                f"no alerts from Kafka {settings.kafka.bootstrap_servers}: {error}"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[AlertEvent]:
        while not self._stopped:
            try:
                records = self._poll()
                for event in self._mine(records):
                    yield event
                    if self._stopped:
                        return
                if records and self._consumer is not None:
                    self._consumer.commit()
            except AuthorizationError as error:
                raise ConfigError(f"the account may not read the alerts: {error}") from error
            except KafkaError as error:
                log.warning("waiting for the alert topic: %s", error)

    def so_far(self) -> Iterator[AlertEvent]:
        """Up to the end that the topic has now; for a subscriber without a group."""
        if self._follower is None:
            raise ValueError("a subscriber with a group goes on from its place: iterate over it")
        yield from self._mine(self._follower.read_all())

    def stop(self) -> None:
        """End the iteration after the alert in hand; callable from another thread."""
        self._stopped = True

    def close(self) -> None:
        """Leave the group."""
        if self._follower is not None:
            self._follower.close()
        if self._consumer is not None:
            self._consumer.close(autocommit=False)

    def _poll(self) -> list[Record]:
        if self._follower is not None:
            return self._follower.poll(WAIT_MS)
        batches = self._consumer.poll(WAIT_MS)
        return [record for batch in batches.values() for record in batch]

    def _mine(self, records: Iterable[Record]) -> Iterator[AlertEvent]:
        for event in parse_alerts(records):
            if self._is_new(event) and self._concerns(event):
                yield event

    def _is_new(self, event: AlertEvent) -> bool:
        if event.id in self._seen:
            return False
        self._seen[event.id] = None
        if len(self._seen) > REMEMBERED_IDS:
            self._seen.popitem(last=False)
        return True

    def _concerns(self, event: AlertEvent) -> bool:
        entry = event.data.alerts[0]
        found = {
            "owner": entry.annotations.get("owner"),
            "model": event.model,
            "severity": entry.labels.get("severity"),
        }
        return all(asked is None or found[name] == asked for name, asked in self._asked.items())

"""The alert topic as its subscribers see it: typed, committed moves only.

In: the topic. Out: `AlertEvent`s in order. Never: an unreadable record to the caller; it is logged
and skipped, so that a newer producer cannot stop an older subscriber.
"""

import logging
from collections.abc import Iterable, Iterator

from pydantic import ValidationError

from monitor.config import Settings
from monitor.events import Record
from monitor.intake.follower import TopicFollower
from schemas.alert import AlertEvent

log = logging.getLogger(__name__)


def read_alerts(settings: Settings) -> Iterator[AlertEvent]:
    """Every alert move up to the end that the topic has now."""
    follower = TopicFollower(settings.kafka, settings.kafka.topics.alerts)
    try:
        yield from parse_alerts(follower.read_all())
    finally:
        follower.close()


def parse_alerts(records: Iterable[Record]) -> Iterator[AlertEvent]:
    """The readable ones of `records`."""
    for record in records:
        if record.value is None:
            continue
        try:
            yield AlertEvent.model_validate_json(record.value)
        except ValidationError as error:
            log.warning(
                "%s[%d] offset %d is no alert event this release can read: %s",
                record.topic,
                record.partition,
                record.offset,
                error.errors(include_url=False, include_input=False)[:3],
            )

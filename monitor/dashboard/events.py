"""The newest predictions of a model, and what was refused of it.

In: a bounded number of raw rows. Out: rows for a table. Never: more than `MOST` predictions.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from monitor.dashboard.panel import NothingToShowError
from monitor.dashboard.sources import Sources
from monitor.storage.page_queries import NEWEST_EVENTS, REJECTIONS_OF_MODEL

MOST: Final = 12


@dataclass(frozen=True, slots=True)
class EventRow:
    """One prediction in a list."""

    event_id: str
    model_version: str
    occurred_at: datetime
    prediction: str
    score: float | None
    status: str
    faults: dict[str, str]


@dataclass(frozen=True, slots=True)
class RejectionCount:
    """Refused records of one reason."""

    reason: str
    records: int
    last_at: datetime


def recent_events(sources: Sources, model: str, since: datetime) -> tuple[EventRow, ...]:
    """The newest predictions by event time, none older than `since`: what bounds the search."""
    asked = {"model": model, "since": since, "limit": MOST}
    rows = sources.reader.rows(NEWEST_EVENTS, asked)
    if not rows:
        raise NothingToShowError("No prediction of this model is stored.")
    return tuple(EventRow(**{name: row[name] for name in EventRow.__slots__}) for row in rows)


def rejections(sources: Sources, model: str) -> tuple[RejectionCount, ...]:
    """What was refused, by first reason."""
    rows = sources.reader.rows(REJECTIONS_OF_MODEL, {"model": model})
    if not rows:
        raise NothingToShowError("No record that named this model was refused.")
    return tuple(RejectionCount(**row) for row in rows)

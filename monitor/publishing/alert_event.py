"""Alert moves as records of the alert topics.

In: `AlertMove`. Out: `schemas.AlertEvent` (CloudEvents around an Alertmanager v4 body), keyed by
fingerprint, for two topics: `alerts`, the log of every move, and `alerts.state`, which compaction
keeps down to the current state. There an alert that has ended (resolved, superseded) is a
tombstone, so that the topic read from its start is the table of the alerts that are on, and does
not grow with every version that ever drifted; how it ended stands in the log.
"""

import math
from collections.abc import Iterable
from itertools import islice

from monitor.alerts import AlertMove, AlertState
from monitor.clock import to_datetime
from monitor.config import TopicSettings
from monitor.findings import Measurement, Span
from monitor.publishing.outgoing import Outgoing
from schemas.alert import AlertBody, AlertEntry, AlertEvent

ENDED = (AlertState.RESOLVED, AlertState.SUPERSEDED)
MAX_REASON_CHARS = 2_000
MAX_ANNOTATION_CHARS = 4_000
MAX_VALUES = 500
"""Bounds that keep any alert far below what Kafka takes: a card may hold a runbook of any size."""


def alert_event(move: AlertMove) -> AlertEvent:
    """The contract's record of one move."""
    finding = move.finding
    ended = move.state in ENDED
    labels = dict(move.labels)
    annotations = {name: _short(text) for name, text in move.annotations.items()}
    moved_at = to_datetime(move.moved_us)
    entry = AlertEntry(
        status="resolved" if ended else "firing",
        labels=labels,
        annotations=annotations,
        startsAt=to_datetime(move.starts_us),
        endsAt=moved_at if ended else None,
        generatorURL=move.url,
        fingerprint=move.fingerprint,
        values=measured(finding.measurement),
    )
    return AlertEvent(
        id=move.event_id,
        source=f"/plumbline/{finding.model}",
        subject=move.fingerprint,
        time=moved_at,
        state=move.state.value,
        previousstate=None if move.previous is None else move.previous.value,
        reason=move.reason[:MAX_REASON_CHARS],
        clock=finding.clock,
        model=finding.model,
        offsets=offset_range(finding.span),
        data=AlertBody(
            groupKey=_group_key(labels),
            status=entry.status,
            groupLabels=labels,
            commonLabels=labels,
            commonAnnotations=annotations,
            alerts=(entry,),
        ),
    )


def alert_records(moves: Iterable[AlertMove], topics: TopicSettings) -> list[Outgoing]:
    """What to publish for the moves that anybody outside may see, in their order."""
    records: list[Outgoing] = []
    for move in moves:
        if not move.published:
            continue
        key, value = move.fingerprint.encode(), alert_event(move).to_json()
        state = None if move.state in ENDED else value
        records.append(Outgoing(topics.alerts, key, value))
        records.append(Outgoing(topics.alerts_state, key, state))
    return records


def measured(measurement: Measurement) -> dict[str, float]:
    """The numbers that carry the claim; one that is not finite has no place in JSON.

    The names of the measurement itself win over `measurement.values`, of which so many are told.
    """
    numbers: dict[str, float] = {
        **dict(islice(measurement.values.items(), MAX_VALUES)),
        "statistic": measurement.statistic,
        "effect": measurement.effect,
        "threshold": measurement.threshold,
        "p_value": measurement.p_value,
        "n_ref": measurement.n_ref,
        "n_cur": measurement.n_cur,
        "n_effective": measurement.n_effective,
        "smallest_visible": measurement.smallest_visible,
    }
    return {name: float(value) for name, value in numbers.items() if math.isfinite(value)}


def _short(text: str) -> str:
    """At most MAX_ANNOTATION_CHARS, and it says so where it was cut."""
    cut = " ... (cut)"
    if len(text) <= MAX_ANNOTATION_CHARS:
        return text
    return text[: MAX_ANNOTATION_CHARS - len(cut)] + cut


def offset_range(span: Span) -> str:
    """The evidence in the log, ends inclusive.

    >>> offset_range(Span("plumbline.predictions", 3, 0, 999, 4000, 4999, 0, 0))
    'plumbline.predictions:3:4000-4999'
    """
    return f"{span.topic}:{span.partition}:{span.first_offset}-{span.last_offset}"


def _group_key(labels: dict[str, str]) -> str:
    """Alertmanager's spelling of a group: the route (here the root), then the labels."""
    quoted = []
    for name in sorted(labels):
        value = labels[name].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        quoted.append(f'{name}="{value}"')
    return "{}:{" + ", ".join(quoted) + "}"

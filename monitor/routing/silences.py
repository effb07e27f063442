"""Silences, both ways: made in Plumbline, known in Alertmanager; made there, known here.

In: alerts that are on, silences of the Alertmanager. Out: silences to make there, commands to send
here. Never: an echo: what came from the other side carries its origin and is not sent back.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.routing.alertmanager import Matcher, Silence
from monitor.routing.open_alerts import OpenAlert, routed_labels
from schemas.command import Command

ORIGIN = "plumbline silence of "
"""With what the comment of a silence begins that came from here."""
COMMAND_PREFIX = "alertmanager-"
"""With what the id of a command begins that came from there."""


@dataclass(frozen=True, slots=True)
class NewSilence:
    """A silence to make in Alertmanager."""

    matchers: tuple[Matcher, ...]
    ends_at: datetime
    created_by: str
    comment: str


def to_alertmanager(
    alerts: Iterable[OpenAlert], known: Sequence[Silence], now: datetime
) -> list[NewSilence]:
    """Silences of alerts that people silenced here and that Alertmanager does not have yet."""
    there = {(one.comment, one.ends_at) for one in known}
    wanted = []
    for alert in alerts:
        entry = alert.event.data.alerts[0]
        marks = entry.annotations
        until, who = marks.get("silenced_until"), marks.get("silenced_by", "")
        if until is None or marks.get("silenced_id", "").startswith(COMMAND_PREFIX):
            continue
        ends_at = datetime.fromisoformat(until)
        comment = f"{ORIGIN}{entry.fingerprint}: {marks.get('silenced_why', '')}".rstrip(": ")
        if ends_at > now and (comment, ends_at) not in there:
            matchers = tuple(Matcher(name=n, value=v) for n, v in sorted(entry.labels.items()))
            wanted.append(NewSilence(matchers, ends_at, who or "plumbline", comment))
    return wanted


def to_plumbline(
    alerts: Iterable[OpenAlert], silences: Iterable[Silence], now: datetime
) -> list[Command]:
    """Commands for the alerts that active silences of Alertmanager's own cover.

    The id names silence, end and alert: the same one sent again is the same command.
    """
    own = [s for s in silences if s.status.state == "active" and not s.comment.startswith(ORIGIN)]
    commands = []
    for alert in alerts:
        entry = alert.event.data.alerts[0]
        for silence in own:
            if silence.ends_at <= now or not matches(silence.matchers, routed_labels(alert)):
                continue
            ends = int(silence.ends_at.timestamp())
            commands.append(
                Command(
                    command_id=f"{COMMAND_PREFIX}{silence.id}-{ends}-{entry.fingerprint}",
                    model=entry.labels["model"],
                    action="silence",
                    fingerprint=entry.fingerprint,
                    who=silence.created_by[:200] or "alertmanager",
                    why=silence.comment or "silenced in Alertmanager",
                    issued_at=max(silence.starts_at, alert.since),
                    until=silence.ends_at,
                )
            )
    return commands


def matches(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether a silence covers labels: every matcher holds; a missing label is "".

    A regular expression that Python cannot read matches nothing.

    >>> matches([Matcher(name="model", value="fl.*", is_regex=True)], {"model": "flights"})
    True
    >>> matches([Matcher(name="model", value="a", is_equal=False)], {"model": "a"})
    False
    """
    return all(
        _holds(matcher, labels.get(matcher.name, "")) is matcher.is_equal for matcher in matchers
    )


def _holds(matcher: Matcher, value: str) -> bool:
    if not matcher.is_regex:
        return value == matcher.value
    try:
        return re.fullmatch(matcher.value, value) is not None
    except re.error:
        return not matcher.is_equal

"""Alerts: the list, and one alert with its evidence, its moves and what people decided.

In: alert moves, commands and findings as stored. Out: `AlertList`, `AlertPage`. Never: the broker;
what is not stored yet is not shown yet.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from monitor.clock import to_datetime
from monitor.dashboard.panel import NothingToShowError
from monitor.dashboard.sources import Sources
from monitor.dashboard.stretch import Stretch
from monitor.errors import NotFoundError
from monitor.storage.alert_queries import (
    ALERT_LIST,
    ALERT_NOW,
    ALERTS_BEHIND,
    EFFECT_LINES,
    RECENT_MOVES,
)
from monitor.storage.queries import COMMANDS_OF_ALERT, MOVES_OF_ALERT

MOST_ALERTS: Final = 300
OPEN: Final = ("firing", "recovering", "stale")
_BEFORE: Final = timedelta(days=7)
_POINTS: Final = 120
_NO_END: Final = to_datetime(0)


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert in a list."""

    fingerprint: str
    model: str
    model_version: str
    alertname: str
    severity: str
    category: str
    feature: str
    segment: str
    state: str
    reason: str
    starts_at: datetime
    moved_at: datetime
    check: str
    scale: int
    effect: float
    limit: float
    owner: str
    acknowledged_by: str
    silenced_by: str
    cause: str
    """The alert that is nearer to the cause, empty for one that stands for itself."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        return " ".join(part for part in (self.alertname, self.feature, self.segment) if part)


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One move of any alert."""

    fingerprint: str
    model: str
    model_version: str
    alertname: str
    feature: str
    segment: str
    severity: str
    state: str
    previous: str
    reason: str
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class Number:
    """One measured number of the evidence."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one alert rests on, as of its last move."""

    sentence: str
    check: str
    scale: int
    verdict: str
    numbers: tuple[Number, ...]
    ranked: tuple[Number, ...]
    """Further numbers by column or name, the largest first."""
    offsets: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of an alert's timeline: a move, or what a person decided."""

    at: datetime
    kind: str
    """move or decision."""
    what: str
    who: str
    words: str
    until: datetime | None
    done: bool
    """Whether a decision had its effect; a move always has."""


@dataclass(frozen=True, slots=True)
class Behind:
    """Another alert of the same incident."""

    fingerprint: str
    alertname: str
    feature: str
    segment: str
    severity: str
    state: str
    reason: str
    starts_at: datetime
    inhibited_here: bool
    """Whether this alert is its cause."""


@dataclass(frozen=True, slots=True)
class EffectLine:
    """The effect of one test at one scale over time."""

    check: str
    scale: int
    times: tuple[datetime, ...]
    effect: tuple[float, ...]
    limit: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """An alert as it stands."""

    row: AlertRow
    open: bool
    clock: bool
    annotations: dict[str, str]
    newest_at: datetime
    """Event time of the newest event known of its model, at least that of its last move."""
    evidence: Evidence


def alert_list(
    sources: Sources, *, model: str = "", severity: str = "", ended: bool = False
) -> tuple[AlertRow, ...]:
    """Open alerts, the newest first, then (with `ended`) those that are over."""
    asked = {"model": model, "severity": severity, "ended": ended, "limit": MOST_ALERTS}
    rows = tuple(_row(row) for row in sources.reader.rows(ALERT_LIST, asked))
    if not rows:
        raise NothingToShowError(
            "No alert matches." if ended or model or severity else "No alert is on. All is plumb."
        )
    return rows


def recent_moves(sources: Sources, model: str = "", limit: int = 15) -> tuple[MoveRow, ...]:
    """The newest published moves."""
    rows = sources.reader.rows(RECENT_MOVES, {"model": model, "limit": limit})
    if not rows:
        raise NothingToShowError("No alert has moved yet.")
    return tuple(MoveRow(**row) for row in rows)


def alert_facts(sources: Sources, fingerprint: str) -> AlertFacts:
    """One alert; raises NotFoundError where there is none."""
    rows = sources.reader.rows(ALERT_NOW, {"fingerprint": fingerprint})
    if not rows:
        raise NotFoundError(f"no alert with fingerprint {fingerprint} was ever stored")
    [now] = rows
    seen = [facts.last_at for facts in sources.versions(now["model"])]
    limit = now["smallest_visible"]
    limit = limit if limit == limit else now["threshold"]  # NaN is not equal to itself
    return AlertFacts(
        row=_row({**now, "limit": limit}),
        open=now["state"] in OPEN,
        clock=now["clock"],
        annotations=dict(now["annotations"]),
        newest_at=max([now["moved_at"], *seen]),
        evidence=_evidence(now),
    )


def timeline(sources: Sources, fingerprint: str) -> tuple[Moment, ...]:
    """Moves and decisions, the newest first."""
    asked = {"fingerprint": fingerprint}
    moments = [
        Moment(row["moved_at"], "move", row["state"], "", row["reason"], None, True)
        for row in sources.reader.rows(MOVES_OF_ALERT, asked)
    ]
    for row in sources.reader.rows(COMMANDS_OF_ALERT, asked):
        until = row["until"] if row["until"] > _NO_END else None
        words = f"{row['why']} ({row['effect']})" if row["effect"] else row["why"]
        moments.append(
            Moment(
                at=row["issued_at"],
                kind="decision",
                what=row["action"],
                who=row["who"],
                words=words,
                until=until,
                done=row["done"],
            )
        )
    if not moments:
        raise NothingToShowError("It never fired: it was pending and not confirmed.")
    moments.sort(key=lambda moment: moment.at)  # stable: the log's order within a moment
    return tuple(reversed(moments))


def behind(sources: Sources, facts: AlertFacts) -> tuple[Behind, ...]:
    """The other alerts of its incident, those that it is the cause of first."""
    asked = {
        "model": facts.row.model,
        "fingerprint": facts.row.fingerprint,
        "incident": facts.annotations.get("incident", ""),
    }
    rows = sources.reader.rows(ALERTS_BEHIND, asked)
    if not rows:
        raise NothingToShowError("It stands alone: no other alert belongs to its incident.")
    return tuple(
        Behind(
            fingerprint=row["fingerprint"],
            alertname=row["alertname"],
            feature=row["feature"],
            segment=row["segment"],
            severity=row["severity"],
            state=row["state"],
            reason=row["reason"],
            starts_at=row["starts_at"],
            inhibited_here=row["inhibited_by"] == facts.row.fingerprint,
        )
        for row in rows
    )


def effect_lines(sources: Sources, facts: AlertFacts) -> tuple[EffectLine, ...]:
    """Effect and threshold of its tests, from a week before it began."""
    row = facts.row
    since = row.starts_at - _BEFORE
    stretch = Stretch.between(since, row.moved_at + timedelta(seconds=1), _POINTS)
    asked = {
        "model": row.model,
        "version": row.model_version,
        "alertname": row.alertname,
        "feature": row.feature,
        "segment": row.segment,
        **stretch.values(),
    }
    lines: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for found in sources.reader.rows(EFFECT_LINES, asked):
        lines.setdefault((found["check"], found["scale"]), []).append(found)
    if not lines:
        raise NothingToShowError("Its test keeps no measurements over time.")
    return tuple(
        EffectLine(
            check,
            scale,
            tuple(found["at"] for found in of_line),
            tuple(found["largest"] for found in of_line),
            tuple(found["limit"] for found in of_line),
        )
        for (check, scale), of_line in lines.items()
    )


def _row(row: dict[str, Any]) -> AlertRow:
    told = row["annotations"]
    own = {name: row[name] for name in AlertRow.__slots__ if name in row}
    return AlertRow(
        **own,
        owner=told.get("owner", ""),
        acknowledged_by=told.get("acknowledged_by", ""),
        silenced_by=told.get("silenced_by", ""),
        cause=told.get("cause", ""),
    )


def _evidence(now: dict[str, Any]) -> Evidence:
    names = ("effect", "threshold", "smallest_visible", "p_value", "n_ref", "n_cur", "n_effective")
    numbers = [Number(name, float(now[name])) for name in names]
    ranked = [Number(name, value) for name, value in now["values"].items()]
    ranked.sort(key=lambda number: (-abs(number.value), number.name))
    return Evidence(
        sentence=now["annotations"].get("summary") or now["reason"],
        check=now["check"],
        scale=now["scale"],
        verdict=now["verdict"],
        numbers=tuple(number for number in numbers if number.value == number.value),
        ranked=tuple(ranked[:40]),
        offsets=f"{now['topic']}:{now['partition']}:{now['first_offset']}-{now['last_offset']}",
        since=now["started_at"],
        until=now["ended_at"],
    )

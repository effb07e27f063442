"""All models at a glance: health, owner, traffic, open alerts, last event.

In: cards, pane summaries and open alerts, each asked once for all models. Out: an `Overview`, the
models with trouble first. Never: more rows than a person can read.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from monitor.dashboard.panel import NothingToShowError
from monitor.dashboard.sources import PANE_EVENTS, Sources, VersionFacts
from monitor.dashboard.stretch import Stretch, stretch_of
from monitor.storage.alert_queries import OPEN_BY_MODEL
from monitor.storage.page_queries import REGISTERED_MODELS, TRAFFIC_OF_ALL

MOST_MODELS: Final = 200

Health = Literal["critical", "warning", "silent", "untested", "ok"]
_ORDER: Final[tuple[Health, ...]] = ("critical", "warning", "silent", "untested", "ok")


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of the list."""

    model: str
    model_version: str
    versions: int
    task: str
    owner: str
    contact: str
    health: Health
    words: str
    """Why it has that health."""
    critical: int
    warnings: int
    inhibited: int
    """Of the open alerts, those behind a nearer cause."""
    events: int
    """In the stretch."""
    traffic: tuple[int, ...]
    """Events by bucket of the stretch."""
    last_at: datetime | None
    """Event time of its newest tested event."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Models, those with trouble first."""

    since: datetime
    until: datetime
    bucket: str
    models: tuple[ModelRow, ...]
    total: int
    """Models that match, of which at most MOST_MODELS are listed."""
    by_health: dict[str, int]


def overview(
    sources: Sources,
    name: str,
    since: datetime | None,
    until: datetime | None,
    search: str,
) -> Overview:
    """The models whose name or owner contains `search`."""
    cards = {row["model"]: row for row in sources.reader.rows(REGISTERED_MODELS)}
    versions: dict[str, list[VersionFacts]] = defaultdict(list)
    for facts in sources.all_versions():
        versions[facts.model].append(facts)
    alerts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sources.reader.rows(OPEN_BY_MODEL):
        alerts[row["model"]].append(row)
    models = sorted({*cards, *versions, *alerts})
    if not models:
        raise NothingToShowError(
            "No model is registered and none has sent events: `plumbline demo` shows one, "
            "`plumbline init` begins one of yours."
        )
    known = [facts for of_model in versions.values() for facts in of_model]
    stretch = _stretch(name, since, until, known)
    traffic = _traffic(sources, stretch) if known else {}
    wanted = search.lower()
    rows = [
        _row(model, cards.get(model), versions[model], alerts[model], traffic.get(model), stretch)
        for model in models
    ]
    rows = [row for row in rows if wanted in f"{row.model} {row.owner}".lower()]
    rows.sort(key=lambda row: (_ORDER.index(row.health), row.model))
    by_health: dict[str, int] = {
        health: sum(row.health == health for row in rows) for health in _ORDER
    }
    shown = tuple(rows[:MOST_MODELS])
    return Overview(stretch.since, stretch.until, stretch.width, shown, len(rows), by_health)


def _stretch(
    name: str, since: datetime | None, until: datetime | None, known: list[VersionFacts]
) -> Stretch:
    if not known:
        begin = since or datetime.fromisoformat("1970-01-01T00:00:00+00:00")
        return stretch_of(name, since, until, begin, until or begin)
    first_at = min(facts.first_at for facts in known)
    last_at = max(facts.last_at for facts in known)
    panes = max(facts.events for facts in known) / PANE_EVENTS
    return stretch_of(name, since, until, first_at, last_at, panes)


def _traffic(sources: Sources, stretch: Stretch) -> dict[str, list[int]]:
    counts: dict[str, list[int]] = {}
    for row in sources.reader.rows(TRAFFIC_OF_ALL, stretch.values()):
        line = counts.setdefault(row["model"], [0] * stretch.buckets)
        if 0 <= row["bucket"] < len(line):
            line[row["bucket"]] += row["events"]
    return counts


def _row(
    model: str,
    card: dict[str, Any] | None,
    versions: list[VersionFacts],
    alerts: list[dict[str, Any]],
    traffic: list[int] | None,
    stretch: Stretch,
) -> ModelRow:
    line = tuple(traffic or [0] * stretch.buckets)
    by_severity = {row["severity"]: row["alerts"] for row in alerts}
    critical, warnings = by_severity.get("critical", 0), by_severity.get("warning", 0)
    silent = sum(row["silent"] for row in alerts)
    newest = max(versions, key=lambda facts: facts.last_at, default=None)
    health, words = _health(critical, warnings, silent, card, newest)
    return ModelRow(
        model=model,
        model_version=card["model_version"] if card else newest.model_version if newest else "",
        versions=max(card["versions"] if card else 0, len(versions)),
        task=card["task"] if card else "",
        owner=card["owner_team"] if card else "",
        contact=card["owner_contact"] if card else "",
        health=health,
        words=words,
        critical=critical,
        warnings=warnings,
        inhibited=sum(row["inhibited"] for row in alerts),
        events=sum(line),
        traffic=line,
        last_at=newest.last_at if newest else None,
    )


def _health(
    critical: int,
    warnings: int,
    silent: int,
    card: dict[str, Any] | None,
    newest: VersionFacts | None,
) -> tuple[Health, str]:
    """How a model is, and why."""
    if silent:
        return "silent", "its events stopped or thinned"
    if critical:
        return "critical", f"{critical} critical on"
    if card is None:
        return "untested", "sends events, not registered"
    if warnings:
        return "warning", f"{warnings} {'warning' if warnings == 1 else 'warnings'} on"
    if not card["profile_hash"]:
        return "untested", "no reference profile"
    if newest is None:
        return "untested", "no events yet"
    return "ok", "no alert on"

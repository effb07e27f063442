"""One model: every panel of its page, asked beside each other.

In: the name and what the address asks for. Out: a `ModelPage`, which is the page and its JSON.
Never: a page that fails because one panel does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from monitor.clock import to_datetime
from monitor.dashboard.alerts import AlertRow, alert_list
from monitor.dashboard.asked import Asked
from monitor.dashboard.budget import Budget, budget
from monitor.dashboard.distribution import Distribution, distribution
from monitor.dashboard.events import EventRow, RejectionCount, recent_events, rejections
from monitor.dashboard.heat import OUTPUTS, HeatMap, Quality, drift, quality
from monitor.dashboard.panel import Asking, Panel, aged
from monitor.dashboard.performance import (
    Calibration,
    Cohorts,
    Comparison,
    Performance,
    Segments,
    calibration,
    comparison,
    performance,
    segments,
)
from monitor.dashboard.sources import PANE_EVENTS, CardFacts, Sources, VersionAsked, VersionFacts
from monitor.dashboard.stretch import Stretch, stretch_of
from monitor.dashboard.traffic import Levels, Traffic, levels, traffic
from monitor.errors import NotFoundError
from schemas.model import ModelCard


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version beside the others."""

    model_version: str
    registered_at: datetime | None
    previous_version: str
    retrain_reason: str
    dataset_fingerprint: str
    profile_hash: str
    events: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What stands at the head of a model's page."""

    model: str
    model_version: str
    description: str
    task: str
    owner: str
    contact: str
    escalation: str
    runbook: str
    registered: bool
    columns: tuple[str, ...]
    """Features and outputs that are tested, in the card's order."""
    last_at: datetime | None
    stored_at: datetime | None


@dataclass(frozen=True, slots=True)
class ModelPage:
    """The page."""

    facts: ModelFacts
    since: datetime
    until: datetime
    bucket: str
    column: str
    """The column whose distribution is shown."""
    versions: tuple[VersionRow, ...]
    alerts: Panel[tuple[AlertRow, ...]]
    traffic: Panel[Traffic]
    drift: Panel[HeatMap]
    distribution: Panel[Distribution]
    score: Panel[Levels]
    performance: Panel[Performance]
    calibration: Panel[Calibration]
    comparison: Panel[Comparison]
    segments: Panel[Segments]
    quality: Panel[Quality]
    budget: Panel[Budget]
    rejections: Panel[tuple[RejectionCount, ...]]
    events: Panel[tuple[EventRow, ...]]


def model_page(
    sources: Sources, asking: Asking, model: str, asked: Asked, now: datetime
) -> ModelPage:
    """Everything about one model; raises NotFoundError where nobody ever heard of it."""
    cards = sources.cards(model)
    tested = sources.versions(model)
    if not cards and not tested:
        raise NotFoundError(f"no model {model} is registered, and none has sent tested events")
    version = asked.version or _shown_version(cards, tested)
    card = next((each.card for each in cards if each.card.model_version == version), None)
    own = next((each for each in tested if each.model_version == version), None)
    stretch = _stretch(asked, tested)
    columns = _columns(card)
    one = VersionAsked(model, version, card)
    cohorts = Cohorts(sources, one, stretch)
    column = asked.feature or _first_output(columns)
    since, until = asked.window_from or stretch.since, asked.window_to or stretch.until
    end = own.last_at + timedelta(microseconds=1) if own else stretch.until
    asks: dict[str, Callable[[], Any]] = {
        "alerts": lambda: alert_list(sources, model=model),
        "traffic": lambda: traffic(sources, model, stretch),
        "drift": lambda: drift(sources, model, version, stretch),
        "distribution": lambda: distribution(sources, one, column, since, until),
        "score": lambda: levels(sources, one, _level_column(card), stretch),
        "performance": lambda: performance(cohorts),
        "calibration": lambda: calibration(cohorts),
        "comparison": lambda: comparison(sources, one),
        "segments": lambda: segments(sources, one, stretch),
        "quality": lambda: quality(sources, model, version, stretch),
        "budget": lambda: budget(sources, one, end),
        "rejections": lambda: rejections(sources, model),
        "events": lambda: recent_events(sources, model, _lately(tested)),
    }
    panels = asking.panels(asks)
    panels["traffic"] = aged(panels["traffic"], own.age(now) if own else "")
    return ModelPage(
        facts=_facts(model, version, card, own, columns),
        since=stretch.since,
        until=stretch.until,
        bucket=stretch.width,
        column=column,
        versions=_versions(cards, tested),
        **panels,
    )


def _shown_version(cards: list[CardFacts], tested: list[VersionFacts]) -> str:
    """The version that had the newest event, else the one registered last."""
    if tested:
        return max(tested, key=lambda facts: facts.last_at).model_version
    return cards[0].card.model_version


def _stretch(asked: Asked, tested: list[VersionFacts]) -> Stretch:
    if not tested:
        now = asked.to or asked.since or datetime.fromisoformat("1970-01-01T00:00:00+00:00")
        return stretch_of(asked.range, asked.since, asked.to, now, now)
    first_at = min(facts.first_at for facts in tested)
    last_at = max(facts.last_at for facts in tested)
    panes = sum(facts.events for facts in tested) / PANE_EVENTS
    return stretch_of(asked.range, asked.since, asked.to, first_at, last_at, panes)


def _lately(tested: list[VersionFacts]) -> datetime:
    """Long enough ago for some predictions: two panes of the version that answered last."""
    if not tested:
        return to_datetime(0)
    newest = max(tested, key=lambda facts: facts.last_at)
    return newest.last_at - 2 * newest.pane_length


def _columns(card: ModelCard | None) -> tuple[str, ...]:
    if card is None:
        return ()
    features = (name for name, spec in card.features.items() if spec.column is not None)
    outputs = OUTPUTS if card.task == "binary" else ("prediction",)
    return (*outputs, *features)


def _first_output(columns: tuple[str, ...]) -> str:
    return columns[0] if columns else "prediction"


def _level_column(card: ModelCard | None) -> str:
    """What is drawn as the level of the answers."""
    return "prediction" if card is not None and card.task == "regression" else "score"


def _facts(
    model: str,
    version: str,
    card: ModelCard | None,
    own: VersionFacts | None,
    columns: tuple[str, ...],
) -> ModelFacts:
    owner = card.owner if card else None
    return ModelFacts(
        model=model,
        model_version=version,
        description=(card.description or "") if card else "",
        task=card.task if card else "",
        owner=owner.team if owner else "",
        contact=owner.contact if owner else "",
        escalation=(owner.escalation or "") if owner else "",
        runbook=(owner.runbook or "") if owner else "",
        registered=card is not None,
        columns=columns,
        last_at=own.last_at if own else None,
        stored_at=own.stored_at if own else None,
    )


def _versions(cards: list[CardFacts], tested: list[VersionFacts]) -> tuple[VersionRow, ...]:
    """Every version once, the newest registration first."""
    facts = {one.model_version: one for one in tested}
    newest: dict[str, CardFacts] = {}
    for known in cards:
        newest.setdefault(known.card.model_version, known)
    rows = []
    for name in dict.fromkeys([*newest, *facts]):
        registration, own = newest.get(name), facts.get(name)
        card = registration.card if registration else None
        rows.append(
            VersionRow(
                model_version=name,
                registered_at=registration.appended_at if registration else None,
                previous_version=(card.previous_version or "") if card else "",
                retrain_reason=(card.retrain_reason or "") if card else "",
                dataset_fingerprint=(card.dataset_fingerprint or "") if card else "",
                profile_hash=(card.profile_hash or "") if card else "",
                events=own.events if own else 0,
                first_at=own.first_at if own else None,
                last_at=own.last_at if own else None,
            )
        )
    return tuple(rows)

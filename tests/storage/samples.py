"""Records to store: small, complete, and hostile where the subject is hostility."""

from typing import Any

import numpy as np

from monitor.alerts import AlertMove, AlertState
from monitor.decisions import (
    Accepted,
    AcceptedTurn,
    Boundary,
    Change,
    Place,
    Ruling,
    Turn,
    card_hash,
)
from monitor.events import (
    Fault,
    LabelColumns,
    PaneSummary,
    PredictionColumns,
    RejectedRecord,
)
from monitor.findings import Finding, Measurement, Span, Verdict
from monitor.storage.store import StoreBatch
from monitor.validation.signals import no_signals
from schemas import FeatureSpec, ModelCard, Owner
from schemas.command import Command

MARCH_US = 1_362_114_000_000_000
APPENDED_US = 1_790_000_000_000_000
DAY_US = 86_400_000_000
PREDICTIONS = "plumbline.predictions"
LABELS = "plumbline.labels"

HOSTILE_TEXTS = (
    'it\'s "quoted" `back` \\ slash',
    "'); DROP TABLE predictions; --",
    "nul \0 inside",
    "tab\tnew\nline\rreturn",
    "\N{SNOWMAN} \N{FACE WITH TEARS OF JOY} \u202e",
    "x" * 100_000,
    "",
    "NULL",
    "\\N",
    "{name:String}",
)


def predictions(
    n: int = 4,
    *,
    first_offset: int = 0,
    model: str = "flights",
    partition: int = 0,
    faults: tuple[Fault, ...] = (),
    appended_us: int = APPENDED_US,
    extra: dict[str, Any] | None = None,
    logged: Any = None,
) -> PredictionColumns:
    """`n` predictions with two numbers and a category; `extra` fields go into every event.

    The event has a fault's own value, or `logged`.
    """
    offsets = np.arange(first_offset, first_offset + n)
    temp = np.asarray(40.0 + offsets, np.float64)
    distance = np.asarray(100.0 * (1 + offsets), np.float64)
    carriers: list[str | None] = [("UA", "AA", "DL")[offset % 3] for offset in offsets]
    features: list[dict[str, Any]] = [
        {"temp": 40.0 + offset, "distance": 100.0 * (1 + offset), "carrier": carriers[row]}
        for row, offset in enumerate(offsets)
    ]
    for fault in faults:
        features[fault.row][fault.feature] = fault.value if logged is None else logged
        if fault.feature == "temp" and fault.reason != "out_of_range":
            temp[fault.row] = np.nan
        if fault.feature == "carrier" and fault.reason != "unseen_category":
            carriers[fault.row] = None
    answers: list[str | None] = ["late" if offset % 2 else "on_time" for offset in offsets]
    ids = [f"{model}-{partition}-{offset}" for offset in offsets]
    events = [
        {"event_id": event_id, "prediction": answer, "features": values, **(extra or {})}
        for event_id, answer, values in zip(ids, answers, features, strict=True)
    ]
    return PredictionColumns(
        model=model,
        model_version="1",
        registered=True,
        topic=PREDICTIONS,
        partition=partition,
        offsets=offsets,
        appended_us=np.full(n, appended_us) + offsets * 1_000,
        occurred_us=MARCH_US + offsets * 3_600_000_000,
        sent_us=MARCH_US + offsets * 3_600_000_000 + 250_000,
        event_ids=ids,
        numbers={"temp": temp, "distance": distance, "score": offsets / 1_000},
        categories={"carrier": carriers, "prediction": answers},
        faults=faults,
        events=events,
        repeated=np.zeros(n, np.bool_),
        signals=no_signals(n),
    )


def unregistered(features: list[dict[str, Any]], answers: list[Any]) -> PredictionColumns:
    """Predictions of a model without a card."""
    n = len(features)
    offsets = np.arange(n)
    return PredictionColumns(
        model="unknown",
        model_version="0",
        registered=False,
        topic=PREDICTIONS,
        partition=1,
        offsets=offsets,
        appended_us=np.full(n, APPENDED_US) + offsets,
        occurred_us=MARCH_US + offsets,
        sent_us=np.full(n, APPENDED_US) + offsets,
        event_ids=[f"unknown-{row}" for row in range(n)],
        numbers={},
        categories={},
        faults=(),
        events=[
            {"prediction": answer, "features": values}
            for answer, values in zip(answers, features, strict=True)
        ],
        repeated=np.zeros(n, np.bool_),
        signals=no_signals(n),
    )


def labels(
    truths: list[Any], *, first_offset: int = 0, extra: dict[str, Any] | None = None
) -> LabelColumns:
    """Labels of the first events of `flights`."""
    offsets = np.arange(first_offset, first_offset + len(truths))
    return LabelColumns(
        model="flights",
        topic=LABELS,
        partition=0,
        offsets=offsets,
        appended_us=APPENDED_US + offsets,
        observed_us=MARCH_US + offsets * 3_600_000_000,
        events=[
            {"event_id": f"flights-0-{offset}", "label": truth, **(extra or {})}
            for offset, truth in zip(offsets, truths, strict=True)
        ],
    )


def rejected(offset: int, *, topic: str = PREDICTIONS, original: bytes = b"{") -> RejectedRecord:
    """A record that was no JSON."""
    return RejectedRecord(
        topic=topic,
        partition=0,
        offset=offset,
        appended_us=APPENDED_US + offset,
        model=None,
        reasons=(("not_json", "", "ends too early"), ("missing_field", "model", "is required")),
        original=original,
    )


def pane(index: int, column: str = "temp") -> PaneSummary:
    """A pane of one number column."""
    return PaneSummary(
        model="flights",
        model_version="1",
        pane=index,
        topic=PREDICTIONS,
        partition=0,
        first_event=250 * index,
        last_event=250 * index + 249,
        first_offset=300 * index,
        last_offset=300 * index + 299,
        started_us=MARCH_US + DAY_US * index,
        ended_us=MARCH_US + DAY_US * (index + 1),
        n=250,
        columns=[column],
        missing=[3],
        means=[41.5],
        minima=[-1.0],
        maxima=[99.5],
        sketches=[b"\x00\xff sketch"],
        counts=[{"UA": 12, "AA": 3}],
        faults=[{"null": 3}],
    )


def finding(
    window: int, *, feature: str = "score", effect: float = 0.4, verdict: Verdict = Verdict.DRIFT
) -> Finding:
    """A KS finding on a window of 1,000 events; thirty days lie between windows."""
    span = Span(
        topic=PREDICTIONS,
        partition=0,
        first_event=1_000 * window,
        last_event=1_000 * window + 999,
        first_offset=1_200 * window,
        last_offset=1_200 * window + 1_199,
        started_us=MARCH_US + 30 * DAY_US * window,
        ended_us=MARCH_US + 30 * DAY_US * window + DAY_US,
    )
    measurement = Measurement(
        check="ks",
        feature=feature,
        scale=1_000,
        verdict=verdict,
        statistic=effect,
        effect=effect,
        threshold=0.23,
        p_value=0.001,
        n_ref=10_000,
        n_cur=998,
        n_effective=40.5,
        smallest_visible=0.2,
        cleared=False,
        reason="",
        values={"psi": 0.3},
    )
    return Finding("flights", "1", "drift", "PredictionDrift", "", span, measurement)


def move(
    window: int, state: AlertState, previous: AlertState | None, *, fingerprint: str = "ab" * 8
) -> AlertMove:
    """One move of the score's alert."""
    cause = finding(window)
    return AlertMove(
        event_id=f"{fingerprint}-{window}-{state}",
        fingerprint=fingerprint,
        labels={
            "alertname": "PredictionDrift",
            "severity": "warning",
            "model": "flights",
            "model_version": "1",
            "feature": "score",
            "category": "drift",
        },
        annotations={"owner": "delays team", "summary": "the score's distribution moved"},
        state=state,
        previous=previous,
        reason="two windows in a row",
        starts_us=MARCH_US,
        moved_us=cause.span.ended_us,
        finding=cause,
    )


def whole_batch() -> StoreBatch:
    """A batch with rows of every kind."""
    return StoreBatch(
        predictions=[predictions(4), predictions(3, model="other", partition=2)],
        labels=[labels([True, "late", 3, 0.25])],
        rejected=[rejected(4), rejected(4, topic=LABELS)],
        panes=[pane(0), pane(1)],
        findings=[finding(1), finding(2, feature="temp", verdict=Verdict.OK)],
    )


def card(version: str = "1", team: str | None = "delays") -> ModelCard:
    """A card of the flight model."""
    return ModelCard(
        model="flights",
        model_version=version,
        owner=Owner(team=team, contact="delays@example.com") if team else None,
        task="binary",
        features={"temp": FeatureSpec(type="number")},
    )


def boundary(offset: int = 4) -> Boundary:
    """Another card acts for the version from here."""
    return Boundary(
        model="flights",
        model_version="1",
        change=Change.WINDOWS,
        topic=PREDICTIONS,
        partition=0,
        offset=offset,
        card_hash=card_hash(card()),
        reason="the card changed its tests: the windows start anew",
        at_us=MARCH_US,
    )


def turn(turn: Turn = Turn.ACTS) -> AcceptedTurn:
    """The score's distribution, accepted."""
    accepted = Accepted(
        model="flights",
        model_version="1",
        column="score",
        fingerprint="ab" * 8,
        command_id="order-0",
        who="ann",
        why="spring",
        until_us=APPENDED_US,
        topic="plumbline.predictions",
        partition=0,
        offset=4,
        at_us=APPENDED_US,
        first_event=0,
        first_offset=1,
        last_offset=3,
        n_rows=3,
        slots=np.array([0, 5], dtype=np.uint16),
        counts=np.array([1, 2], dtype=np.int64),
        profile_hash="sha256:0",
    )
    return AcceptedTurn(accepted, turn, 4, APPENDED_US, "accepted by ann: spring")


def ruling(offset: int = 0, *, fingerprint: str = "ab" * 8, until: str | None = None) -> Ruling:
    """An acknowledgement, or with `until` a silence, that had its effect."""
    order = {
        "command_id": f"order-{offset}",
        "model": "flights",
        "action": "silence" if until else "acknowledge",
        "fingerprint": fingerprint,
        "who": "ann",
        "why": "we know",
        "issued_at": "2026-01-01T00:00:00Z",
        "until": until,
    }
    return Ruling(
        command=Command.model_validate(order),
        place=Place("plumbline.commands", 0, offset, APPENDED_US),
        done=True,
        effect="firing: acknowledged by ann: we know",
        acts_from=4,
    )

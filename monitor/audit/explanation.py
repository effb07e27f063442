"""The answer to "why did the model predict this?", as a record.

In: what `explain` found. Out: the record and its JSON (docs/audits.md has every field). Never: a
judgement that is not in the database; what is not known is None or empty, and said in `notes`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Logged = bool | int | float | str | None
"""A value as it was logged: a number, text, a boolean where the card says so, or none."""


@dataclass(frozen=True, slots=True)
class FeatureFact:
    """One feature: what the model saw, and how usual that is in the reference."""

    name: str
    value: Logged
    logged: bool
    """Whether the event had a value: None otherwise."""
    fault: str
    """What is wrong with the value (`hidden_null`, `out_of_range`, `missing`, ...), or empty."""
    type: str
    """number, category or boolean, as the card says; empty without a card."""
    sensitivity: str
    """raw, hash, bucket or drop: what is kept of the value."""
    known_at: datetime | None
    """When the value was known, where the producer said it."""
    place: "Place | None"
    """Where the value stands in the reference; None where it has no place (`why_no_place`)."""
    why_no_place: str
    contribution: float | None
    """Its share in this prediction, from `Explanation.contributions.source`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands among the reference's."""

    compared_with: str
    """`the reference`, or the season: `hour_of_day 7 of the reference`."""
    percentile: float | None
    """Mid-rank in per cent, of a number."""
    share: float
    """Share of the reference that has exactly this value (a category's frequency)."""
    one_in: float | None
    """How rare: one reference value in so many is at least this far out (a number, counted on
    both sides) or at most this frequent (a category). None: rarer than the reference can tell."""
    of: int
    """Values of the reference that it is compared with."""
    reference_low: float | None
    """Smallest value of the reference, of a number."""
    reference_median: float | None
    reference_high: float | None
    unseen: bool
    """Outside the reference's range, or a category that it does not name."""


@dataclass(frozen=True, slots=True)
class Contributions:
    """Where the features' contributions come from, and what they add up to."""

    source: Literal["sent", "surrogate", "none"]
    note: str
    """Why there are none, or how well the surrogate imitates the model."""
    imitated_score: float | None
    """What the surrogate says of the event: the reference's mean and all contributions."""
    others: Mapping[str, float]
    """Contributions under names that are no feature of the event (a bias, say)."""


@dataclass(frozen=True, slots=True)
class CardFact:
    """The model card that acted when the prediction was read."""

    card_hash: str
    acts_from: int | None
    """Offset of the predictions from which it acts; None: no boundary is stored for it."""
    reason: str
    """Why it acts from there."""
    registered_at: datetime
    description: str
    task: str
    owner_team: str
    owner_contact: str
    runbook: str
    dataset_fingerprint: str
    profile_hash: str
    reference_started_at: datetime | None
    reference_ended_at: datetime | None
    reference_rows: int | None


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One version in the line of the version that answered, itself first."""

    model_version: str
    registered_at: datetime | None
    """None: named by its successor, but never registered."""
    owner_team: str
    retrain_reason: str
    dataset_fingerprint: str
    previous_version: str


@dataclass(frozen=True, slots=True)
class AlertFact:
    """An alert of the model, its version and segment, that was on at the prediction."""

    fingerprint: str
    alertname: str
    severity: str
    feature: str
    segment: str
    state: str
    """At the prediction: firing, recovering, stale, or pending (it fired later)."""
    starts_at: datetime
    fired_at: datetime
    ended_at: datetime | None
    """Event time of the move that ended it; None: on to this day."""
    reason: str
    effect: float
    threshold: float


@dataclass(frozen=True, slots=True)
class EarlierPrediction:
    """An earlier prediction about the same entity."""

    event_id: str
    model_version: str
    occurred_at: datetime
    prediction: str
    score: float | None
    changed: Mapping[str, tuple[Logged, Logged]]
    """Features whose value was another then: (then, now)."""
    label: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The truth, when it came, and whether the answer was right."""

    label: str
    observed_at: datetime
    appended_at: datetime
    by: Literal["event_id", "request_id"]
    earlier_labels: tuple[str, ...]
    """What it was corrected from, the newest first."""
    right: bool | None
    """Whether the answer was the label; None for a regression."""
    loss: float | None
    loss_name: str
    """log loss in nats, or absolute error in the target's unit."""
    late: bool
    """Whether it came after the label horizon of the card."""


@dataclass(frozen=True, slots=True)
class Resend:
    """Another record with the same event id."""

    topic: str
    partition: int
    offset: int
    appended_at: datetime
    model_version: str
    counted: bool
    """Whether it is in windows and views: False for a recognised resend."""


@dataclass(frozen=True, slots=True)
class Namesake:
    """A prediction of another model or version with the same event id, or of the same request."""

    model: str
    model_version: str
    event_id: str
    occurred_at: datetime
    role: str
    prediction: str
    score: float | None
    same: Literal["event_id", "request_id"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """One prediction, with everything that the database knows about it."""

    event_id: str
    model: str
    model_version: str
    occurred_at: datetime
    sent_at: datetime
    appended_at: datetime
    topic: str
    partition: int
    offset: int
    registered: bool
    repeated: bool
    """Whether this record is a resend (only where no other record has the id)."""
    role: str
    status: str
    request_id: str
    entity_id: str
    trace_id: str
    latency_ms: float | None
    prediction: str
    prediction_number: float | None
    score: float | None
    scores: Mapping[str, float]
    segments: Mapping[str, str]
    features: tuple[FeatureFact, ...]
    contributions: Contributions
    card: CardFact | None
    lineage: tuple[Ancestor, ...]
    alerts: tuple[AlertFact, ...]
    earlier: tuple[EarlierPrediction, ...]
    outcome: Outcome | None
    resends: tuple[Resend, ...]
    namesakes: tuple[Namesake, ...]
    notes: tuple[str, ...]
    """What is missing and why, in words."""

    @property
    def faults(self) -> dict[str, str]:
        """Feature to what is wrong with its value."""
        return {fact.name: fact.fault for fact in self.features if fact.fault}

    def as_json(self) -> dict[str, Any]:
        """The same as JSON: every field by its name, times in ISO 8601 (UTC), no NaN."""
        document = _plain(self)
        assert isinstance(document, dict)
        return document


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

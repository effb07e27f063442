"""The model card: the registration of one model version (topic `plumbline.models`, compacted)."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    Field,
    FiniteFloat,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from schemas.contract import (
    SCHEMA_VERSION,
    Contract,
    ModelName,
    SchemaVersion,
    Sha256,
    ShortText,
)
from schemas.prediction import MAX_FEATURES

FeatureType = Literal["number", "category", "boolean"]
Sensitivity = Literal["raw", "hash", "bucket", "drop"]
IdSensitivity = Literal["raw", "hash", "drop"]
ColumnKind = Literal["number", "category"]
Task = Literal["binary", "multiclass", "regression"]
Seasonality = Literal["none", "hour_of_day", "day_of_week"]
Baseline = Literal["prior", "mean", "last_value"]

MAX_SEGMENTS = 8
"""Columns of each kind by which performance is broken down."""

OUTPUT_NAMES = ("score", "prediction")
"""Names that the model's own outputs carry beside the features; no feature may take them."""


class Owner(Contract):
    """Who answers for the model."""

    team: ShortText
    contact: ShortText
    escalation: ShortText | None = None
    """Where an alert goes that nobody acknowledged."""
    runbook: str | None = None
    review_by: date | None = None
    """Until when this entry is believed."""


class FeatureSpec(Contract):
    """What is expected of one feature."""

    type: FeatureType
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None
    categories: tuple[ShortText, ...] | None = None
    """Allowed values of a category; absent: any, and the reference tells which are new."""
    nullable: bool = False
    hidden_nulls: tuple[StrictInt | StrictFloat | StrictStr, ...] = ()
    """Values that stand for "unknown": "", "NA", -999."""
    sensitivity: Sensitivity = "raw"
    """What is kept of a value. `raw`: all of it; `hash`: its keyed hash, tested as a category;
    `bucket`: the lower edge of its bucket (a number) or one of `categories`; `drop`: nothing."""
    buckets: Annotated[tuple[FiniteFloat, ...], Field(min_length=1, max_length=1_000)] | None = None
    """Rising lower edges of a number whose sensitivity is `bucket`; what is below counts in the
    first."""
    description: str | None = None

    @property
    def column(self) -> ColumnKind | None:
        """As what the feature is tested; None: not at all."""
        if self.sensitivity == "drop":
            return None
        hashed = self.sensitivity == "hash"
        return "category" if self.type == "category" or hashed else "number"

    @model_validator(mode="after")
    def _masks_what_it_can(self) -> Self:
        wants = self.sensitivity == "bucket" and self.type == "number"
        if wants != (self.buckets is not None):
            raise ValueError(
                "buckets are for a number whose sensitivity is bucket: give both or neither"
            )
        if self.buckets and list(self.buckets) != sorted(set(self.buckets)):
            raise ValueError(f"buckets must rise without repeats, got {list(self.buckets)}")
        if self.sensitivity == "bucket" and self.type == "category" and not self.categories:
            raise ValueError(
                "a category whose sensitivity is bucket needs categories: they alone are kept"
            )
        if self.sensitivity == "bucket" and self.type == "boolean":
            raise ValueError("a boolean has no buckets: its sensitivity is raw, hash or drop")
        return self

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.type != "number" and (self.min is not None or self.max is not None):
            raise ValueError(f"min and max belong to a number, not to a {self.type}")
        if self.type != "category" and self.categories is not None:
            raise ValueError(f"categories belong to a category, not to a {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class RiverDetector(Contract):
    """A River drift detector to run on one column, by its name in `river.drift`."""

    name: ShortText
    feature: ShortText
    parameters: dict[str, float | int | bool] = Field(default_factory=dict)


class Monitoring(Contract):
    """How the version is watched. The defaults suit most models."""

    false_alarms_per_30_days: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Expected false firings in 30 days over everything that is tested."""
    events_per_day: Annotated[float, Field(gt=0)] | None = None
    """Traffic, to turn the budget into events; absent: the reference's own rate."""
    pane_events: Annotated[int, Field(ge=50, le=5000)] = 250
    scales: Annotated[
        tuple[Annotated[int, Field(ge=100, le=64_000)], ...], Field(min_length=1, max_length=6)
    ] = (
        1_000,
        4_000,
        16_000,
    )
    """Window sizes in events, each a multiple of four panes."""
    effect_floor: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Smallest effect (KS distance, total variation, rate difference) worth an alert."""
    confirmations: Annotated[int, Field(ge=1, le=20)] = 2
    """Looks in a row that must agree before a windowed alert fires, and before it resolves."""
    seasonality: Seasonality = "none"
    sequential: bool = True
    detectors: tuple[RiverDetector, ...] = ()
    stopped_after_minutes: Annotated[float, Field(gt=0)] | None = None
    """Silence that is an alert; absent: twice the longest gap of the reference, at least 15."""

    @model_validator(mode="after")
    def _scales_fit_panes(self) -> Self:
        for scale in self.scales:
            if scale % (4 * self.pane_events):
                raise ValueError(
                    f"scale {scale} is not a multiple of four panes of {self.pane_events} events"
                )
        if list(self.scales) != sorted(set(self.scales)):
            raise ValueError(f"scales must rise without repeats, got {list(self.scales)}")
        return self


class ModelCard(Contract):
    """One version of one model: who owns it, what it expects, what it is compared with."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    model: ModelName
    model_version: ShortText
    description: str | None = None
    owner: Owner | None = None
    task: Task
    classes: tuple[ShortText, ...] | None = None
    """Classes that `prediction` and `scores` may name."""
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    """Score from which a binary model says yes."""
    features: Annotated[dict[ShortText, FeatureSpec], Field(min_length=1, max_length=MAX_FEATURES)]
    entity_sensitivity: IdSensitivity = "raw"
    """What is kept of `entity_id`: all of it, its keyed hash, or nothing."""
    hash_key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    """Names the key of the hashes, written at registration: no worker hashes with another one."""
    label_horizon_hours: Annotated[float, Field(gt=0)] | None = None
    """A label later than this after its prediction is counted and not waited for."""
    baseline: Baseline | None = None
    segments: Annotated[tuple[ShortText, ...], Field(max_length=MAX_SEGMENTS)] = ()
    """Features, or tags that events carry in `segments`, by which performance is measured too."""
    protected: Annotated[tuple[ShortText, ...], Field(max_length=MAX_SEGMENTS)] = ()
    """Such columns whose values must be served alike: their error and selection rates are compared;
    they are segments too."""
    monitoring: Monitoring = Monitoring()
    previous_version: ShortText | None = None
    overlap_hours: Annotated[float, Field(gt=0)] | None = None
    """So long `previous_version` shadows this one, or shares traffic with it: until then a
    comparison of the two waits for requests of the same time."""
    traffic_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the live traffic that is meant for this version while it shares it with others that
    have a share: shares are compared with each other."""
    retrain_reason: str | None = None
    registered_at: AwareDatetime | None = None
    dataset_fingerprint: Sha256 | None = None
    """Fingerprint of the reference data set."""
    profile_hash: Sha256 | None = None
    """Content address of the reference profile; absent: the version is stored but not tested."""

    @property
    def hashes(self) -> tuple[str, ...]:
        """What is hashed: features, and `entity_id`."""
        features = tuple(n for n, spec in self.features.items() if spec.sensitivity == "hash")
        return (*features, "entity_id") if self.entity_sensitivity == "hash" else features

    @property
    def sensitive(self) -> bool:
        """Whether anything of the version's events must not be kept as it came."""
        return self.entity_sensitivity != "raw" or any(
            spec.sensitivity != "raw" for spec in self.features.values()
        )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        for name in OUTPUT_NAMES:
            if name in self.features:
                raise ValueError(
                    f"feature name {name!r} is taken by the model's own output: rename the feature"
                )
        for name in (*self.segments, *self.protected):
            spec = self.features.get(name)
            if name in OUTPUT_NAMES or (spec is not None and spec.column is None):
                raise ValueError(
                    f"segment {name!r} is an output or a feature of which nothing is kept: name "
                    "another feature or a tag of the events"
                )
        for detector in self.monitoring.detectors:
            if detector.feature not in self.features and detector.feature not in OUTPUT_NAMES:
                raise ValueError(
                    f"detector {detector.name} names an unknown feature {detector.feature!r}"
                )
            watched = self.features.get(detector.feature)
            if watched is not None and watched.column is None:
                raise ValueError(
                    f"detector {detector.name} names {detector.feature!r}, of which nothing is "
                    "kept (sensitivity: drop)"
                )
        return self

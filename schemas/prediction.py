"""The prediction event: what a model saw and what it answered (topic `plumbline.predictions`)."""

from typing import Annotated, Literal

from pydantic import (
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from schemas.contract import (
    SCHEMA_VERSION,
    Contract,
    EventTime,
    Identifier,
    ModelName,
    Number,
    SchemaVersion,
    ShortText,
)

FeatureValue = StrictBool | StrictInt | StrictFloat | StrictStr | None
"""A feature as it is logged: number, string, bool or null."""

Role = Literal["live", "shadow"]
Status = Literal["ok", "fallback", "error"]

MAX_FEATURES = 2_000
MAX_TAGS = 32


class PredictionEvent(Contract):
    """One prediction of one model version, keyed on Kafka by `model`."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    event_id: Identifier
    """Unique per prediction: a resend with the same id is recognised as a duplicate."""
    model: ModelName
    model_version: ShortText
    occurred_at: EventTime
    """When the prediction was made (event time), with its UTC offset."""
    features: Annotated[dict[ShortText, FeatureValue], Field(max_length=MAX_FEATURES)]
    prediction: StrictBool | StrictInt | StrictFloat | StrictStr
    """The answer: a class for classification, a number for regression."""
    score: Number | None = None
    """Binary models: the probability of the positive class."""
    scores: Annotated[dict[ShortText, Number], Field(max_length=MAX_FEATURES)] | None = None
    """Multi-class models: class to probability."""
    request_id: Identifier | None = None
    """The request that several versions answered."""
    role: Role = "live"
    entity_id: Identifier | None = None
    """Whom or what the prediction is about."""
    segments: Annotated[dict[ShortText, ShortText], Field(max_length=MAX_TAGS)] | None = None
    feature_times: Annotated[dict[ShortText, EventTime], Field(max_length=MAX_FEATURES)] | None = (
        None
    )
    """When the value of a feature was known; later than `occurred_at` is a leak."""
    latency_ms: Annotated[Number, Field(ge=0)] | None = None
    status: Status = "ok"
    """`fallback`: the guard answered instead of the model; `error`: no answer of use."""
    trace_id: Identifier | None = None
    attributions: Annotated[dict[ShortText, Number], Field(max_length=MAX_FEATURES)] | None = None
    """Feature to its share in this prediction (SHAP or alike)."""

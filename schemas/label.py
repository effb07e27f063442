"""The label event: the truth about an earlier prediction (topic `plumbline.labels`)."""

from typing import Annotated, Self

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from schemas.contract import (
    SCHEMA_VERSION,
    Contract,
    EventTime,
    Identifier,
    ModelName,
    SchemaVersion,
    ShortText,
)
from schemas.prediction import MAX_FEATURES, FeatureValue


class LabelEvent(Contract):
    """The observed outcome of a prediction, named by `event_id` or `request_id`."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["event_id"]}, {"required": ["request_id"]}]}
    )

    schema_version: SchemaVersion = SCHEMA_VERSION
    model: ModelName
    event_id: Identifier | None = None
    request_id: Identifier | None = None
    """All versions that answered this request get the label."""
    label: StrictBool | StrictInt | StrictFloat | StrictStr
    observed_at: EventTime
    """When the truth became known, with its UTC offset."""
    offline_features: (
        Annotated[dict[ShortText, FeatureValue], Field(max_length=MAX_FEATURES)] | None
    ) = None
    """What the training pipeline computes for the same entity and time."""

    @model_validator(mode="after")
    def _names_a_prediction(self) -> Self:
        if self.event_id is None and self.request_id is None:
            raise ValueError(
                "a label needs event_id or request_id, else it belongs to no prediction"
            )
        return self

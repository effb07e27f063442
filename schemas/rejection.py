"""The rejection: a record that could not be taken (topic `plumbline.rejections`)."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Base64Bytes, Field

from schemas.contract import SCHEMA_VERSION, Contract, SchemaVersion

RejectionReason = Literal[
    "empty",
    "oversize",
    "not_json",
    "too_deep",
    "not_an_object",
    "cloudevent",
    "schema_version",
    "missing_field",
    "wrong_type",
    "bad_value",
    "too_many_features",
    "refused_by_store",
]
"""Structural faults: the record is not stored as a prediction or label, but nothing is lost.

`refused_by_store`: a valid record whose row ClickHouse would not take, with its words.
"""

ValueFault = Literal[
    "missing",
    "null",
    "wrong_type",
    "non_finite",
    "hidden_null",
    "out_of_range",
    "unseen_category",
    "oversize",
    "extra",
    "known_later",
    "from_future",
]
"""Value faults: recorded beside the feature and counted; the event is kept.

The last two are of times: `known_later` of `feature_times.<feature>` (known only after the
prediction), `from_future` of `occurred_at` (after the event was sent).
"""

MAX_ORIGINAL_BYTES = 16_384


class RejectionDetail(Contract):
    """One reason, the field it is about and the words for a person."""

    reason: RejectionReason
    field: str = ""
    message: str


class Rejection(Contract):
    """The original bytes (bounded) with every reason and where the record stands in the log."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    topic: str
    partition: int
    offset: int
    rejected_at: AwareDatetime
    """The broker's append time of the refused record, so that a replay says the same."""
    model: str | None = None
    """As far as it could be read."""
    reasons: Annotated[tuple[RejectionDetail, ...], Field(min_length=1)]
    original: Base64Bytes = b""
    original_size_bytes: int
    truncated: bool = False

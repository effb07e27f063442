"""The envelope of an event: everything but the values of its features.

In: JSON bytes, or a payload already decoded. Out: a dict with the contract's fields, `occurred_at`
or `observed_at` an aware datetime; or pydantic's ValidationError. Never: a look at the card.

The adapters are generated from the contracts, with three differences that let one damaged number
through as a value fault instead of losing the event: NaN and the infinities are let through in
`score`, `scores`, `attributions`, `prediction` and `offline_features`; the values of features are
left as they come (`scalar_faults` refuses the nested ones); and an absent optional field stays
absent. A key that comes twice counts with its last value. Unknown fields are dropped.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NotRequired, get_type_hints

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    TypeAdapter,
)
from pydantic_core import SchemaValidator
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from monitor.validation.reasons import MAX_REASONS, Reason, Reasons, reason
from schemas.contract import SCHEMA_VERSION, ShortText
from schemas.label import LabelEvent
from schemas.prediction import MAX_FEATURES, PredictionEvent

_MAJOR: Final = SCHEMA_VERSION.partition(".")[0]
_Version = Annotated[
    Literal["1.0"] | Annotated[str, StringConstraints(pattern=rf"^{_MAJOR}\.[0-9]{{1,10}}$")],
    Field(union_mode="left_to_right"),
]
_AnyFloat = Annotated[float, Strict(), AllowInfNan(True)]
_Features = Annotated[dict[ShortText, Any], Field(max_length=MAX_FEATURES)]
_Numbers = Annotated[dict[ShortText, _AnyFloat], Field(max_length=MAX_FEATURES)]

_SCALARS: Final = frozenset({float, int, str, bool, type(None)})


def _adapter(contract: type[BaseModel], **overrides: Any) -> SchemaValidator:
    hints = get_type_hints(contract, include_extras=True)
    fields: dict[str, Any] = {}
    for name, field in contract.model_fields.items():
        kind = overrides.get(name, hints[name])
        fields[name] = kind if field.is_required() else NotRequired[kind]
    shape = TypedDict(contract.__name__ + "Fields", fields)  # type: ignore[misc]  # generated
    shape.__pydantic_config__ = ConfigDict(extra="ignore", allow_inf_nan=False)  # type: ignore[attr-defined]  # how pydantic takes it
    return TypeAdapter(shape).validator  # type: ignore[return-value]  # plugins are not used


PREDICTION: Final = _adapter(
    PredictionEvent,
    schema_version=_Version,
    features=_Features,
    prediction=StrictBool | StrictInt | _AnyFloat | StrictStr,
    score=_AnyFloat | None,
    scores=_Numbers | None,
    attributions=_Numbers | None,
)
"""A prediction event."""

LABEL: Final = _adapter(LabelEvent, schema_version=_Version, offline_features=_Features | None)
"""A label event; that it names a prediction is `label_faults`' to see."""


def scalar_faults(field: str, features: Mapping[str, object]) -> Reasons:
    """The features that are neither number, string, bool nor null.

    >>> scalar_faults("features", {"a": 1, "b": [1]})
    (('wrong_type', 'features.b', 'features.b: a feature is a number, string, bool or null, \
got list'),)
    """
    if _SCALARS.issuperset(map(type, features.values())):
        return ()
    found: list[Reason] = []
    for name, value in features.items():
        if type(value) not in _SCALARS and len(found) < MAX_REASONS:
            path = f"{field}.{name}"
            text = f"a feature is a number, string, bool or null, got {type(value).__name__}"
            found.append(reason("wrong_type", path, f"{path}: {text}"))
    return tuple(found)


def label_faults(event: Mapping[str, Any]) -> Reasons:
    """What the shape of a label cannot say: that it names a prediction."""
    if event.get("event_id") is None and event.get("request_id") is None:
        text = "a label needs event_id or request_id, else it belongs to no prediction"
        return (reason("missing_field", "event_id", text),)
    return scalar_faults("offline_features", event.get("offline_features") or {})

"""The envelope of an event: everything but the values of its features.

In: JSON bytes, or a payload already decoded. Out: a dict with the contract's fields, or pydantic's
ValidationError. Never: a look at the card.

The adapters are generated from the contracts. They differ where a whole batch is checked faster
behind them (`occurred_at` and `observed_at` stay text, see `moments`; predictions and the values of
features stay as they come, see `decoding`) and where one damaged number should be a value fault
rather than lose the event: NaN and the infinities pass in `score`, `scores` and `attributions`.
An absent optional field stays absent, an unknown one is dropped, and of a key that comes twice
the last value counts.
"""

from typing import Annotated, Any, Final, Literal, NotRequired, get_type_hints

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    TypeAdapter,
)
from pydantic_core import SchemaValidator
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from schemas.contract import SCHEMA_VERSION, TIME_PATTERN, ShortText
from schemas.label import LabelEvent
from schemas.prediction import MAX_FEATURES, PredictionEvent

_MAJOR: Final = SCHEMA_VERSION.partition(".")[0]
_Version = Annotated[
    Literal["1.0"] | Annotated[str, StringConstraints(pattern=rf"^{_MAJOR}\.[0-9]{{1,10}}$")],
    Field(union_mode="left_to_right"),
]
_TimeText = Annotated[str, StringConstraints(pattern=TIME_PATTERN)]
_AnyFloat = Annotated[float, Strict(), AllowInfNan(True)]
_Features = Annotated[dict[ShortText, Any], Field(max_length=MAX_FEATURES)]
_Numbers = Annotated[dict[ShortText, _AnyFloat], Field(max_length=MAX_FEATURES)]


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
    occurred_at=_TimeText,
    schema_version=_Version,
    features=_Features,
    prediction=Any,
    score=_AnyFloat | None,
    scores=_Numbers | None,
    attributions=_Numbers | None,
)
"""A prediction event."""

LABEL: Final = _adapter(
    LabelEvent,
    observed_at=_TimeText,
    schema_version=_Version,
    offline_features=_Features | None,
)
"""A label event."""

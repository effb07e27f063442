"""One record -> its event, or every reason why it is none.

In: a record of a topic and that topic's kind of event. Out: a dict as `envelope` describes it, or
reasons. Never: an exception for anything the record holds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, from_json

from monitor.events import Record
from monitor.validation import envelope
from monitor.validation.reasons import Reasons, contract_reasons, json_reason, reason
from schemas.cloudevents import (
    LABEL_FIELDS,
    PREDICTION_FIELDS,
    CloudEventError,
    EnvelopeFields,
    cloudevent_mode,
    payload_of,
)
from schemas.contract import EARLIEST_TIME, LATEST_TIME, SENT_AT_HEADER, ModelName

Event = dict[str, Any]

_MODEL_NAME: Final = TypeAdapter(ModelName)
_LATEST_US: Final = round((LATEST_TIME - EARLIEST_TIME).total_seconds()) * 1_000_000
_LATEST_DIGITS: Final = len(str(_LATEST_US))


@dataclass(frozen=True, slots=True)
class EventKind:
    """What stands on a topic: its shape, its CloudEvents fields, what the shape cannot say."""

    adapter: SchemaValidator
    fields: EnvelopeFields
    faults: Callable[[Mapping[str, Any]], Reasons]


PREDICTION: Final = EventKind(
    envelope.PREDICTION,
    PREDICTION_FIELDS,
    lambda event: envelope.scalar_faults("features", event["features"]),
)
LABEL: Final = EventKind(envelope.LABEL, LABEL_FIELDS, envelope.label_faults)


def decode(record: Record, kind: EventKind, *, record_bytes: int) -> Event | Reasons:
    """The event of a record, or the reasons why there is none."""
    value = record.value
    if not value:
        return (reason("empty", "", "the record has no value"),)
    if len(value) > record_bytes:
        text = f"the record has {len(value)} bytes, at most {record_bytes} are taken"
        return (reason("oversize", "", text),)
    headers = record.headers
    try:
        mode = cloudevent_mode(headers) if headers else None
        event: Event
        if mode is None:
            event = kind.adapter.validate_json(value)
        else:
            event = kind.adapter.validate_python(payload_of(value, headers, mode, kind.fields))
    except ValidationError as error:
        return contract_reasons(error)
    except CloudEventError as error:
        return (reason("cloudevent", error.attribute, str(error)),)
    except ValueError as error:
        return (json_reason(str(error)),)
    return kind.faults(event) or event


def sent_us(headers: Sequence[tuple[str, bytes | None]], appended_us: int) -> int:
    """The simulated send time of a replay, else the append time.

    >>> sent_us([("plumbline-sent-at", b"1362114000000000")], 7)
    1362114000000000
    >>> sent_us([("plumbline-sent-at", b"soon")], 7)
    7
    """
    for name, value in headers:
        if name == SENT_AT_HEADER and value and len(value) <= _LATEST_DIGITS and value.isdigit():
            return min(int(value), _LATEST_US)
    return appended_us


def readable_model(record: Record, *, record_bytes: int) -> str | None:
    """The model that a refused record is about, as far as it can be read: body first, then key."""
    named: list[object] = []
    value = record.value
    if value and len(value) <= record_bytes:
        try:
            body = from_json(value)
        except ValueError:
            body = None
        if isinstance(body, dict):
            data = body.get("data")
            named = [body.get("model"), data.get("model") if isinstance(data, dict) else None]
    if record.key is not None:
        named.append(record.key.decode(errors="replace"))
    for name in named:
        try:
            return _MODEL_NAME.validate_python(name)
        except ValidationError:
            continue
    return None

"""Records of one topic -> events, and every reason why a record is none.

In: the records of a topic and that topic's kind of event. Out: `Decoded`: events as `envelope`
describes them with their event times, and the refused records. Never: an exception for anything
a record holds.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic_core import SchemaValidator, from_json

from monitor.events import UNREAD_HEADER, Int64, Record
from monitor.validation import envelope
from monitor.validation.moments import NO_MOMENT, moments_us
from monitor.validation.reasons import (
    MAX_REASONS,
    Reasons,
    contract_reasons,
    json_reason,
    reason,
)
from schemas.cloudevents import (
    LABEL_FIELDS,
    PREDICTION_FIELDS,
    CloudEventError,
    EnvelopeFields,
    cloudevent_mode,
    payload_of,
)
from schemas.contract import EARLIEST_TIME, LATEST_TIME, ModelName

Event = dict[str, Any]
Refused = tuple[Record, Reasons]

_MODEL_NAME: Final = TypeAdapter(ModelName)
_FIRST_DAY: Final = EARLIEST_TIME.date()
_END_DAY: Final = LATEST_TIME.date()
_ANSWERS: Final = frozenset({float, int, str, bool})
_SCALARS: Final = _ANSWERS | {type(None)}


@dataclass(frozen=True, slots=True)
class EventKind:
    """What stands on a topic: its shape, its CloudEvents fields, what the shape cannot say."""

    adapter: SchemaValidator
    fields: EnvelopeFields
    features: str
    """The field that holds features."""
    answer: str | None = None
    """The required field that holds any scalar, where the shape does not look at it."""
    needs_one_of: tuple[str, ...] = ()
    """Optional fields of which one must be there."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Events of a topic beside the records they came from, and the records that were refused."""

    records: list[Record]
    events: list[Event]
    moments_us: Int64
    refused: list[Refused]


PREDICTION: Final = EventKind(
    envelope.PREDICTION, PREDICTION_FIELDS, features="features", answer="prediction"
)
LABEL: Final = EventKind(
    envelope.LABEL,
    LABEL_FIELDS,
    features="offline_features",
    needs_one_of=("event_id", "request_id"),
)


def decode(records: Iterable[Record], kind: EventKind, *, record_bytes: int) -> Decoded:
    """Every record as an event or among the refused, each in the order of the records."""
    taken: list[Record] = []
    events: list[Event] = []
    refused: list[Refused] = []
    validate_json = kind.adapter.validate_json
    for record in records:
        value = record.value
        try:
            if value and not record.headers and len(value) <= record_bytes:
                events.append(validate_json(value))
            else:
                events.append(_event(record, kind, record_bytes))
        except ValueError as error:
            refused.append((record, _reasons_of(error)))
        else:
            taken.append(record)
    moments = moments_us([event[kind.fields.time] for event in events])
    faults = _batch_faults(events, moments, kind)
    if faults:
        refused += [(taken[row], reasons) for row, reasons in faults.items()]
        refused.sort(key=lambda pair: pair[0].offset)
        kept = [row for row in range(len(events)) if row not in faults]
        taken = [taken[row] for row in kept]
        events = [events[row] for row in kept]
        moments = moments[kept]
    return Decoded(taken, events, moments, refused)


def readable_body(record: Record, *, record_bytes: int) -> dict[str, Any] | None:
    """The JSON object that a refused record holds, if it holds one."""
    value = record.value
    if not value or len(value) > record_bytes:
        return None
    try:
        body = from_json(value)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def readable_model(
    record: Record, *, record_bytes: int, body: dict[str, Any] | None = None
) -> str | None:
    """The model that a refused record is about, as far as it can be read: body first, then key."""
    if body is None:
        body = readable_body(record, record_bytes=record_bytes) or {}
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


class _RefusedError(ValueError):
    """Carries the reason for a record that no parser was asked about."""

    def __init__(self, reasons: Reasons) -> None:
        super().__init__(reasons[0][2])
        self.reasons = reasons


def _event(record: Record, kind: EventKind, record_bytes: int) -> Event:
    value = record.value
    for name, said in record.headers:
        if name == UNREAD_HEADER:
            text = said.decode("utf-8", "replace")
            raise _RefusedError((reason("oversize", "", text),))
    if not value:
        raise _RefusedError((reason("empty", "", "the record has no value"),))
    if len(value) > record_bytes:
        text = f"the record has {len(value)} bytes, at most {record_bytes} are taken"
        raise _RefusedError((reason("oversize", "", text),))
    headers = record.headers
    mode = cloudevent_mode(headers) if headers else None
    event: Event
    if mode is None:
        event = kind.adapter.validate_json(value)
    else:
        event = kind.adapter.validate_python(payload_of(value, headers, mode, kind.fields))
    return event


def _reasons_of(error: ValueError) -> Reasons:
    if isinstance(error, _RefusedError):
        return error.reasons
    if isinstance(error, ValidationError):
        return contract_reasons(error)
    if isinstance(error, CloudEventError):
        return (reason("cloudevent", error.attribute, str(error)),)
    return (json_reason(str(error)),)


def _batch_faults(events: Sequence[Event], moments: Int64, kind: EventKind) -> dict[int, Reasons]:
    """What the envelope left to be checked, by row."""
    found: defaultdict[int, Reasons] = defaultdict(tuple)
    time = kind.fields.time
    for row in np.flatnonzero(moments == NO_MOMENT).tolist():
        text = f"{time} {events[row][time]!r} is no moment from {_FIRST_DAY} to before {_END_DAY}"
        found[row] += (reason("bad_value", time, text),)
    features = [event.get(kind.features) or {} for event in events]
    if not _SCALARS.issuperset(map(type, chain.from_iterable(map(dict.values, features)))):
        for row, values in enumerate(features):
            for name, value in values.items():
                if type(value) not in _SCALARS and len(found[row]) < MAX_REASONS:
                    path = f"{kind.features}.{name}"
                    text = f"{path} is a {type(value).__name__}: features are scalars"
                    found[row] += (reason("wrong_type", path, text),)
    answers = [event[kind.answer] for event in events] if kind.answer else []
    if not _ANSWERS.issuperset(map(type, answers)):
        for row, value in enumerate(answers):
            if type(value) not in _ANSWERS:
                text = f"{kind.answer}: must be a bool, a number or a string"
                found[row] += (reason("wrong_type", str(kind.answer), text),)
    if kind.needs_one_of:
        for row, event in enumerate(events):
            if all(event.get(name) is None for name in kind.needs_one_of):
                text = f"{' or '.join(kind.needs_one_of)} must name what the event is about"
                found[row] += (reason("missing_field", kind.needs_one_of[0], text),)
    return {row: reasons for row, reasons in found.items() if reasons}

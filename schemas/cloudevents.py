"""CloudEvents 1.0 over the Kafka protocol binding: structured and binary mode, JSON only.

In: a record's value and headers. Out: the payload as a dict, with the envelope's `time` and `id`
put where the payload leaves its own time and id out; and the way back for producers.
Never: a guess. What is no CloudEvent, or a broken one, is a `CloudEventError` that names the
attribute.

A payload's own `occurred_at` wins over `time`: client libraries fill `time` with the moment of
sending when nobody sets it.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic_core import from_json

from schemas.contract import Contract

Mode = Literal["structured", "binary"]
Headers = list[tuple[str, bytes]]

PREDICTION_TYPE: Final = "io.plumbline.prediction.v1"
LABEL_TYPE: Final = "io.plumbline.label.v1"

_CONTENT_TYPE: Final = "content-type"
_CLOUDEVENTS: Final = b"application/cloudevents"
_STRUCTURED: Final = "application/cloudevents+json"
_JSON: Final = "application/json"
_PREFIX: Final = "ce_"
_REQUIRED: Final = ("specversion", "id", "source", "type")


class CloudEventError(ValueError):
    """A record that says it is a CloudEvent and is not a valid one; `attribute` is at fault."""

    def __init__(self, attribute: str, message: str) -> None:
        super().__init__(message)
        self.attribute = attribute


@dataclass(frozen=True, slots=True)
class EnvelopeFields:
    """Which payload fields the envelope's `time` and `id` stand for."""

    time: str
    id: str | None = None


PREDICTION_FIELDS: Final = EnvelopeFields(time="occurred_at", id="event_id")
LABEL_FIELDS: Final = EnvelopeFields(time="observed_at")
"""A label's `event_id` names its prediction, so the envelope's own id is not it."""


def cloudevent_mode(headers: Sequence[tuple[str, bytes | None]]) -> Mode | None:
    """How the record is a CloudEvent, or None for plain JSON.

    >>> cloudevent_mode([("content-type", b"application/cloudevents+json; charset=utf-8")])
    'structured'
    >>> cloudevent_mode([("ce_specversion", b"1.0"), ("content-type", b"application/json")])
    'binary'
    >>> cloudevent_mode([("content-type", b"application/json")]) is None
    True
    """
    mode: Mode | None = None
    for name, value in headers:
        if name[:1] not in "cC":  # both kinds of header begin so: the rest is passed by quickly
            continue
        lowered = name.lower()
        if lowered == _CONTENT_TYPE and (value or b"").lower().startswith(_CLOUDEVENTS):
            return "structured"
        if lowered.startswith(_PREFIX):
            mode = "binary"
    return mode


def payload_of(
    value: bytes,
    headers: Sequence[tuple[str, bytes | None]],
    mode: Mode,
    fields: EnvelopeFields,
) -> dict[str, Any]:
    """The payload of a CloudEvent, its time and id filled in where it has none of its own.

    Raises CloudEventError, and ValueError where the value is not JSON.

    >>> structured = b'''{"specversion": "1.0", "id": "7", "source": "/s", "type": "t",
    ...     "time": "2013-03-01T05:00:00Z", "data": {"model": "flights"}}'''
    >>> payload_of(structured, [("content-type", b"application/cloudevents+json")],
    ...     "structured", PREDICTION_FIELDS)
    {'model': 'flights', 'occurred_at': '2013-03-01T05:00:00Z', 'event_id': '7'}
    """
    if mode == "structured":
        attributes, data = _structured(value, headers)
    else:
        attributes, data = _binary(value, headers)
    _check_attributes(attributes)
    if not isinstance(data, dict):
        raise CloudEventError("data", f"data must be a JSON object, got {_kind(data)}")
    payload: dict[str, Any] = data
    if "time" in attributes:
        payload.setdefault(fields.time, attributes["time"])
    if fields.id is not None:
        payload.setdefault(fields.id, attributes["id"])
    return payload


def to_cloudevent(
    event: Contract,
    mode: Mode,
    *,
    event_type: str,
    source: str,
    event_id: str,
    time: str,
) -> tuple[bytes, Headers]:
    """An event as the value and headers of a Kafka record; `time` is RFC 3339 text.

    >>> from schemas.command import Command
    >>> command = Command(command_id="c1", model="flights", action="close", fingerprint="0" * 16,
    ...     who="ann", why="done", issued_at="2013-03-01T05:00:00Z")
    >>> value, headers = to_cloudevent(command, "binary", event_type="t", source="/flights",
    ...     event_id="c1", time="2013-03-01T05:00:00Z")
    >>> headers[0], headers[-1]
    (('ce_specversion', b'1.0'), ('content-type', b'application/json'))
    """
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": event_type,
        "time": time,
    }
    body = event.to_json()
    if mode == "binary":
        headers = [(_PREFIX + name, text.encode()) for name, text in attributes.items()]
        return body, [*headers, (_CONTENT_TYPE, _JSON.encode())]
    head = json.dumps({**attributes, "datacontenttype": _JSON}, ensure_ascii=False).encode()
    return head[:-1] + b', "data": ' + body + b"}", [(_CONTENT_TYPE, _STRUCTURED.encode())]


def _structured(
    value: bytes, headers: Sequence[tuple[str, bytes | None]]
) -> tuple[Mapping[str, Any], Any]:
    media_type = next(_media_type(raw) for name, raw in headers if name.lower() == _CONTENT_TYPE)
    if media_type != _STRUCTURED:
        raise CloudEventError(
            _CONTENT_TYPE, f"content-type {media_type[:60]!r} is not read: send {_STRUCTURED}"
        )
    envelope = from_json(value)
    if not isinstance(envelope, dict):
        raise CloudEventError("", f"the event must be a JSON object, got {_kind(envelope)}")
    if "data_base64" in envelope:
        _check_content_type(envelope.get("datacontenttype"))
        return envelope, _decoded(envelope["data_base64"])
    if "data" not in envelope:
        raise CloudEventError("data", "data is missing: the event carries no payload")
    _check_content_type(envelope.get("datacontenttype"))
    return envelope, envelope["data"]


def _binary(
    value: bytes, headers: Sequence[tuple[str, bytes | None]]
) -> tuple[Mapping[str, Any], Any]:
    attributes: dict[str, Any] = {}
    for name, raw in headers:
        lowered = name.lower()
        if lowered.startswith(_PREFIX):
            attribute = lowered[len(_PREFIX) :]
            try:
                attributes[attribute] = (raw or b"").decode()
            except UnicodeDecodeError:
                raise CloudEventError(attribute[:60], "header value is not UTF-8") from None
        elif lowered == _CONTENT_TYPE:
            _check_content_type(_media_type(raw))
    return attributes, from_json(value)


def _check_attributes(attributes: Mapping[str, Any]) -> None:
    for name in _REQUIRED:
        text = attributes.get(name)
        if not isinstance(text, str) or not text:
            raise CloudEventError(name, f"attribute {name} must be a non-empty string")
    if attributes["specversion"] != "1.0":
        raise CloudEventError(
            "specversion",
            f"specversion {attributes['specversion'][:20]!r} is not supported: send 1.0",
        )


def _check_content_type(content_type: object) -> None:
    if content_type is None:
        return
    media_type = content_type.partition(";")[0].strip() if isinstance(content_type, str) else ""
    if media_type.lower() not in (_JSON, "text/json") and not media_type.endswith("+json"):
        raise CloudEventError(
            "datacontenttype", f"datacontenttype {str(content_type)[:60]!r} is not JSON"
        )


def _media_type(raw: bytes | None) -> str:
    return (raw or b"").partition(b";")[0].strip().lower().decode("latin-1")


def _decoded(text: object) -> Any:
    if not isinstance(text, str):
        raise CloudEventError("data_base64", "data_base64 must be a string")
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise CloudEventError("data_base64", f"data_base64 is not base64: {error}") from None
    return from_json(decoded)


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__

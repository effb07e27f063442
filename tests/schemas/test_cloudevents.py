"""CloudEvents over Kafka: held against the `cloudevents` package in both directions."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent

from schemas.cloudevents import (
    LABEL_FIELDS,
    PREDICTION_FIELDS,
    PREDICTION_TYPE,
    CloudEventError,
    Mode,
    cloudevent_mode,
    payload_of,
    to_cloudevent,
)
from schemas.prediction import PredictionEvent

TIME = "2024-05-02T09:30:00Z"
MOMENT = datetime(2024, 5, 2, 9, 30, tzinfo=UTC)
EVENT = PredictionEvent(
    event_id="e-1",
    model="churn",
    model_version="2024.1",
    occurred_at=MOMENT,
    features={"age": 41, "plan": "plus", "región": "Málaga"},
    prediction=1,
)
MODES: tuple[Mode, ...] = ("structured", "binary")


def _written(mode: Mode) -> tuple[bytes, list[tuple[str, bytes]]]:
    return to_cloudevent(
        EVENT, mode, event_type=PREDICTION_TYPE, source="/señal", event_id="e-1", time=TIME
    )


def _package_event(data: Any) -> CloudEvent:
    return CloudEvent(
        attributes={
            "id": "e-1",
            "source": "/churn",
            "type": PREDICTION_TYPE,
            "specversion": "1.0",
            "time": MOMENT,
            "datacontenttype": "application/json",
        },
        data=data,
    )


@pytest.mark.parametrize("mode", MODES)
def test_what_we_write_the_package_reads(mode: Mode) -> None:
    value, headers = _written(mode)
    event = kafka.from_kafka_event(kafka.KafkaMessage(dict(headers), None, value))
    assert event.get_id() == "e-1"
    assert event.get_source() == "/señal"
    assert event.get_type() == PREDICTION_TYPE
    assert event.get_time() == MOMENT
    assert event.get_data() == json.loads(EVENT.to_json())


@pytest.mark.parametrize("mode", MODES)
def test_what_the_package_writes_we_read(mode: Mode) -> None:
    payload = {"model": "churn", "features": {"plan": "größer"}}
    written = (kafka.to_structured_event if mode == "structured" else kafka.to_binary_event)(
        _package_event(payload)
    )
    headers = list(written.headers.items())
    assert cloudevent_mode(headers) == mode
    read = payload_of(written.value, headers, mode, PREDICTION_FIELDS)
    moment = datetime.fromisoformat(read.pop("occurred_at"))
    assert moment == MOMENT
    assert read == {**payload, "event_id": "e-1"}


@pytest.mark.parametrize("mode", MODES)
def test_we_read_what_we_write(mode: Mode) -> None:
    value, headers = _written(mode)
    assert cloudevent_mode(headers) == mode
    payload = payload_of(value, headers, mode, PREDICTION_FIELDS)
    assert PredictionEvent.model_validate(payload) == EVENT


def test_the_payloads_own_time_and_id_win() -> None:
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"other"), ("ce_source", b"/s")]
    headers += [("ce_type", b"t"), ("ce_time", b"2030-01-01T00:00:00Z")]
    payload = payload_of(EVENT.to_json(), headers, "binary", PREDICTION_FIELDS)
    assert (payload["event_id"], payload["occurred_at"]) == ("e-1", TIME)


def test_the_id_of_a_labels_envelope_is_not_the_predictions() -> None:
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"label-7"), ("ce_source", b"/s")]
    headers += [("ce_type", b"t"), ("ce_time", TIME.encode())]
    payload = payload_of(b'{"label": 1}', headers, "binary", LABEL_FIELDS)
    assert payload == {"label": 1, "observed_at": TIME}


def test_data_base64_is_read() -> None:
    envelope = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
    value = json.dumps({**envelope, "data_base64": "eyJtb2RlbCI6ICJjaHVybiJ9"}).encode()
    headers = [("content-type", b"application/cloudevents+json")]
    payload = payload_of(value, headers, "structured", PREDICTION_FIELDS)
    assert payload == {"model": "churn", "event_id": "1"}


@pytest.mark.parametrize(
    ("attribute", "change"),
    [
        ("specversion", {"specversion": "0.3"}),
        ("id", {"id": ""}),
        ("source", {"source": None}),
        ("type", {"type": 7}),
        ("data", {"data": "text"}),
        ("data_base64", {"data_base64": "é"}),
        ("datacontenttype", {"datacontenttype": "text/plain"}),
    ],
)
def test_a_broken_envelope_names_the_attribute(attribute: str, change: dict[str, Any]) -> None:
    envelope = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {}}
    headers = [("content-type", b"application/cloudevents+json")]
    with pytest.raises(CloudEventError) as caught:
        payload_of(
            json.dumps({**envelope, **change}).encode(), headers, "structured", PREDICTION_FIELDS
        )
    assert caught.value.attribute == attribute

"""Alert moves as the contract's records, and what goes to which topic."""

import json
import math
from dataclasses import replace

import jsonschema
import pytest

from monitor.alerts import AlertMove, AlertState
from monitor.config import TopicSettings
from monitor.findings import Finding, Measurement, Span, Verdict
from monitor.publishing.alert_event import alert_event, alert_records, measured
from schemas.alert import AlertEvent, alert_event_id, fingerprint

LABELS = {
    "alertname": "PredictionDrift",
    "severity": "warning",
    "model": "flights",
    "model_version": "2013-01",
    "feature": "score",
    "category": "drift",
}
STARTS_US = 1_362_114_000_000_000
MOVED_US = STARTS_US + 3_600_000_000
TOPICS = TopicSettings()

MEASUREMENT = Measurement(
    check="ks",
    feature="score",
    scale=1_000,
    verdict=Verdict.DRIFT,
    statistic=0.31,
    effect=0.31,
    threshold=0.23,
    p_value=1e-9,
    n_ref=10_000,
    n_cur=1_000,
    n_effective=140.0,
    smallest_visible=0.2,
    cleared=False,
    values={"phi": 7.1, "odds": math.inf},
)
FINDING = Finding(
    model="flights",
    model_version="2013-01",
    category="drift",
    alertname="PredictionDrift",
    segment="",
    span=Span("plumbline.predictions", 3, 0, 999, 4_000, 4_999, STARTS_US, MOVED_US),
    measurement=MEASUREMENT,
)


def move(state: AlertState, previous: AlertState | None) -> AlertMove:
    mark = fingerprint(LABELS)
    return AlertMove(
        event_id=alert_event_id(mark, STARTS_US, state.value, 5_000),
        fingerprint=mark,
        labels=LABELS,
        annotations={"summary": "score has drifted", "owner": "airline-ops"},
        state=state,
        previous=previous,
        reason="above the threshold in 2 windows of 1,000 in a row",
        starts_us=STARTS_US,
        moved_us=MOVED_US,
        finding=FINDING,
    )


FIRING = move(AlertState.FIRING, AlertState.PENDING)
RESOLVED = move(AlertState.RESOLVED, AlertState.RECOVERING)


@pytest.mark.parametrize("one", [FIRING, RESOLVED, move(AlertState.STALE, AlertState.FIRING)])
def test_the_record_obeys_the_published_schema_and_reads_back(one: AlertMove) -> None:
    wire = alert_event(one).to_json()
    jsonschema.Draft202012Validator(AlertEvent.json_schema()).validate(json.loads(wire))
    assert AlertEvent.model_validate_json(wire) == alert_event(one)


def test_a_firing_alert_in_full() -> None:
    assert json.loads(alert_event(FIRING).to_json()) == {
        "specversion": "1.0",
        "id": FIRING.event_id,
        "source": "/plumbline/flights",
        "type": "io.plumbline.alert.v1",
        "subject": FIRING.fingerprint,
        "time": "2013-03-01T06:00:00Z",
        "datacontenttype": "application/json",
        "schemaversion": "1.0",
        "state": "firing",
        "previousstate": "pending",
        "reason": "above the threshold in 2 windows of 1,000 in a row",
        "clock": False,
        "model": "flights",
        "offsets": "plumbline.predictions:3:4000-4999",
        "data": {
            "version": "4",
            "groupKey": '{}:{alertname="PredictionDrift", category="drift", feature="score", '
            'model="flights", model_version="2013-01", severity="warning"}',
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "",
            "groupLabels": LABELS,
            "commonLabels": LABELS,
            "commonAnnotations": {"summary": "score has drifted", "owner": "airline-ops"},
            "externalURL": "",
            "alerts": [
                {
                    "status": "firing",
                    "labels": LABELS,
                    "annotations": {"summary": "score has drifted", "owner": "airline-ops"},
                    "startsAt": "2013-03-01T05:00:00Z",
                    "generatorURL": "",
                    "fingerprint": FIRING.fingerprint,
                    "values": {
                        "phi": 7.1,
                        "statistic": 0.31,
                        "effect": 0.31,
                        "threshold": 0.23,
                        "p_value": 1e-9,
                        "n_ref": 10_000.0,
                        "n_cur": 1_000.0,
                        "n_effective": 140.0,
                        "smallest_visible": 0.2,
                    },
                }
            ],
        },
    }


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (AlertState.FIRING, "firing"),
        (AlertState.RECOVERING, "firing"),
        (AlertState.STALE, "firing"),
        (AlertState.RESOLVED, "resolved"),
        (AlertState.SUPERSEDED, "resolved"),
    ],
)
def test_only_an_alert_that_ended_is_resolved_and_has_an_end(
    state: AlertState, status: str
) -> None:
    body = alert_event(move(state, AlertState.FIRING)).data
    assert (body.status, body.alerts[0].status) == (status, status)
    assert (body.alerts[0].endsAt is not None) == (status == "resolved")


def test_a_number_that_is_not_finite_is_left_out() -> None:
    numbers = measured(MEASUREMENT._replace(p_value=math.nan, values={}))
    assert "p_value" not in numbers
    assert numbers["statistic"] == 0.31


def test_the_log_gets_every_move_and_the_state_forgets_what_ended() -> None:
    records = alert_records([FIRING, RESOLVED], TOPICS)
    assert [(record.topic, record.value is None) for record in records] == [
        ("plumbline.alerts", False),
        ("plumbline.alerts.state", False),
        ("plumbline.alerts", False),
        ("plumbline.alerts.state", True),
    ]
    assert {record.key for record in records} == {FIRING.fingerprint.encode()}


def test_moves_that_never_fired_are_not_published() -> None:
    quiet = [move(AlertState.PENDING, None), move(AlertState.RESOLVED, AlertState.PENDING)]
    assert alert_records(quiet, TOPICS) == []


def test_the_same_move_is_the_same_bytes() -> None:
    again = move(AlertState.FIRING, AlertState.PENDING)
    assert alert_records([FIRING], TOPICS) == alert_records([again], TOPICS)


def test_no_alert_is_larger_than_kafka_takes() -> None:
    """A runbook may be of any length; an alert that is too large would block its worker."""
    words = chr(0x1F4C8) * 1_000_000
    large = replace(
        FIRING,
        annotations=dict.fromkeys((f"note-{n}" for n in range(20)), words),
        reason=words,
        finding=FIRING.finding._replace(
            measurement=FIRING.finding.measurement._replace(
                values={f"value-{'n' * 100}-{n}": n / 7 for n in range(10_000)},
            ),
        ),
    )
    for record in alert_records([large], TopicSettings()):
        assert len(record.value or b"") < 1_000_000
    assert alert_event(large).data.commonAnnotations["note-3"].endswith(" ... (cut)")
    assert alert_event(FIRING).data.commonAnnotations == dict(FIRING.annotations)

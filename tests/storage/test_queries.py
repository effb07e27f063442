"""The named questions, answered from a small database whose answers are known."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from monitor.alerts import AlertState
from monitor.decisions import Turn
from monitor.events import Fault
from monitor.findings import Verdict
from monitor.storage import ClickHouseStore, StoreBatch, audit_queries, queries
from monitor.storage.queries import Query, ask
from tests.storage.samples import (
    APPENDED_US,
    LABELS,
    PREDICTIONS,
    boundary,
    card,
    finding,
    labels,
    move,
    predictions,
    rejected,
    ruling,
    turn,
    unregistered,
)

VALUES: dict[str, Any] = {
    "model": "flights",
    "event_id": "flights-0-1",
    "event_ids": ["flights-0-1", "flights-0-2"],
    "request_id": "",
    "feature": "score",
    "since": datetime(2013, 1, 1, tzinfo=UTC),
    "until": datetime(2014, 1, 1, tzinfo=UTC),
    "limit": 2,
    "fingerprint": "ab" * 8,
    "occurred_at": datetime(2013, 3, 1, 6, tzinfo=UTC),
    "at": datetime(2013, 3, 1, 6, tzinfo=UTC),
    "entity_id": "ann",
    "model_version": "1",
    "topic": PREDICTIONS,
    "partition": 0,
    "offset": 4,
    "profile_hash": "sha256:0",
}


@pytest.fixture
def filled(clickhouse: ClickHouseStore) -> ClickHouseStore:
    """Two models, labels, refusals, findings of three months and one alert; all stored twice."""
    batch = StoreBatch(
        predictions=[
            predictions(
                40, faults=(Fault(1, "temp", "hidden_null", -999.0), Fault(2, "gate", "extra", 1.0))
            ),
            unregistered([{"a": 1.0}], ["yes"]),
        ],
        labels=[labels([True, False, True])],
        rejected=[rejected(50), rejected(51), rejected(7, topic=LABELS)],
        findings=[
            finding(0, effect=0.05, verdict=Verdict.OK),
            finding(1, effect=0.41),
            finding(1, feature="carrier", effect=0.02, verdict=Verdict.OK),
            finding(2, effect=0.30),
        ],
    )
    for _ in range(2):
        clickhouse.store(batch)
        clickhouse.store_alerts(
            [
                move(0, AlertState.PENDING, None),
                move(1, AlertState.FIRING, AlertState.PENDING),
                move(2, AlertState.RECOVERING, AlertState.FIRING),
                move(1, AlertState.FIRING, AlertState.PENDING, fingerprint="cd" * 8),
                move(3, AlertState.RESOLVED, AlertState.RECOVERING, fingerprint="cd" * 8),
            ]
        )
        clickhouse.store_decisions(
            [boundary()], [ruling(0), ruling(1, until="2026-02-01T00:00:00Z")], [turn()]
        )
        clickhouse.save_card(card(), appended_us=APPENDED_US)
    return clickhouse


def answer(store: ClickHouseStore, query: Query, **changed: Any) -> list[dict[str, Any]]:
    values = VALUES | changed
    return ask(store.connection, query, {name: values[name] for name in query.parameters})


@pytest.mark.parametrize("module", [queries, audit_queries])
def test_every_question_is_listed_under_its_own_name(module: Any) -> None:
    named = {
        name.lower(): value for name, value in vars(module).items() if isinstance(value, Query)
    }
    assert {query.name: query for query in module.ALL} == named


@pytest.mark.integration
def test_every_question_can_be_asked_of_an_empty_database(clickhouse: ClickHouseStore) -> None:
    for query in (*queries.ALL, *audit_queries.ALL):
        rows = answer(clickhouse, query)
        assert not any(any(row.values()) for row in rows), query.name


@pytest.mark.integration
def test_a_missing_value_is_named(clickhouse: ClickHouseStore) -> None:
    with pytest.raises(ValueError, match=r"event_by_id takes \['event_id', 'model'\], got"):
        ask(clickhouse.connection, queries.EVENT_BY_ID, {"model": "flights"})


@pytest.mark.integration
def test_questions_about_events(filled: ClickHouseStore) -> None:
    flights, unknown = answer(filled, queries.EVENTS_BY_MODEL)
    assert (flights["model"], flights["events"], flights["with_faults"]) == ("flights", 40, 2)
    assert (unknown["model"], unknown["unregistered"]) == ("unknown", 1)
    months = answer(filled, queries.EVENTS_BY_MONTH)
    assert [(row["month"], row["events"]) for row in months] == [("2013-03", 40), ("2013-03", 1)]
    assert answer(filled, queries.STORED_BY_TOPIC) == [
        {"topic": LABELS, "source": "labels", "records": 3},
        {"topic": LABELS, "source": "rejections", "records": 1},
        {"topic": PREDICTIONS, "source": "predictions", "records": 41},
        {"topic": PREDICTIONS, "source": "rejections", "records": 2},
    ]
    [progress] = answer(filled, queries.PROGRESS)
    assert progress["predictions"] >= 41
    faults = answer(filled, queries.FAULTS_BY_FEATURE)
    assert [(row["feature"], row["reason"], row["events"]) for row in faults] == [
        ("gate", "extra", 1),
        ("temp", "hidden_null", 1),
    ]
    newest = answer(filled, queries.LAST_EVENTS)
    assert [row["event_id"] for row in newest] == ["flights-0-39", "flights-0-38"]


@pytest.mark.integration
def test_questions_about_one_event(filled: ClickHouseStore) -> None:
    [event] = answer(filled, queries.EVENT_BY_ID)
    assert event["numbers"] == {"temp": -999.0, "distance": 200.0}
    assert event["faults"] == {"temp": "hidden_null"}
    assert event["occurred_at"] == datetime(2013, 3, 1, 6, tzinfo=UTC)
    [label] = answer(filled, queries.LABELS_OF_EVENT)
    assert label["label"] == "false"
    assert answer(filled, queries.EVENT_BY_ID, event_id="' OR 1 --") == []


@pytest.mark.integration
def test_questions_about_what_was_refused_labelled_and_registered(filled: ClickHouseStore) -> None:
    refused = answer(filled, queries.REJECTIONS_BY_REASON)
    assert [(row["topic"], row["reason"], row["records"]) for row in refused] == [
        (PREDICTIONS, "not_json", 2),
        (LABELS, "not_json", 1),
    ]
    [row] = answer(filled, queries.LABELS_BY_MODEL)
    assert (row["model"], row["labels"]) == ("flights", 3)
    [registration] = answer(filled, queries.CARDS_OF_MODEL)
    assert registration["owner_team"] == "delays"


@pytest.mark.integration
def test_questions_about_drift(filled: ClickHouseStore) -> None:
    months = answer(filled, queries.FINDINGS_BY_MONTH)
    assert [(row["month"], row["feature"], row["max_effect"], row["drift"]) for row in months] == [
        ("2013-03", "score", 0.05, 0),
        ("2013-04", "carrier", 0.02, 0),
        ("2013-04", "score", 0.41, 1),
        ("2013-05", "score", 0.30, 1),
    ]
    effects = [row["effect"] for row in answer(filled, queries.FINDINGS_OF_FEATURE)]
    assert effects == [0.05, 0.41, 0.30]


@pytest.mark.integration
def test_questions_about_alerts(filled: ClickHouseStore) -> None:
    timeline = answer(filled, queries.ALERTS_BY_MONTH)
    assert [
        (row["month"], row["alertname"], row["feature"], row["fired"], row["resolved"])
        for row in timeline
    ] == [
        ("2013-04", "PredictionDrift", "score", 2, 0),
        ("2013-05", "PredictionDrift", "score", 0, 1),
    ]
    moves = answer(filled, queries.ALERT_MOVES)
    assert [row["state"] for row in moves] == ["firing", "firing", "recovering", "resolved"]
    [open_alert] = answer(filled, queries.FIRING_ALERTS)
    assert (open_alert["fingerprint"], open_alert["state"]) == ("ab" * 8, "recovering")
    assert open_alert["annotations"]["owner"] == "delays team"


@pytest.mark.integration
def test_the_current_state_follows_the_log_not_the_event_times(clickhouse: ClickHouseStore) -> None:
    mark = "cd" * 8
    future = replace(
        move(2, AlertState.FIRING, AlertState.PENDING, fingerprint=mark), moved_us=5 * 10**15
    )
    clickhouse.store_alerts(
        [
            future,
            move(5, AlertState.RESOLVED, AlertState.RECOVERING, fingerprint=mark),
            # A sequential alarm is pending and firing at the same event.
            move(3, AlertState.FIRING, AlertState.PENDING),
            move(3, AlertState.PENDING, None),
        ]
    )
    rows = clickhouse.connection.query("SELECT fingerprint, state FROM current_alerts")
    assert {row["fingerprint"]: row["state"] for row in rows} == {
        mark: "resolved",
        "ab" * 8: "firing",
    }


@pytest.mark.integration
def test_questions_about_what_people_decided(filled: ClickHouseStore) -> None:
    moves = answer(filled, queries.MOVES_OF_ALERT)
    assert [row["state"] for row in moves] == ["firing", "recovering"]
    first, second = answer(filled, queries.COMMANDS_OF_ALERT)
    assert (first["action"], first["who"], first["done"]) == ("acknowledge", "ann", True)
    assert (second["action"], second["until"]) == ("silence", datetime(2026, 2, 1, tzinfo=UTC))
    [row] = answer(filled, queries.BOUNDARIES_OF_MODEL)
    assert (row["change"], row["offset"]) == ("windows", 4)
    [acts] = answer(filled, queries.BASELINES_OF_MODEL)
    assert (acts["column"], acts["n_rows"], acts["counts"]) == ("score", 3, [1, 2])
    assert not acts["ended"]
    filled.store_decisions([], [], [turn(Turn.ENDED)])
    [over] = answer(filled, queries.BASELINES_OF_MODEL)
    assert over["ended"]
    assert (over["acts_from"], over["who"]) == (4, "ann")

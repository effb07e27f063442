"""Erasure: a person's rows are gone from the real engine, and nobody else's."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.clock import SystemClock
from monitor.storage import ClickHouseStore
from monitor.storage.erasure import Erasure, forget, hash_of
from monitor.storage.store import StoreBatch
from schemas.values import HashKey
from tests.storage.samples import labels, predictions, rejected

pytestmark = pytest.mark.integration

KEY = HashKey("the key of these tests, long enough")
PERSON = 'it\'s "Jörg" \\ 1'
"""An id that would break any text it is pasted into."""


def _fill(store: ClickHouseStore, person: str = PERSON) -> None:
    """Ten predictions of `flights`: 0 to 3 of the person, 4 to 9 of another one; with labels."""
    mine = predictions(4, extra={"entity_id": person, "request_id": "r-1"})
    others = predictions(6, first_offset=4, extra={"entity_id": "1", "request_id": "r-2"})
    truths = labels([True] * 10)
    by_request = replace(
        labels([True, False], first_offset=10),
        events=[{"request_id": name, "label": True} for name in ("r-1", "r-2")],
    )
    hashed = predictions(
        2,
        first_offset=20,
        model="hashing",
        partition=1,
        extra={"entity_id": KEY.text("entity_id", person)},
    )
    records = [
        json.dumps({"entity_id": person, "features": 1}).encode(),
        json.dumps({"data": {"entity_id": person}}, ensure_ascii=False).encode(),
        json.dumps({"entity_id": person, "features": {"a": "b" * 40_000}}).encode(),
        json.dumps({"model": "flights", "event_id": "flights-0-2", "label": []}).encode(),
        json.dumps({"entity_id": "1", "model_version": person}).encode(),
        b"{",
    ]
    refused = [
        replace(rejected(100 + i, original=record), model="flights" if i == 3 else None)
        for i, record in enumerate(records)
    ]
    store.store(
        StoreBatch(
            predictions=[mine, others, hashed], labels=[truths, by_request], rejected=refused
        )
    )


def _offsets(store: ClickHouseStore, table: str) -> list[int]:
    rows = store.connection.query(
        "SELECT offset FROM {table:Identifier} FINAL ORDER BY offset", {"table": table}
    )
    return [row["offset"] for row in rows]


def _forget(store: ClickHouseStore, **options: Any) -> Erasure:
    return forget(store.connection, PERSON, SystemClock(), key=KEY, **options)


def test_every_row_of_the_person_goes_and_no_other(clickhouse: ClickHouseStore) -> None:
    _fill(clickhouse)
    clickhouse.store(StoreBatch(predictions=[predictions(4, extra={"entity_id": PERSON})]))
    erasure = _forget(clickhouse)
    assert erasure.found == {"predictions": 6, "labels": 5, "rejections": 4}
    assert erasure.remaining == {"predictions": 0, "labels": 0, "rejections": 0}
    assert erasure.complete
    assert _offsets(clickhouse, "predictions") == [4, 5, 6, 7, 8, 9]
    assert _offsets(clickhouse, "labels") == [4, 5, 6, 7, 8, 9, 11]
    assert _offsets(clickhouse, "rejections") == [104, 105]
    [row] = clickhouse.connection.query(
        "SELECT uniqExact(offset) AS n FROM predictions WHERE entity_id != {one:String}",
        {"one": "1"},
    )
    assert row["n"] == 0


def test_how_far_rows_are_stored_outlives_an_erasure(clickhouse: ClickHouseStore) -> None:
    _fill(clickhouse)
    topic = predictions(1).topic
    before = clickhouse.stored_until(topic).predictions[0]
    _forget(clickhouse)
    assert clickhouse.stored_until(topic).predictions[0] == before


def test_one_model_alone(clickhouse: ClickHouseStore) -> None:
    _fill(clickhouse)
    erasure = _forget(clickhouse, model="hashing")
    assert erasure.found["predictions"] == 2
    assert erasure.found["labels"] == 0
    assert _offsets(clickhouse, "predictions") == list(range(10))
    assert _forget(clickhouse).found["predictions"] == 4


def test_the_record_proves_it_without_the_id(clickhouse: ClickHouseStore) -> None:
    _fill(clickhouse)
    _forget(clickhouse)
    again = _forget(clickhouse)
    assert again.found == dict.fromkeys(("predictions", "labels", "rejections"), 0)
    first, second = clickhouse.connection.query("SELECT * FROM erasures ORDER BY erased_at")
    assert first["entity_hash"] == second["entity_hash"] == hash_of(PERSON, KEY)
    assert first["found"]["predictions"] == 6
    assert set(first["remaining"].values()) == {0}
    assert first["account"] == "writer"
    kept = clickhouse.connection.query(
        "SELECT command FROM system.mutations WHERE database = {database:String}",
        {"database": clickhouse.connection.database},
    )
    assert kept
    for word in (PERSON, "Jörg", KEY.text("entity_id", PERSON)):
        assert word not in repr(kept)
        assert word not in repr([first, second]).replace(hash_of(PERSON, KEY), "")


def test_many_rows_of_one_person(clickhouse: ClickHouseStore) -> None:
    n = 5_000
    clickhouse.store(
        StoreBatch(
            predictions=[predictions(n, extra={"entity_id": PERSON})],
            labels=[labels([True] * n)],
        )
    )
    erasure = _forget(clickhouse)
    assert erasure.found["labels"] == erasure.found["predictions"] == n
    assert erasure.complete
    assert _offsets(clickhouse, "labels") == []


def test_of_nobody_nothing_is_found(clickhouse: ClickHouseStore) -> None:
    _fill(clickhouse, person="another")
    erasure = forget(clickhouse.connection, ".*", SystemClock())
    assert erasure.found == dict.fromkeys(("predictions", "labels", "rejections"), 0)
    assert erasure.entity_hash.startswith("sha256:")
    assert len(np.unique(_offsets(clickhouse, "predictions"))) == 12

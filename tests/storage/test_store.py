"""The contract of a store, kept by the real one and by the one in memory."""

from typing import Any, Protocol

import numpy as np
import pytest

from monitor.alerts import AlertState
from monitor.errors import StorageError
from monitor.storage import ClickHouseStore, MemoryStore, Store, StoreBatch, Watermark
from monitor.storage.memory import KEYS
from tests.storage.samples import (
    APPENDED_US,
    DAY_US,
    HOSTILE_TEXTS,
    LABELS,
    PREDICTIONS,
    boundary,
    card,
    labels,
    move,
    predictions,
    rejected,
    ruling,
    turn,
    unregistered,
    whole_batch,
)

BINARY = {"rejections": ("original",), "pane_summaries": ("sketch",), "cards": ("card",)}


class Readable(Protocol):
    """A store under test and its rows as they would be audited."""

    @property
    def store(self) -> Store: ...

    def rows(self, table: str) -> list[dict[str, Any]]: ...

    def break_once(self) -> None:
        """The next batch is not stored whole at its first attempt."""


class InClickHouse:
    """Reads rows back with FINAL, in the order of the key."""

    def __init__(self, store: ClickHouseStore, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self._connection = store.connection
        self._patch = monkeypatch

    def rows(self, table: str) -> list[dict[str, Any]]:
        order = ", ".join(KEYS[table])
        return self._connection.query(
            f"SELECT * FROM {table} FINAL ORDER BY {order}", binary=BINARY.get(table, ())
        )

    def break_once(self) -> None:
        """The second insert of the next batch fails."""
        insert = self._connection.insert
        calls: list[str] = []

        def failing(table: str, rows: Any) -> None:
            calls.append(table)
            if len(calls) == 2:
                raise StorageError("away", retryable=True)
            insert(table, rows)

        self._patch.setattr(self._connection, "insert", failing)


class InMemory:
    """The shipped fake."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.store.rows(table)

    def break_once(self) -> None:
        self.store.refusals.append(StorageError("away", retryable=True))


@pytest.fixture(params=["memory", pytest.param("clickhouse", marks=pytest.mark.integration)])
def readable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Readable:
    if request.param == "memory":
        return InMemory()
    return InClickHouse(request.getfixturevalue("clickhouse"), monkeypatch)


def everything(readable: Readable) -> dict[str, list[dict[str, Any]]]:
    return {table: readable.rows(table) for table in KEYS}


def test_every_kind_of_row_is_stored(readable: Readable) -> None:
    readable.store.store(whole_batch())
    counts = {table: len(rows) for table, rows in everything(readable).items()}
    assert counts == {
        "predictions": 7,
        "labels": 4,
        "rejections": 2,
        "pane_summaries": 2,
        "findings": 2,
        "alerts": 0,
        "cards": 0,
        "boundaries": 0,
        "commands": 0,
        "baselines": 0,
        "cohorts": 0,
        "comparisons": 0,
    }


@pytest.mark.integration
def test_the_store_in_memory_holds_what_the_real_one_holds(clickhouse: ClickHouseStore) -> None:
    memory = MemoryStore()
    real = InClickHouse(clickhouse, pytest.MonkeyPatch())
    for store in (memory, clickhouse):
        store.store(whole_batch())
        store.store_alerts([move(1, AlertState.FIRING, AlertState.PENDING)])
        store.store_decisions([boundary()], [ruling()], [turn()])
        store.save_card(card(), appended_us=APPENDED_US)
    for table in KEYS.keys() - {"cohorts", "comparisons"}:  # see test_cohort_rows
        expected = memory.rows(table)
        found = [{name: row[name] for name in expected[0]} for row in real.rows(table)]
        assert found == expected, table


def test_flushing_twice_gives_the_same_rows(readable: Readable) -> None:
    moves = [move(1, AlertState.FIRING, AlertState.PENDING)]
    readable.store.store(whole_batch())
    readable.store.store_alerts(moves)
    readable.store.store_decisions([boundary()], [ruling()], [turn()])
    readable.store.save_card(card(), appended_us=APPENDED_US)
    once = everything(readable)
    readable.store.store(whole_batch())
    readable.store.store_alerts(moves)
    readable.store.store_decisions([boundary()], [ruling()], [turn()])
    readable.store.save_card(card(), appended_us=APPENDED_US)
    twice = everything(readable)
    for table, rows in once.items():
        assert [_without_clock(row) for row in twice[table]] == [_without_clock(r) for r in rows]


def test_a_failed_flush_can_be_made_again(readable: Readable) -> None:
    batch = whole_batch()
    readable.break_once()
    with pytest.raises(StorageError) as raised:
        readable.store.store(batch)
    assert raised.value.retryable
    readable.store.store(batch)
    assert len(readable.rows("predictions")) == 7
    assert len(readable.rows("labels")) == 4


def test_an_empty_batch_is_no_error(readable: Readable) -> None:
    readable.store.store(StoreBatch())
    readable.store.store(StoreBatch(predictions=[predictions(0)], labels=[labels([])]))
    readable.store.store_alerts([])
    assert not any(everything(readable).values())


def test_hostile_text_comes_back_as_it_was(readable: Readable) -> None:
    names = {text or "empty": text for text in HOSTILE_TEXTS}
    readable.store.store(
        StoreBatch(
            predictions=[unregistered([names], [HOSTILE_TEXTS[0]])],
            labels=[labels(list(HOSTILE_TEXTS))],
            rejected=[rejected(9, original=b"\xff\x00'\\" * 10_000)],
        )
    )
    [event] = readable.rows("predictions")
    assert event["strings"] == names
    assert event["prediction"] == HOSTILE_TEXTS[0]
    by_offset = sorted(readable.rows("labels"), key=lambda row: row["offset"])
    assert [row["label"] for row in by_offset] == list(HOSTILE_TEXTS)
    [refused] = readable.rows("rejections")
    assert refused["original"] == (b"\xff\x00'\\" * 10_000)[:16_384]
    assert refused["original_size_bytes"] == 40_000
    assert refused["reasons"] == ["not_json", "missing_field"]
    assert refused["fields"] == ["", "model"]


def test_half_a_surrogate_pair_is_stored_as_its_escape(readable: Readable) -> None:
    half = "a" + chr(0xD800)
    readable.store.store(StoreBatch(predictions=[unregistered([{half: half}], [half])]))
    [event] = readable.rows("predictions")
    assert event["strings"] == {"a\\ud800": "a\\ud800"}
    assert event["prediction"] == "a\\ud800"


def test_labels_of_any_type_are_text_and_numbers_where_they_are(readable: Readable) -> None:
    offline = {"offline_features": {"temp": 40.5, "carrier": "UA", "late": True, "gone": None}}
    readable.store.store(StoreBatch(labels=[labels([True, "late", 3, 0.25], extra=offline)]))
    rows = sorted(readable.rows("labels"), key=lambda row: row["offset"])
    assert [row["label"] for row in rows] == ["true", "late", "3", "0.25"]
    assert [row["label_number"] for row in rows] == [1.0, None, 3.0, 0.25]
    assert rows[0]["offline_numbers"] == {"temp": 40.5, "late": 1.0}
    assert rows[0]["offline_strings"] == {"carrier": "UA"}


def test_how_far_a_topic_is_stored_is_known_by_table_and_partition(readable: Readable) -> None:
    readable.store.store(whole_batch())
    until = readable.store.stored_until(PREDICTIONS)
    assert until.predictions == {
        0: Watermark(3, APPENDED_US + 3_000),
        2: Watermark(2, APPENDED_US + 2_000),
    }
    assert until.labels == {}
    assert until.rejections == {0: Watermark(4, APPENDED_US + 4)}
    assert readable.store.stored_until(LABELS).labels == {0: Watermark(3, APPENDED_US + 3)}
    assert readable.store.stored_until("elsewhere").predictions == {}


def test_a_profile_comes_back_byte_for_byte(readable: Readable) -> None:
    content = np.random.default_rng(1).bytes(300_000)
    name = "sha256:" + "0" * 64
    assert readable.store.load_profile(name) is None
    readable.store.save_profile(name, content)
    readable.store.save_profile(name, content)
    assert readable.store.load_profile(name) == content


def test_each_change_of_a_card_is_kept(readable: Readable) -> None:
    readable.store.save_card(card(), appended_us=APPENDED_US)
    readable.store.save_card(card(team=None), appended_us=APPENDED_US + DAY_US)
    rows = readable.rows("cards")
    assert [row["owner_team"] for row in rows] == ["delays", ""]
    assert b'"model":"flights"' in rows[0]["card"]


def test_a_batch_that_spans_months_is_stored_whole(readable: Readable) -> None:
    part = predictions(6)
    part.appended_us[:] = APPENDED_US + np.arange(6) * 20 * DAY_US
    readable.store.store(StoreBatch(predictions=[part]))
    assert [row["offset"] for row in readable.rows("predictions")] == [0, 1, 2, 3, 4, 5]


def _without_clock(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "stored_at"}

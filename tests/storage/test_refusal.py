"""One bad row blocks nothing: it is told as a rejection, all others are stored once."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

from monitor.errors import StorageError
from monitor.events import RejectedRecord
from monitor.storage import ClickHouseStore, StoreBatch
from monitor.storage.refusal import MOST_INSERTS, refused_before, store_by_halves
from monitor.storage.store import REFUSED
from tests.storage.samples import LABELS, PREDICTIONS, labels, predictions, rejected, whole_batch

BAD_CONTENT = StorageError("violated", code=469, name="VIOLATED_CONSTRAINT", retryable=False)
AWAY = StorageError("away", retryable=True)


def _halved(n: int, bad: set[int]) -> tuple[list[int], list[int], list[tuple[str, int]]]:
    """What was stored, what refused, and both as they happened."""
    stored: list[int] = []
    refused: list[int] = []
    story: list[tuple[str, int]] = []

    def insert(piece: Any) -> None:
        numbers = piece.column("n").to_pylist()
        if bad.intersection(numbers):
            raise BAD_CONTENT
        stored.extend(numbers)
        story.extend(("stored", number) for number in numbers)

    def refuse(piece: Any, error: StorageError) -> None:
        refused.extend(piece.column("n").to_pylist())
        story.extend(("refused", number) for number in piece.column("n").to_pylist())

    store_by_halves(pa.table({"n": list(range(n))}), insert, refuse)
    return stored, refused, story


@pytest.mark.parametrize("bad", [{0}, {999}, {3, 4}, {0, 500, 501, 999}, set(range(0, 1000, 97))])
def test_all_but_the_bad_rows_are_stored_in_their_order(bad: set[int]) -> None:
    stored, refused, story = _halved(1_000, bad)
    assert refused == sorted(bad)
    assert stored == [n for n in range(1_000) if n not in bad]
    assert [number for _, number in story] == list(range(1_000))


def test_a_single_bad_row_is_found() -> None:
    assert _halved(1, {0})[:2] == ([], [0])


def test_a_flood_of_bad_rows_is_refused_in_bounded_time() -> None:
    stored, refused, _ = _halved(20_000, set(range(20_000)))
    assert stored == []
    assert sorted(refused) == list(range(20_000))
    calls = 0

    def insert(piece: Any) -> None:
        nonlocal calls
        calls += 1
        raise BAD_CONTENT

    store_by_halves(pa.table({"n": list(range(20_000))}), insert, lambda *_: None)
    assert calls < MOST_INSERTS + 50


def test_what_is_not_about_the_rows_is_raised() -> None:
    def insert(piece: Any) -> None:
        raise AWAY

    with pytest.raises(StorageError, match="away"):
        store_by_halves(pa.table({"n": [1, 2]}), insert, lambda *_: None)


@pytest.fixture
def strict(clickhouse: ClickHouseStore) -> ClickHouseStore:
    """A server that takes no prediction of 43 degrees and no label of "bad"."""
    command = clickhouse.connection.command
    command("ALTER TABLE predictions ADD CONSTRAINT mild CHECK numbers['temp'] != 43")
    command("ALTER TABLE labels ADD CONSTRAINT good CHECK label != 'bad'")
    return clickhouse


def _rows(store: ClickHouseStore, table: str) -> list[tuple[int, int]]:
    rows = store.connection.query(f"SELECT partition, offset FROM {table} ORDER BY ALL")
    return [(row["partition"], row["offset"]) for row in rows]


def _batch() -> StoreBatch:
    return StoreBatch(
        predictions=[predictions(8), predictions(8, model="other", partition=1)],
        labels=[labels(["good", "bad", "good"])],
        rejected=[rejected(100)],
    )


def _places(refused: Sequence[RejectedRecord]) -> list[tuple[str, int, int]]:
    return sorted((record.topic, record.partition, record.offset) for record in refused)


@pytest.mark.integration
def test_a_refused_row_becomes_a_rejection_and_the_rest_is_stored_once(
    strict: ClickHouseStore,
) -> None:
    refused = strict.store(_batch())
    [label_partition] = {columns.partition for columns in _batch().labels}
    assert _places(refused) == sorted(
        [(PREDICTIONS, 0, 3), (PREDICTIONS, 1, 3), (LABELS, label_partition, 1)]
    )
    assert _rows(strict, "predictions") == [
        (partition, offset) for partition in (0, 1) for offset in range(8) if offset != 3
    ]
    [row] = strict.connection.query(
        "SELECT reasons, messages, original FROM rejections "
        "WHERE topic = {topic:String} AND partition = 0 AND has(reasons, 'refused_by_store')",
        {"topic": PREDICTIONS},
    )
    assert row["reasons"] == [REFUSED]
    assert "VIOLATED_CONSTRAINT" in row["messages"][0]
    assert len(row["messages"][0]) <= 300
    assert '"temp": 43.0' in row["original"]


@pytest.mark.integration
def test_a_retry_and_a_restart_tell_the_same(strict: ClickHouseStore) -> None:
    batch = _batch()
    first = list(strict.store(batch))
    assert list(strict.store(batch)) == first
    stored = [strict.stored_until(topic) for topic in (PREDICTIONS, LABELS)]
    again = refused_before(batch, stored) + list(strict.store(batch.after(*stored)))
    assert _places(again) == _places(first)
    assert {record.reasons for record in again} == {record.reasons for record in first}
    assert {record.original for record in again} == {record.original for record in first}


Cut = Callable[[int], None]


@pytest.mark.integration
@pytest.mark.parametrize("after", range(1, 12))
def test_a_crash_anywhere_in_the_search_loses_nothing(
    strict: ClickHouseStore, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    batch = StoreBatch(
        predictions=[predictions(3, first_offset=1), predictions(4, first_offset=4, model="other")],
        rejected=[rejected(0)],
    )
    insert, calls = strict.connection.insert, 0

    def cut(table: str, rows: Any) -> None:
        nonlocal calls
        if calls == after:
            raise AWAY
        calls += 1
        insert(table, rows)

    with monkeypatch.context() as patch:
        patch.setattr(strict.connection, "insert", cut)
        try:
            strict.store(batch)
        except StorageError:
            assert calls == after
    stored = [strict.stored_until(PREDICTIONS)]
    refused = refused_before(batch, stored) + list(strict.store(batch.after(*stored)))
    assert _places(refused) == [(PREDICTIONS, 0, 3)]
    assert _rows(strict, "predictions") == [(0, offset) for offset in (1, 2, 4, 5, 6, 7)]
    assert set(_rows(strict, "rejections")) == {(0, 0), (0, 3)}


@pytest.mark.integration
def test_a_pane_that_is_refused_blocks_nothing(
    clickhouse: ClickHouseStore, caplog: pytest.LogCaptureFixture
) -> None:
    clickhouse.connection.command("ALTER TABLE findings ADD CONSTRAINT none CHECK model = ''")
    assert clickhouse.store(whole_batch()) == []
    assert _rows(clickhouse, "predictions")
    assert "rows of findings are not stored" in caplog.text

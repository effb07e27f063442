"""The reader: bounded, read-only, types kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from monitor.config import ClickHouseSettings
from monitor.errors import StorageError
from monitor.storage import ClickHouseStore, StoreBatch
from monitor.storage.queries import EVENT_BY_ID, EVENTS_BY_MODEL, Query
from monitor.storage.reader import MOST_ROWS, Reader
from tests.storage.samples import predictions

pytestmark = pytest.mark.integration


@pytest.fixture
def reader(settings: ClickHouseSettings, clickhouse: ClickHouseStore) -> Iterator[Reader]:
    """40 predictions, read with the writer's account: the reader's sees one database alone."""
    clickhouse.store(StoreBatch(predictions=[predictions(40)]))
    with Reader(settings.model_copy(update={"reader_username": ""})) as opened:
        yield opened


def test_rows_and_frames_are_the_same_answer(reader: Reader) -> None:
    [row] = reader.rows(EVENTS_BY_MODEL)
    assert row["events"] == 40
    table = reader.frame(EVENTS_BY_MODEL)
    assert table.to_pylist() == [row]
    assert table.schema.field("first_at").type == pa.timestamp("us", tz="UTC")


def test_an_empty_frame_has_its_columns(reader: Reader) -> None:
    table = reader.frame(EVENT_BY_ID, {"model": "flights", "event_id": "none"})
    assert table.num_rows == 0
    assert str(table.schema.field("numbers").type) == "map<string, double>"


def test_times_travel_as_they_are(reader: Reader) -> None:
    at = datetime(2013, 3, 1, 6, 0, 0, 5, tzinfo=UTC)
    query = Query("at", "A time.", "SELECT {at:DateTime64(6, 'UTC')} AS at")
    assert reader.rows(query, {"at": at}) == [{"at": at}]


def test_it_cannot_write_whatever_the_account(reader: Reader) -> None:
    query = Query("write", "Not a question.", "INSERT INTO migrations (number) VALUES (99)")
    with pytest.raises(StorageError, match="READONLY"):
        reader.rows(query)


def test_an_answer_too_long_is_refused_and_not_cut(reader: Reader) -> None:
    query = Query("long", "Too many rows.", f"SELECT number FROM numbers({MOST_ROWS} + 1)")
    with pytest.raises(StorageError) as caught:
        reader.rows(query)
    assert caught.value.code == 396
    assert sum(batch.num_rows for batch in reader.stream(query)) == MOST_ROWS + 1


def test_a_search_too_wide_is_refused(reader: Reader) -> None:
    with pytest.raises(StorageError) as caught:
        reader.rows(replace(EVENTS_BY_MODEL, most_rows_read=10))
    assert caught.value.code == 158


def test_an_error_within_a_stream_is_said(reader: Reader) -> None:
    late = "SELECT throwIf(number = 500000) FROM numbers(1000000) SETTINGS max_block_size = 1000"
    with pytest.raises(StorageError):
        list(reader.stream(Query("late", "Fails after a while.", late)))

"""clickhouse-connect's everyday surface, unchanged, on the stand-in."""

import datetime as dt
import gzip
import io
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import lz4.frame
import pandas as pd
import pyarrow as pa
import pytest
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from tests.devstack.server import READER, ClickHouse

pytestmark = pytest.mark.integration

WHEN = dt.datetime(2013, 4, 5, 6, 7, 8, 901_234, tzinfo=dt.UTC)
STRANGE = "tab\t newline\n quote' backslash\\ ünïcode \0 end"


@pytest.fixture(scope="module")
def client(clickhouse: ClickHouse) -> Iterator[Client]:
    with clickhouse.client(database="plumbline") as client:
        yield client


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    """A table of id, x, s and at."""
    name = f"t_{uuid.uuid4().hex}"
    client.command(
        f"CREATE TABLE {name} (id Int64, x Nullable(Float64), s String, at DateTime64(6, 'UTC')) "
        "ENGINE = MergeTree ORDER BY id"
    )
    yield name
    client.command(f"DROP TABLE {name}")


def count(client: Client, table: str) -> int:
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


def test_rows_come_back_as_they_were_inserted(client: Client, table: str) -> None:
    rows = [(1, 1.5, STRANGE, WHEN), (2, None, "", WHEN)]
    summary = client.insert(table, rows, column_names=["id", "x", "s", "at"])
    back = client.query(f"SELECT * FROM {table} ORDER BY id", column_tzs={"at": "UTC"})
    assert summary.written_rows == 2
    assert back.column_names == ("id", "x", "s", "at")
    assert [(row[0], row[1], row[2]) for row in back.result_rows] == [row[:3] for row in rows]
    assert back.result_rows[0][3].replace(tzinfo=dt.UTC) == WHEN


def test_many_types_survive(client: Client) -> None:
    identity = uuid.uuid4()
    client.command(
        "CREATE TABLE types (m Map(String, Float64), l LowCardinality(String), a Array(Int32), "
        "u UUID, d Date, b Bool, t Tuple(Int8, String)) ENGINE = MergeTree ORDER BY u"
    )
    row = ({"k": 0.1}, "low", [1, -2], identity, dt.date(2013, 1, 2), True, (3, "x"))
    client.insert("types", [row])
    assert client.query("SELECT * FROM types").result_rows == [row]
    client.command("DROP TABLE types")


def test_arrow_and_frames_in(client: Client, table: str) -> None:
    arrow = pa.table(
        {
            "id": pa.array([1, 2], pa.int64()),
            "x": pa.array([None, 2.5], pa.float64()),
            "s": [STRANGE, "y"],
            "at": pa.array([WHEN, WHEN], pa.timestamp("us", tz="UTC")),
        }
    )
    frame = pd.DataFrame({"id": [3, 4], "x": [1.0, None], "s": ["é", "z"], "at": [WHEN, WHEN]})
    assert client.insert_arrow(table, arrow).written_rows == 2
    assert client.insert_df(table, frame).written_rows == 2
    back = client.query(f"SELECT id, x, s FROM {table} ORDER BY id").result_rows
    assert back == [(1, None, STRANGE), (2, 2.5, "y"), (3, 1.0, "é"), (4, None, "z")]


def test_arrow_and_frames_out(client: Client) -> None:
    sql = "SELECT number AS n, toString(number) AS s FROM numbers(1000)"
    assert client.query_arrow(sql).column("n").to_pylist() == list(range(1000))
    frame = client.query_df(sql)
    assert list(frame["s"]) == [str(n) for n in range(1000)]
    assert client.query_np("SELECT number FROM numbers(3)").ravel().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("block", "compression"),
    [
        ("1,a\n2,b\n", None),
        (b"1,a\n2,b\n", None),
        (gzip.compress(b"1,a\n2,b\n"), "gzip"),
        (zstandard.compress(b"1,a\n") + zstandard.compress(b"2,b\n"), "zstd"),
        (lz4.frame.compress(b"1,a\n") + lz4.frame.compress(b"2,b\n"), "lz4"),
        (io.BytesIO(b"1,a\n2,b\n"), None),
    ],
    ids=["text", "bytes", "gzip", "zstd frames", "lz4 frames", "file"],
)
def test_raw_insert(
    client: Client, table: str, block: str | bytes | io.BytesIO, compression: str | None
) -> None:
    client.raw_insert(
        table, column_names=["id", "s"], insert_block=block, fmt="CSV", compression=compression
    )
    back = client.query(f"SELECT id, s FROM {table} ORDER BY id").result_rows
    assert back == [(1, "a"), (2, "b")]


def test_raw_insert_of_nothing_inserts_nothing(client: Client, table: str) -> None:
    client.raw_insert(table, column_names=["id"], insert_block=b"", fmt="CSV")
    assert count(client, table) == 0


def test_raw_query_gives_the_format_asked_for(client: Client) -> None:
    assert client.raw_query("SELECT 1 AS x, 'a;b' AS y", fmt="JSONEachRow") == (
        b'{"x":1,"y":"a;b"}\n'
    )
    assert client.raw_query("SELECT 1 AS x, 'y' AS y", fmt="CSVWithNames") == b'"x","y"\n1,"y"\n'


def test_streams_give_every_row_once(client: Client) -> None:
    sql = "SELECT number FROM numbers(300000)"
    with client.query_rows_stream(sql) as rows:
        assert sum(row[0] for row in rows) == 299_999 * 300_000 // 2
    with client.query_df_stream(sql) as frames:
        assert sum(len(frame) for frame in frames) == 300_000
    with client.query_arrow_stream(sql) as tables:
        assert sum(len(part) for part in tables) == 300_000
    with client.raw_stream(sql, fmt="TSV") as stream:
        assert stream.read().count(b"\n") == 300_000


def test_a_stream_left_early_leaves_the_client_usable(client: Client) -> None:
    with client.query_rows_stream("SELECT number FROM numbers(50000000)") as rows:
        assert next(iter(rows)) == (0,)
    assert client.command("SELECT 7") == 7


@pytest.mark.parametrize("compress", [True, False, "lz4", "zstd", "gzip"])
def test_compression(clickhouse: ClickHouse, table: str, compress: bool | str) -> None:
    with clickhouse.client(database="plumbline", compress=compress) as client:
        client.insert(table, [[n, str(n)] for n in range(5000)], column_names=["id", "s"])
        assert count(client, table) == 5000
        sql = "SELECT number, toString(number) FROM numbers(200000)"
        assert client.query(sql).result_rows[-1] == (199_999, "199999")


def test_parameters(clickhouse: ClickHouse) -> None:
    sql = "SELECT {i:Int64}, {s:String}, {a:Array(String)}, {n:Nullable(String)}"
    values = {"i": -5, "s": STRANGE, "a": ["it's", "b\t"], "n": None}
    expected = [(-5, STRANGE, ["it's", "b\t"], None)]
    for form in (False, True):
        with clickhouse.client(form_encode_query_params=form) as client:
            assert client.query(sql, parameters=values).result_rows == expected
    with clickhouse.client() as client:
        bound = client.query("SELECT %(i)s, %(s)s", parameters={"i": 1, "s": "it's"})
        assert bound.result_rows == [(1, "it's")]


def test_settings_hold_for_their_query_alone(client: Client) -> None:
    sql = "SELECT getSetting('max_block_size')"
    before = client.command(sql)
    assert client.query(sql, settings={"max_block_size": 1234}).result_rows == [(1234,)]
    assert client.command(sql) == before


def test_a_session_keeps_what_it_set(clickhouse: ClickHouse) -> None:
    with clickhouse.client() as client:
        client.command("SET max_block_size = 4321")
        sql = "SELECT getSetting('max_block_size')"
        assert client.command(sql) == 4321
        assert client.query(sql, settings={"max_block_size": 17}).result_rows == [(17,)]
        assert client.command(sql) == 4321
        client.command("CREATE TEMPORARY TABLE kept (a Int8) ENGINE = Memory")
        client.insert("kept", [[7]])
        assert client.query("SELECT a FROM kept").result_rows == [(7,)]
        client.command("USE plumbline")
        assert client.command("SELECT currentDatabase()") == "plumbline"
    with clickhouse.client() as other:
        assert other.command("SELECT currentDatabase()") == "default"


def test_commands(client: Client, table: str) -> None:
    assert client.command("SELECT 5, 'a'") == ["5", "a"]
    assert client.command(f"EXISTS TABLE {table}") == 1
    assert str(client.command(f"SHOW CREATE TABLE {table}")).startswith("CREATE TABLE plumbline.")
    client.command(f"INSERT INTO {table} (id, s) FORMAT CSV", data="9,z\n")
    client.command(f"INSERT INTO {table} (id, s) VALUES (10, concat('a', 'b')), (11, 'file(x)');")
    rows = client.query(f"SELECT id, s FROM {table} ORDER BY id").result_rows
    assert rows == [(9, "z"), (10, "ab"), (11, "file(x)")]
    assert client.query(f"SELECT id FROM {table} LIMIT 0").column_names == ("id",)
    assert client.ping()


def test_views_mutations_and_merges(client: Client) -> None:
    for sql in (
        "CREATE TABLE src (id Int64, v UInt8) ENGINE = ReplacingMergeTree ORDER BY id",
        "CREATE TABLE sums (id Int64, n UInt64) ENGINE = SummingMergeTree ORDER BY id",
        "CREATE MATERIALIZED VIEW feed TO sums AS SELECT id, count() AS n FROM src GROUP BY id",
        "CREATE VIEW seen AS SELECT id FROM src FINAL",
        "INSERT INTO src VALUES (1, 1), (2, 1)",
        "INSERT INTO src VALUES (1, 2)",
        "ALTER TABLE src ADD COLUMN w UInt8 DEFAULT v + 1",
        "ALTER TABLE src DELETE WHERE id = 2 SETTINGS mutations_sync = 2",
        "OPTIMIZE TABLE src FINAL",
        "OPTIMIZE TABLE sums FINAL",
    ):
        client.command(sql)
    assert client.query("SELECT id, v, w FROM src").result_rows == [(1, 2, 3)]
    assert client.query("SELECT * FROM sums ORDER BY id").result_rows == [(1, 2), (2, 1)]
    assert client.query("SELECT * FROM seen").result_rows == [(1,)]
    for name in ("VIEW feed", "VIEW seen", "TABLE sums", "TABLE src"):
        client.command(f"DROP {name}")


@pytest.mark.parametrize(
    ("sql", "code", "name"),
    [
        ("SELEC 1", 62, "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR"),
        ("SELECT * FROM nowhere.t", 81, "UNKNOWN_DATABASE"),
        ("SELECT * FROM plumbline.nothing", 60, "UNKNOWN_TABLE"),
        ("SELECT no_such_function(1)", 46, "UNKNOWN_FUNCTION"),
        ("SELECT nothing", 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT toInt8('x')", 6, "CANNOT_PARSE_TEXT"),
        ("SELECT throwIf(1, 'stop')", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT sleep(3) SETTINGS max_execution_time = 1", 159, "TIMEOUT_EXCEEDED"),
        ("SELECT 1 SETTINGS nothing = 1", 115, "UNKNOWN_SETTING"),
        ("SELECT {p:Int8}", 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT 1 FORMAT Nothing", 73, "UNKNOWN_FORMAT"),
    ],
)
def test_errors_carry_clickhouse_codes(client: Client, sql: str, code: int, name: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.raw_query(sql)
    assert (caught.value.code, caught.value.name) == (code, name)


def test_a_failed_insert_stores_nothing(client: Client, table: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert(
            table, column_names=["id", "s"], insert_block="1,a\nnot a number,b\n", fmt="CSV"
        )
    assert caught.value.code == 27
    assert count(client, table) == 0


@pytest.mark.parametrize("compress", [False, "lz4", "zstd"])
def test_an_error_in_the_middle_of_a_stream_is_seen(
    clickhouse: ClickHouse, compress: bool | str
) -> None:
    sql = "SELECT throwIf(number = 900000, 'stop') FROM numbers(1000000)"
    with clickhouse.client(compress=compress) as client:
        settings = {"max_block_size": 10_000}
        with (
            pytest.raises(StreamFailureError, match="stop"),
            client.query_rows_stream(sql, settings=settings) as rows,
        ):
            assert sum(1 for _ in rows) < 1_000_000
        assert client.command("SELECT 1") == 1


def test_a_wrong_password_is_refused(clickhouse: ClickHouse) -> None:
    with pytest.raises(DatabaseError) as caught:
        clickhouse.client(("writer", "guess"))
    assert caught.value.code == 516


def test_several_clients_at_once(clickhouse: ClickHouse, client: Client, table: str) -> None:
    def write(worker: int) -> None:
        with clickhouse.client(database="plumbline") as own:
            for batch in range(10):
                first = (worker * 10 + batch) * 100
                rows = [[first + n, f"w{worker}"] for n in range(100)]
                own.insert(table, rows, column_names=["id", "s"])

    def read(_: int) -> int:
        with clickhouse.client(READER, database="plumbline") as own:
            return sum(count(own, table) >= 0 for _ in range(10))

    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(write, worker) for worker in range(4)]
        reads = [pool.submit(read, reader) for reader in range(4)]
        assert [job.result(timeout=60) for job in writes] == [None] * 4
        assert [job.result(timeout=60) for job in reads] == [10] * 4
    assert client.query(f"SELECT count(), uniqExact(id), sum(id) FROM {table}").result_rows == [
        (4000, 4000, 3999 * 4000 // 2)
    ]

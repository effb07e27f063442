"""What the two accounts may do: the reader reads `plumbline`, nobody reaches outside the tables."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devstack.server import READER, WRITER, Answer, ClickHouse

pytestmark = pytest.mark.integration

SECRET = "TOP-SECRET-LINE"
DENIED = 497
READONLY = 164
FIXED = 452

# {secret} is a file of the host, {new} a path that does not exist.
OUTSIDE = (
    "SELECT file('{secret}')",
    "SELECT FILE('{secret}')",
    "SELECT `fi\\x6ce`('{secret}')",
    "SELECT “file”('{secret}')",
    "SELECT 1 WHERE file /* ' */ ('{secret}') != ''",
    "SELECT ‘ ' ’, file('{secret}'), ‘ ' ’",
    "SELECT * APPLY file FROM (SELECT '{secret}')",
    "SELECT * APPLY(file) FROM (SELECT '{secret}')",
    "SELECT arrayMap(x -> file(x), ['{secret}'])",
    "WITH f AS (SELECT file('{secret}')) SELECT * FROM f",
    "EXPLAIN SELECT file('{secret}')",
    "DESCRIBE file('{secret}')",
    "SELECT * FROM view(SELECT file('{secret}'))",
    "SELECT * FROM format(LineAsString, file('{secret}'))",
    "SELECT * FROM file('{secret}', 'LineAsString')",
    "SELECT * FROM fileCluster('default', '{secret}', 'LineAsString')",
    "SELECT * FROM filesystem('/')",
    "SELECT * FROM eval('SELECT file(''{secret}'')')",
    "SELECT * FROM sqlite('{secret}', 't')",
    "SELECT * FROM icebergLocal('{secret}')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a Int8')",
    "SELECT * FROM s3('http://127.0.0.1:1/b/k', 'CSV', 'a Int8')",
    "SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM executable('cat', 'TSV', 'a String')",
    "SELECT * FROM Python(engine)",
    "SELECT * FROM python('engine')",
    "SELECT 1 INTO OUTFILE '{new}'",
    "SELECT 1 UNION ALL SELECT 2 INTO OUTFILE '{new}' TRUNCATE FORMAT CSV",
    "SHOW TABLES INTO OUTFILE '{new}'",
    "INSERT INTO plumbline.t (s) FROM INFILE '{secret}' FORMAT LineAsString",
    "INSERT INTO FUNCTION file('{new}', 'CSV', 'a Int8') VALUES (1)",
    "CREATE TABLE plumbline.f (a String) ENGINE = File(LineAsString, '{secret}')",
    "CREATE TABLE plumbline.f (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)",
    "CREATE TABLE plumbline.f (a String) ENGINE = EmbeddedRocksDB(0, '{new}') PRIMARY KEY a",
    "CREATE TABLE plumbline.f (a String DEFAULT file('{secret}')) ENGINE = Memory",
    (
        "CREATE TABLE plumbline.f (a String) ENGINE = MergeTree ORDER BY a "
        "SETTINGS disk = disk(type = 'local', path = '{new}/')"
    ),
    "CREATE DATABASE f ENGINE = Filesystem('/')",
    (
        "CREATE DICTIONARY plumbline.d (a UInt64) PRIMARY KEY a "
        "SOURCE(FILE(path '{secret}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(1)"
    ),
    "ATTACH TABLE plumbline.f FROM '/' (a Int8) ENGINE = MergeTree ORDER BY a",
    "BACKUP DATABASE plumbline TO File('{new}')",
    "SET ROLE writer",
    "SET ROLE ALL",
    "SET DEFAULT ROLE writer TO default",
    "EXECUTE AS default SELECT 1",
    "KILL QUERY WHERE 1 SYNC",
    "CREATE USER u",
    "CREATE ROLE r",
    "GRANT ALL ON *.* TO default",
    "CREATE FUNCTION f AS x -> x",
    "CREATE NAMED COLLECTION n AS a = 1",
    "SYSTEM SHUTDOWN",
    "SELECT * FROM `{secret}`",
    "SELECT * FROM default.`{secret}`",
    "INSERT INTO default.`{new}.csv` (a) VALUES (1)",
    "SELECT * FROM system.users",
    "SELECT * FROM system.roles",
    "SELECT * FROM system.grants",
    "SHOW USERS",
)
FIXED_SETTINGS = (
    "SELECT 1 SETTINGS additional_result_filter = 'file(''{secret}'') != '''''",
    (
        "SELECT * FROM plumbline.t SETTINGS additional_table_filters = "
        "{{'plumbline.t': 'file(''{secret}'') != '''''}}"
    ),
    "SELECT 1 FORMAT Template SETTINGS format_template_row = '{secret}'",
    "SELECT 1 FORMAT Protobuf SETTINGS format_schema = '{secret}:M'",
    "SELECT 1 FORMAT CapnProto SETTINGS output_format_schema = '{new}'",
    "SET dialect = 'prql'",
)
CHANGES = (
    "INSERT INTO plumbline.t (s) VALUES ('y')",
    "INSERT INTO plumbline.t (s) SELECT 'y'",
    "ALTER TABLE plumbline.t DELETE WHERE 1",
    "ALTER TABLE plumbline.t ADD COLUMN z Int8",
    "DELETE FROM plumbline.t WHERE 1",
    "UPDATE plumbline.t SET s = '' WHERE 1",
    "TRUNCATE TABLE plumbline.t",
    "DROP TABLE plumbline.t",
    "DROP DATABASE plumbline",
    "RENAME TABLE plumbline.t TO plumbline.u",
    "OPTIMIZE TABLE plumbline.t FINAL",
    "CREATE DATABASE mine",
    "CREATE TABLE plumbline.u (a Int8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE u (a Int8) ENGINE = Memory",
    "CREATE VIEW plumbline.u AS SELECT 1",
    "SYSTEM FLUSH LOGS",
    "SELECT * FROM private.t",
    "SHOW CREATE TABLE private.t",
    "SELECT * FROM mergeTreeIndex('private', 't')",
    "SELECT * FROM loop(private.t)",
)


@pytest.fixture(scope="module")
def server(clickhouse: ClickHouse) -> Iterator[ClickHouse]:
    """The server with a table the reader may read, and one in a database of its own."""
    for sql in (
        "CREATE TABLE plumbline.t (s String) ENGINE = MergeTree ORDER BY s",
        "INSERT INTO plumbline.t VALUES ('x')",
        "CREATE DATABASE private",
        "CREATE TABLE private.t (s String) ENGINE = MergeTree ORDER BY s",
        f"INSERT INTO private.t VALUES ('{SECRET}')",
    ):
        assert clickhouse.run(sql).status == 200, sql
    yield clickhouse
    for sql in ("DROP TABLE plumbline.t", "DROP DATABASE private"):
        assert clickhouse.run(sql).status == 200, sql


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """Paths of this machine that no account may touch."""
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET + "\n", encoding="utf-8")
    return {"secret": str(secret), "new": str(tmp_path / "new")}


def unharmed(server: ClickHouse, host: dict[str, str], answer: Answer) -> bool:
    rows = server.run("SELECT * FROM plumbline.t").body
    return SECRET.encode() not in answer.body and rows == b"x\n" and not Path(host["new"]).exists()


@pytest.mark.parametrize("account", [READER, WRITER], ids=["reader", "writer"])
@pytest.mark.parametrize("attack", OUTSIDE)
def test_nobody_reaches_outside(
    server: ClickHouse, host: dict[str, str], account: tuple[str, str], attack: str
) -> None:
    answer = server.run(attack.format(**host), account)
    assert answer.code == DENIED, answer.body
    assert answer.status == 403
    assert unharmed(server, host, answer)


@pytest.mark.parametrize("account", [READER, WRITER], ids=["reader", "writer"])
@pytest.mark.parametrize("attack", FIXED_SETTINGS)
def test_settings_that_name_files_or_code_are_fixed(
    server: ClickHouse, host: dict[str, str], account: tuple[str, str], attack: str
) -> None:
    answer = server.run(attack.format(**host), account)
    assert answer.code == FIXED, answer.body
    assert unharmed(server, host, answer)


@pytest.mark.parametrize("change", CHANGES)
def test_the_reader_changes_nothing_and_sees_one_database(
    server: ClickHouse, host: dict[str, str], change: str
) -> None:
    answer = server.run(change, READER)
    assert answer.code in (DENIED, READONLY), answer.body
    assert unharmed(server, host, answer)


def test_the_reader_cannot_leave_read_only_mode(server: ClickHouse) -> None:
    for sql in ("SET readonly = 0", "SELECT 1 SETTINGS readonly = 0"):
        assert server.run(sql, READER).code == READONLY
    assert server.ask("POST", "/?readonly=0", b"SELECT 1", account=READER).code == READONLY
    assert server.ask("POST", "/?role=writer", b"SELECT 1", account=READER).code == 512
    # Inside a session as well: what one request sets, the next would have.
    session = "/?session_id=escalate"
    assert server.ask("POST", session, b"SET max_threads = 1", account=READER).status == 200
    assert server.ask("POST", session, b"SET readonly = 0", account=READER).code == READONLY
    again = server.ask("POST", session, b"INSERT INTO plumbline.t VALUES ('y')", account=READER)
    assert again.code == DENIED


def test_a_reader_cannot_enter_a_writers_session(server: ClickHouse) -> None:
    session = "/?session_id=shared"
    made = server.ask("POST", session, b"CREATE TEMPORARY TABLE mine (a Int8) ENGINE = Memory")
    assert made.status == 200
    # The name means nothing to the reader; the engine looks for a file of that name, and refuses.
    assert server.ask("POST", session, b"SELECT * FROM mine", account=READER).code == DENIED
    assert server.ask("POST", session, b"SELECT count() FROM mine").body == b"0\n"


@pytest.mark.parametrize(
    "row",
    [
        "(file('{secret}'))",
        "((SELECT * FROM file('{secret}', 'LineAsString')))",
        "(`fi\\x6ce`('{secret}'))",
        "(\"fi\\x6ce\"/**/('{secret}'))",
        "(“fi\\x6ce” ('{secret}'))",
    ],
)
def test_rows_of_values_cannot_read_files(
    server: ClickHouse, host: dict[str, str], row: str
) -> None:
    row = row.format(**host)
    answer = server.run(f"INSERT INTO plumbline.t (s) VALUES {row}")
    assert answer.status != 200
    forced = "SETTINGS input_format_values_interpret_expressions = 1"
    assert server.run(f"INSERT INTO plumbline.t (s) {forced} VALUES {row}").status != 200
    assert unharmed(server, host, answer)


def test_one_statement_at_a_time(server: ClickHouse) -> None:
    answer = server.run("SELECT 1; DROP TABLE plumbline.t", WRITER)
    assert answer.code == 62
    assert server.run("EXISTS TABLE plumbline.t").body == b"1\n"


def test_the_reader_reads_what_it_should(server: ClickHouse) -> None:
    for sql, body in (
        ("SELECT * FROM plumbline.t", b"x\n"),
        ("SHOW TABLES FROM plumbline", b"t\n"),
        ("SELECT name FROM system.tables WHERE database = 'private'", b""),
        ("SELECT count() > 1000 FROM system.settings", b"1\n"),
        ("SELECT name FROM system.columns WHERE database = 'plumbline' AND table = 't'", b"s\n"),
    ):
        answer = server.run(sql, READER)
        assert (answer.status, answer.body) == (200, body), sql


def test_names_that_only_look_like_attacks_pass(server: ClickHouse) -> None:
    sql = "SELECT 'file(1)' AS file, file || '; KILL QUERY' -- file('/')"
    assert server.run(sql, READER).body == b"file(1)\tfile(1); KILL QUERY\n"

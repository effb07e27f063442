"""ClickHouse's HTTP protocol, spoken plainly."""

import base64
import gzip
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlencode

import lz4.frame
import pytest
import zstandard

from devstack.ports import LOOPBACK, free_ports
from tests.devstack.server import READER, WRITER, ClickHouse

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def test_ping_needs_no_account(clickhouse: ClickHouse) -> None:
    for path in ("/ping", "/replicas_status", "/"):
        answer = clickhouse.ask("GET", path, account=None)
        assert (answer.status, answer.body) == (200, b"Ok.\n")
    assert clickhouse.ask("GET", "/nothing", account=None).status == 404


def test_every_way_to_log_in(clickhouse: ClickHouse) -> None:
    user, password = WRITER
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    pairs = urlencode({"user": user, "password": password})
    ask = clickhouse.ask
    for target, headers in (
        ("/", {"Authorization": f"Basic {token}"}),
        ("/", {"x-clickhouse-user": user, "x-clickhouse-key": password}),
        (f"/?{pairs}", {}),
    ):
        assert ask("POST", target, b"SELECT 1", headers, account=None).body == b"1\n"
    for target, headers in (
        ("/", {}),
        ("/", {"Authorization": "Basic bm90aGluZw=="}),
        ("/", {"Authorization": "Basic ***"}),
        (f"/?user={user}", {}),
        (f"/?user={user}&password=wrong", {}),
        ("/", {"X-ClickHouse-User": "nobody", "X-ClickHouse-Key": ""}),
    ):
        answer = ask("POST", target, b"SELECT 1", headers, account=None)
        assert (answer.status, answer.code) == (403, 516)
        assert password.encode() not in answer.body


def test_get_reads_and_post_writes(clickhouse: ClickHouse) -> None:
    ask = clickhouse.ask
    assert ask("GET", "/?query=SELECT%201").body == b"1\n"
    sql = "CREATE TABLE plumbline.by_get (a Int8) ENGINE = Memory"
    assert ask("GET", f"/?query={quote(sql)}").code == 164
    assert ask("POST", f"/?query={quote(sql)}").status == 200
    assert ask("GET", f"/?query={quote('DROP TABLE plumbline.by_get')}").code == 164
    assert ask("POST", "/", b"DROP TABLE plumbline.by_get").status == 200


def test_headers_of_an_answer(clickhouse: ClickHouse) -> None:
    answer = clickhouse.ask("POST", "/?query_id=mine", b"SELECT 1 AS x FORMAT JSONEachRow")
    assert answer.headers["x-clickhouse-query-id"] == "mine"
    assert answer.headers["x-clickhouse-format"] == "JSONEachRow"
    assert answer.headers["x-clickhouse-timezone"] == "UTC"
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert '"written_rows"' in answer.headers["x-clickhouse-summary"]


def test_default_format_and_database(clickhouse: ClickHouse) -> None:
    answer = clickhouse.ask(
        "POST", "/?default_format=JSONEachRow&database=plumbline", b"SELECT currentDatabase() AS d"
    )
    assert answer.body == b'{"d":"plumbline"}\n'
    assert clickhouse.ask("POST", "/?database=nowhere", b"SELECT 1").code == 81


def test_statement_and_rows_may_come_apart(clickhouse: ClickHouse) -> None:
    run = clickhouse.run
    assert run("CREATE TABLE plumbline.apart (a Int64, s String) ENGINE = Memory").status == 200
    head = quote("INSERT INTO plumbline.apart FORMAT CSV")
    assert clickhouse.ask("POST", f"/?query={head}", b"1,a\n2,b\n").status == 200
    values = quote("INSERT INTO plumbline.apart VALUES")
    assert clickhouse.ask("POST", f"/?query={values}", b"(3, 'c')").status == 200
    select = quote("SELECT a, s FROM plumbline.apart")
    assert clickhouse.ask("POST", f"/?query={select}", b" ORDER BY a").body == b"1\ta\n2\tb\n3\tc\n"
    assert run("DROP TABLE plumbline.apart").status == 200


def test_a_long_statement_in_the_url(clickhouse: ClickHouse) -> None:
    sql = "SELECT length('" + "x" * 200_000 + "')"
    assert clickhouse.ask("GET", f"/?query={sql.replace(' ', '%20')}").body == b"200000\n"
    too_long = "/?query=SELECT%20'" + "x" * (1 << 20) + "'"
    assert clickhouse.ask("GET", too_long).status == 414


def test_parameters_in_url_and_form(clickhouse: ClickHouse) -> None:
    url = "/?param_x=5&param_s=" + quote("a\\tb")
    assert clickhouse.ask("POST", url, b"SELECT {x:Int8} + 1, {s:String}").body == b"6\ta\\tb\n"
    boundary = "----border"
    parts = {"query": "SELECT {x:Int8} + 1, {s:String}", "param_x": "6", "param_s": "ä"}
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    )
    answer = clickhouse.ask(
        "POST",
        "/",
        f"{body}--{boundary}--\r\n".encode(),
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    assert answer.body == "7\tä\n".encode()


def test_bodies_in_every_encoding(clickhouse: ClickHouse) -> None:
    sql = b"SELECT count() FROM numbers(10)"
    for encoding, body in (
        ("gzip", gzip.compress(sql)),
        ("zstd", zstandard.compress(sql)),
        ("lz4", lz4.frame.compress(sql)),
    ):
        headers = {"Content-Encoding": encoding}
        assert clickhouse.ask("POST", "/", body, headers).body == b"10\n"
        broken = clickhouse.ask("POST", "/", body[:-6], headers)
        assert (broken.code, broken.body[:9]) == (271, b"Code: 271")
    assert clickhouse.ask("POST", "/", sql, {"Content-Encoding": "br"}).status == 501
    assert clickhouse.ask("POST", "/?decompress=1", sql).status == 501


@pytest.mark.parametrize("whole", [0, 1])
def test_answers_in_every_encoding(clickhouse: ClickHouse, whole: int) -> None:
    sql = b"SELECT number FROM numbers(200000)"
    plain = clickhouse.ask("POST", "/", sql).body
    url = f"/?enable_http_compression=1&wait_end_of_query={whole}"
    for encoding, decompress in (
        ("gzip", gzip.decompress),
        ("zstd", lambda body: zstandard.ZstdDecompressor().decompressobj().decompress(body)),
        ("lz4", lz4.frame.decompress),
    ):
        answer = clickhouse.ask("POST", url, sql, {"Accept-Encoding": encoding})
        assert answer.headers["content-encoding"] == encoding
        assert len(answer.body) < len(plain)
        assert decompress(answer.body) == plain
    without = clickhouse.ask("POST", "/", sql, {"Accept-Encoding": "gzip"})
    assert "content-encoding" not in without.headers


def test_an_error_after_the_first_block_ends_the_body(clickhouse: ClickHouse) -> None:
    sql = (
        b"SELECT throwIf(number = 90000, 'stop') FROM numbers(100000) SETTINGS max_block_size=1000"
    )
    streamed = clickhouse.ask("POST", "/", sql)
    tag = streamed.headers["x-clickhouse-exception-tag"].encode()
    assert streamed.status == 200
    assert b"__exception__\r\n" + tag in streamed.body
    assert b"Code: 395." in streamed.body
    waited = clickhouse.ask("POST", "/?wait_end_of_query=1", sql)
    assert (waited.status, waited.code) == (500, 395)


def test_sessions(clickhouse: ClickHouse) -> None:
    ask = clickhouse.ask
    assert ask("POST", "/?session_id=s1&session_check=1", b"SELECT 1").code == 372
    assert ask("POST", "/?session_id=s1", b"SET max_threads = 1").status == 200
    sql = b"SELECT getSetting('max_threads')"
    assert ask("POST", "/?session_id=s1&session_check=1", sql).body == b"1\n"
    assert ask("POST", "/?session_id=s1&max_threads=2", sql).body == b"2\n"
    assert ask("POST", "/?session_id=s1", sql).body == b"1\n"
    # A request that fails leaves the session as it was.
    assert ask("POST", "/?session_id=s1&dialect=prql", sql).code == 452
    assert ask("POST", "/?session_id=s1&nothing=1", sql).code == 115
    assert ask("POST", "/?session_id=s1&database=nowhere", sql).code == 81
    assert ask("POST", "/?session_id=s1", sql).body == b"1\n"
    # Another account's session of the same name is another session.
    check = "/?session_id=s1&session_check=1"
    assert ask("POST", check, sql, account=READER).code == 372
    assert ask("POST", "/?session_id=s2&session_timeout=9999", sql).status == 400


def test_a_session_serves_one_request_at_a_time(clickhouse: ClickHouse) -> None:
    sleep = "SELECT sleep(3)"
    running = f"SELECT count() FROM system.processes WHERE query = '{sleep}'"
    with ThreadPoolExecutor(1) as pool:
        sleeper = pool.submit(clickhouse.ask, "POST", "/?session_id=busy", sleep.encode())
        deadline_s = time.monotonic() + 90
        while clickhouse.run(running).body != b"1\n":
            assert time.monotonic() < deadline_s
        assert clickhouse.ask("POST", "/?session_id=busy", b"SELECT 1").code == 373
        assert sleeper.result(timeout=90).body == b"0\n"
    assert clickhouse.ask("POST", "/?session_id=busy", b"SELECT 1").body == b"1\n"


def test_nonsense_is_an_error_and_not_the_end(clickhouse: ClickHouse) -> None:
    ask = clickhouse.ask
    assert ask("POST", "/", b"").code == 62
    assert ask("POST", "/", b"\xff\xfe").code == 62
    assert ask("POST", "/", b"SELECT '\x00'").body == b"\\0\n"
    assert ask("POST", "/", rb"SELECT '\xff', unhex('FE')").body == b"\xff\t\xfe\n"
    assert ask("POST", "/", b"SELECT 1", {"Content-Length": "nine"}).status == 400
    assert ask("POST", "/?a;b=1", b"SELECT 1").code == 115
    assert ask("POST", "/", b"x", {"Content-Type": "multipart/form-data"}).status == 400
    rows = quote("INSERT INTO plumbline.nothing FORMAT CSV")
    assert ask("POST", f"/?query={rows}", b"\xcf(").code == 60
    cast = rb"SELECT CAST('\xcf(', 'Int8')"
    assert ask("POST", "/", cast).code == 6
    assert ask("PUT", "/", b"SELECT 1").status == 501
    assert ask("POST", "/", b"SELECT 1").body == b"1\n"


def test_one_connection_serves_many_requests(clickhouse: ClickHouse) -> None:
    with clickhouse.client() as client:
        assert [client.command(f"SELECT {n}") for n in range(50)] == list(range(50))


def test_curl(clickhouse: ClickHouse) -> None:
    curl = shutil.which("curl")
    url = f"http://{LOOPBACK}:{clickhouse.port}/"
    user = ":".join(WRITER)
    sql = "SELECT sum(number) FROM numbers(1000)"
    if curl is None:
        # The same bytes that curl sends.
        token = base64.b64encode(user.encode()).decode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = form | {"Authorization": f"Basic {token}"}
        assert clickhouse.ask("POST", "/", sql.encode(), headers, account=None).body == b"499500\n"
        return
    command = [curl, "-sS", "--max-time", "20", "-u", user]
    for arguments in (["--data-binary", sql, url], ["-G", "--data-urlencode", f"query={sql}", url]):
        assert subprocess.check_output([*command, *arguments]) == b"499500\n"
    big = "x" * 3_000_000
    answer = subprocess.run(
        [*command, "--data-binary", "@-", f"{url}?max_query_size=10000000"],
        input=f"SELECT length('{big}')".encode(),
        capture_output=True,
        check=True,
    )
    assert answer.stdout == b"3000000\n"


def test_other_interfaces_are_refused_unless_asked_for(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "devstack.clickhouse", "--host", "0.0.0.0"]
    command += ["--port", str(free_ports(1)[0]), "--data", str(tmp_path), "--accounts", "none"]
    answer = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 2
    assert "--allow-remote" in answer.stderr

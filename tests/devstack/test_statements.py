"""Where an INSERT's head ends and its rows begin, without a server."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.clickhouse.errors import EngineError, from_engine, mid_stream
from devstack.clickhouse.insert_text import from_infile, split_insert
from devstack.clickhouse.tokens import tokens


@pytest.mark.parametrize(
    ("text", "head", "rows"),
    [
        (b"SELECT 1 FORMAT CSV", b"SELECT 1 FORMAT CSV", None),
        (b"INSERT INTO t FORMAT CSV\n1\n", b"INSERT INTO t FORMAT CSV", b"1\n"),
        (b"INSERT INTO t FORMAT CSV\r\n1\n", b"INSERT INTO t FORMAT CSV", b"1\n"),
        (b"insert into t format CSV  \n\n1", b"insert into t format CSV", b"\n1"),
        (b"INSERT INTO t FORMAT CSV", b"INSERT INTO t FORMAT CSV", b""),
        (
            b"INSERT INTO t (a, `values`) FORMAT TSV\nx",
            b"INSERT INTO t (a, `values`) FORMAT TSV",
            b"x",
        ),
        (
            b"INSERT INTO t (format) VALUES ('FORMAT x')",
            b"INSERT INTO t (format) VALUES",
            b" ('FORMAT x')",
        ),
        (
            b"/* FORMAT x */ INSERT INTO t -- VALUES\n VALUES (1)",
            b"/* FORMAT x */ INSERT INTO t -- VALUES\n VALUES",
            b" (1)",
        ),
        (
            b"INSERT INTO t SELECT 1 AS x FORMAT CSV",
            b"INSERT INTO t SELECT 1 AS x FORMAT CSV",
            None,
        ),
        (
            b"INSERT INTO t SETTINGS a = 'VALUES' FORMAT Native\n\x00\xff",
            b"INSERT INTO t SETTINGS a = 'VALUES' FORMAT Native",
            b"\x00\xff",
        ),
        (b"", b"", None),
    ],
)
def test_split(text: bytes, head: bytes, rows: bytes | None) -> None:
    assert split_insert(text) == (head, rows)


@given(st.binary(max_size=200))
def test_rows_are_never_changed(rows: bytes) -> None:
    head = b"INSERT INTO t (a) FORMAT Native"
    assert split_insert(head + b"\n" + rows) == (head, rows)


@given(st.binary(max_size=200))
def test_any_bytes_are_split_without_loss(text: bytes) -> None:
    for candidate in (text, b"INSERT " + text):
        head, rows = split_insert(candidate)
        assert candidate.startswith(head)
        assert candidate.endswith(rows or b"")


@given(st.text(st.characters(exclude_characters="'`\""), max_size=100))
def test_tokens_cover_all_but_spaces(text: str) -> None:
    assert "".join(token.text for token in tokens(text)) == re.sub(r"\s+", "", text)


def test_names_behind_quotes_and_escapes() -> None:
    assert [token.name for token in tokens("FILE `fi\\`le` \"x\" 'file'")] == [
        "file",
        "fi`le",
        "x",
        "",
    ]


def test_rows_come_from_a_file_before_settings_and_format() -> None:
    assert from_infile("INSERT INTO FORMAT FORMAT CSV", "/f") == (
        "INSERT INTO FORMAT FROM INFILE '/f' COMPRESSION 'none' FORMAT CSV"
    )
    assert from_infile("INSERT INTO d.t (`SETTINGS`, b) SETTINGS x = 1 FORMAT TSV", "/f") == (
        "INSERT INTO d.t (`SETTINGS`, b) FROM INFILE '/f' COMPRESSION 'none' "
        "SETTINGS x = 1 FORMAT TSV"
    )
    with pytest.raises(EngineError, match="no format"):
        from_infile("INSERT INTO t SELECT 1", "/f")


def test_errors_of_the_engine_are_read_once() -> None:
    text = (
        "Code: 27. DB::Exception: Code: 27. DB::Exception: Cannot parse: (at row 1)\n. (SOME_NAME)"
    )
    error = from_engine(RuntimeError(text))
    assert (error.code, error.name, error.message) == (
        27,
        "SOME_NAME",
        "Cannot parse: (at row 1)\n.",
    )
    other = from_engine(RuntimeError("no code at all"))
    assert (other.code, other.http_status) == (1002, 500)


def test_the_block_that_ends_a_broken_body_gives_its_own_length() -> None:
    block = mid_stream(EngineError(395, "STOP", "stop"), "26.9", "tag")
    found = re.fullmatch(
        rb"\r\n__exception__\r\ntag\r\n(.*\n)(\d+) tag\r\n__exception__\r\n", block, re.DOTALL
    )
    assert found is not None
    assert len(found[1]) == int(found[2])

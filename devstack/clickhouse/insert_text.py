"""The text of an INSERT: its head, its rows, and where its rows come from.

In: an INSERT as a client sent it, or its head as canonical text. Out: head and rows apart; the head
with another source of rows.
"""

import re

from devstack.clickhouse.errors import ACCESS_DENIED, SYNTAX_ERROR, EngineError
from devstack.clickhouse.tokens import tokens

LONGEST_HEAD_BYTES = 1_048_576

_RAW_TOKEN = re.compile(
    rb"""(?P<skip>--[^\n]*|\#[\ !][^\n]*|/\*.*?\*/|\s+)
    |(?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
# Rows of VALUES that may call what is refused: by name, in a subquery, or by a quoted name.
_VALUES_THAT_COMPUTE = re.compile(rb"(?i)file|select|[`\"\x9d]\s*[(/#-]")


def split_insert(text: bytes) -> tuple[bytes, bytes | None]:
    r"""An INSERT's head up to its format, and the rows behind it; None where no rows belong.

    >>> split_insert(b"INSERT INTO t FORMAT CSV\n1,2\n")
    (b'INSERT INTO t FORMAT CSV', b'1,2\n')
    >>> split_insert(b"INSERT INTO t VALUES (1)")
    (b'INSERT INTO t VALUES', b' (1)')
    >>> split_insert(b"SELECT 1")
    (b'SELECT 1', None)
    """
    found = iter(token for token in _RAW_TOKEN.finditer(text) if token.lastgroup != "skip")
    first = next(found, None)
    if first is None or first[0].upper() != b"INSERT":
        return text, None
    depth = 0
    word = b""
    for token in found:
        previous, word = word, b""
        if token.lastgroup == "other":
            depth += {b"(": 1, b")": -1}.get(token[0], 0)
        elif token.lastgroup == "word" and depth == 0:
            word = token[0].upper()
        if word == b"SELECT" or token.start() > LONGEST_HEAD_BYTES:
            break
        if word == b"VALUES":
            return text[: token.end()], text[token.end() :]
        if previous == b"FORMAT" and word:
            rows = text[token.end() :].lstrip(b" \t\f")
            return text[: token.end()], rows.removeprefix(b"\r").removeprefix(b"\n")
    return text, None


def from_infile(canonical: str, path: str) -> str:
    """A canonical INSERT ... FORMAT that takes its rows from the file `path`.

    >>> from_infile("INSERT INTO t SETTINGS a = 1 FORMAT CSV", "/f")
    "INSERT INTO t FROM INFILE '/f' COMPRESSION 'none' SETTINGS a = 1 FORMAT CSV"
    """
    at = _clause(canonical)
    return f"{canonical[:at]}FROM INFILE '{path}' COMPRESSION 'none' {canonical[at:]}"


def with_literal_values(canonical: str) -> str:
    """A canonical INSERT ... FORMAT Values whose rows may be literals only."""
    name = "input_format_values_interpret_expressions"
    if name in canonical:
        raise EngineError(
            ACCESS_DENIED, "ACCESS_DENIED", f"Setting {name} with rows that compute is not allowed"
        )
    at = _clause(canonical)
    rest = canonical[at:]
    others = ", " + rest.removeprefix("SETTINGS ") if rest.startswith("SETTINGS ") else " " + rest
    return f"{canonical[:at]}SETTINGS {name} = 0{others}"


def may_compute(rows: bytes) -> bool:
    """Whether rows of VALUES might call what is refused; nothing else looks into them.

    >>> may_compute(b"(1, now())"), may_compute(b"(file('/x'))")
    (False, True)
    """
    return _VALUES_THAT_COMPUTE.search(rows) is not None


def _clause(canonical: str) -> int:
    """Where SETTINGS or FORMAT of a canonical INSERT begins."""
    depth = 0
    # The first three tokens are INSERT, INTO and the table's name, whatever it is.
    for token in tokens(canonical)[3:]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind == "word" and token.text in ("SETTINGS", "FORMAT"):
            return token.start
    raise EngineError(SYNTAX_ERROR, "SYNTAX_ERROR", "the INSERT names no format for its rows")

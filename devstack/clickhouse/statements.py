"""What a statement is, and whether it may run at all.

In: the bytes of a statement, with the rows of an INSERT behind it. Out: a `Statement`: its
canonical text, its output format, its rows. Refused for every account is what the engine would let
through although it reaches beyond its own tables: reading files by a scalar function, writing files
by INTO OUTFILE, client-named INFILE, changing roles, ending others' queries.

Refusals look at the text that the engine's own formatter writes, which is also the text that runs:
comments, odd quotes and escapes are gone before anything is decided.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from devstack.clickhouse.engine import Engine
from devstack.clickhouse.errors import (
    ACCESS_DENIED,
    SYNTAX_ERROR,
    EngineError,
)

LONGEST_HEAD_BYTES = 1_048_576
CANONICAL_CACHE = 1_000
CACHED_CHARS = 10_000

# Table functions that make rows or read the engine's own tables. Every other one reaches a file, a
# network or a program.
_OWN_TABLE_FUNCTIONS = frozenset(
    [
        "dictionary",
        "format",
        "fuzzjson",
        "generate_series",
        "generaterandom",
        "generateseries",
        "input",
        "loop",
        "merge",
        "mergetreeindex",
        "mergetreeprojection",
        "null",
        "numbers",
        "numbers_mt",
        "primes",
        "sqlstandardvalues",
        "values",
        "view",
        "viewexplain",
        "viewifpermitted",
        "zeros",
        "zeros_mt",
    ]
)
_SCALAR_REACHING_OUT = re.compile(r"file|filesystem\w*|ai[a-z]+|getclienthttpheader|getmacro|disk")
# Table and database engines that keep their data in the data folder.
_OWN_ENGINES = re.compile(
    r"(replacing|summing|aggregating|collapsing|versionedcollapsing|coalescing)?mergetree"
    r"|memory|log|tinylog|stripelog|null|set|join|buffer|merge|alias|atomic"
)
# Of what the engine calls control, which also is a change with SETTINGS behind it. Not among them:
# ATTACH, BACKUP, DETACH, EXECUTE, KILL, RESTORE, transactions.
_CONTROL_ALLOWED = ("ALTER", "CREATE", "DROP", "RENAME", "SET", "SYSTEM", "TRUNCATE", "USE")

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>'(?:[^'\\]|\\.|'')*')
    |(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_RAW_TOKEN = re.compile(
    rb"""(?P<skip>--[^\n]*|\#[\ !][^\n]*|/\*.*?\*/|\s+)
    |(?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
# Rows of VALUES that may call what is refused: by name, in a subquery, or by a quoted name.
_VALUES_THAT_COMPUTE = re.compile(rb"(?i)file|select|[`\"\x9d]\s*[(/#-]")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, quoted name, string or sign of canonical text, and where it begins."""

    kind: str
    text: str
    start: int

    @property
    def name(self) -> str:
        """The lower-case name that a word or quoted identifier means; else empty."""
        if self.kind == "word":
            return self.text.lower()
        if self.kind == "quoted":
            return re.sub(r"\\(.)", r"\1", self.text[1:-1]).lower()
        return ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that may run.

    `rows` are the bytes behind an INSERT ... FORMAT, None for any other statement; `kind` is the
    engine's class of it.
    """

    sql: str
    kind: str
    output_format: str | None
    rows: bytes | None

    @property
    def keyword(self) -> str:
        """The first word."""
        return self.sql.split(None, 1)[0]

    @property
    def reads_rows(self) -> bool:
        """Whether it is a SELECT, whose answer the engine can give block by block."""
        return self.kind == "READ_ONLY" and self.keyword in ("SELECT", "WITH")


def tokens(canonical: str) -> list[Token]:
    """The tokens of canonical text.

    >>> [token.text for token in tokens("SELECT `a b`, 'x'")]
    ['SELECT', '`a b`', ',', "'x'"]
    """
    return [
        Token(found.lastgroup or "", found[0], found.start())
        for found in _TOKEN.finditer(canonical)
        if found.lastgroup != "space"
    ]


class Statements:
    """Reads statements and refuses some, with the engine's own parser."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._refused_functions = engine.table_functions - _OWN_TABLE_FUNCTIONS
        self._cached: Callable[[str], tuple[str, str, str | None]] = lru_cache(CANONICAL_CACHE)(
            self._read
        )

    def read(self, text: bytes) -> Statement:
        """The statement in `text`; raises EngineError if it is no statement or is refused."""
        head, rows = split_insert(text)
        try:
            sql = head.decode()
        except UnicodeDecodeError as error:
            raise EngineError(
                SYNTAX_ERROR, "SYNTAX_ERROR", f"the statement is not UTF-8: {error}"
            ) from None
        if not sql.strip(" \t\r\n;"):
            raise EngineError(SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error: Empty query")
        read = self._cached if len(sql) <= CACHED_CHARS else self._read
        canonical, kind, output_format = read(sql)
        if rows is not None and output_format == "Values" and _VALUES_THAT_COMPUTE.search(rows):
            canonical = _with_literal_values(canonical)
        return Statement(canonical, kind, output_format, rows)

    def _read(self, sql: str) -> tuple[str, str, str | None]:
        canonical, kind = self._engine.inspect(sql)
        found = tokens(canonical)
        refusal = self._refusal(kind, found)
        if refusal is not None:
            raise EngineError(ACCESS_DENIED, "ACCESS_DENIED", f"{refusal} is not allowed here")
        return canonical, kind, _output_format(found)

    def _refusal(self, kind: str, found: Sequence[Token]) -> str | None:
        words = [token.text if token.kind == "word" else "" for token in found]
        first = words[0]
        if kind in ("MUTATING_GLOBAL", "UNKNOWN"):
            return f"{first} of accounts, functions or collections"
        pairs = list(zip(words, [*words[1:], ""], strict=True))
        if ("INTO", "OUTFILE") in pairs:
            return "INTO OUTFILE"
        if ("FROM", "INFILE") in pairs:
            return "FROM INFILE"
        if first == "SET" and words[1:2] in (["ROLE"], ["DEFAULT"]):
            return "SET ROLE"
        if kind == "CONTROL" and first not in _CONTROL_ALLOWED:
            return first
        for token, after in zip(found, [*found[1:], None], strict=True):
            called = after is not None and after.text == "("
            if called and self._reaches_out(token.name):
                return f"{token.text}(), which reaches outside the database,"
        for before, token in pairwise(found):
            if before.text == "APPLY" and self._reaches_out(token.name):
                return f"APPLY {token.text}"
        if first in ("CREATE", "REPLACE", "ALTER"):
            return _foreign_engine(found)
        return None

    def _reaches_out(self, name: str) -> bool:
        return name in self._refused_functions or bool(_SCALAR_REACHING_OUT.fullmatch(name))


def _foreign_engine(found: Sequence[Token]) -> str | None:
    for word, sign, engine in zip(found, found[1:], found[2:], strict=False):
        is_engine = word.text == "ENGINE" and sign.text == "=" and bool(engine.name)
        if is_engine and not _OWN_ENGINES.fullmatch(engine.name):
            return f"ENGINE = {engine.text}"
    return None


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


def _with_literal_values(canonical: str) -> str:
    # The rows of VALUES may hold expressions, which nothing has looked into.
    name = "input_format_values_interpret_expressions"
    if name in canonical:
        raise EngineError(
            ACCESS_DENIED, "ACCESS_DENIED", f"Setting {name} with rows that compute is not allowed"
        )
    at = _clause(canonical)
    rest = canonical[at:]
    others = ", " + rest.removeprefix("SETTINGS ") if rest.startswith("SETTINGS ") else " " + rest
    return f"{canonical[:at]}SETTINGS {name} = 0{others}"


def _clause(canonical: str) -> int:
    """Where SETTINGS or FORMAT of a canonical INSERT begins."""
    depth = 0
    # The first three tokens are INSERT, INTO and the table's name, whatever it is.
    for token in tokens(canonical)[3:]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind == "word" and token.text in ("SETTINGS", "FORMAT"):
            return token.start
    raise EngineError(SYNTAX_ERROR, "SYNTAX_ERROR", "the INSERT names no format for its rows")


def _output_format(found: Sequence[Token]) -> str | None:
    depth = 0
    fmt = None
    for token, after in pairwise(found):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind == "word" and token.text == "FORMAT" and after.kind == "word":
            fmt = after.text
    return fmt

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
from devstack.clickhouse.errors import ACCESS_DENIED, SYNTAX_ERROR, EngineError
from devstack.clickhouse.insert_text import may_compute, split_insert, with_literal_values
from devstack.clickhouse.tokens import Token, output_format, tokens

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
        canonical, kind, fmt = read(sql)
        if rows is not None and fmt == "Values" and may_compute(rows):
            canonical = with_literal_values(canonical)
        return Statement(canonical, kind, fmt, rows)

    def _read(self, sql: str) -> tuple[str, str, str | None]:
        canonical, kind = self._engine.inspect(sql)
        found = tokens(canonical)
        refusal = self._refusal(kind, found)
        if refusal is not None:
            raise EngineError(ACCESS_DENIED, "ACCESS_DENIED", f"{refusal} is not allowed here")
        return canonical, kind, output_format(found)

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

"""The engine: the one place that knows chdb.

In: canonical statements and where they may run. Out: results as bytes in a ClickHouse format, or
`EngineError`. Connections run in parallel; the interpreter lock is released while they do. Never:
chdb's `send_insert` (it reports success when the commit failed), nor any use of a connection after
it was closed (it would hang for ever).
"""

import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.clickhouse.accounts import Account, users_config
from devstack.clickhouse.errors import SYNTAX_ERROR, EngineError, from_engine

# A message that is not UTF-8, because it shows the client's own bytes, arrives as a decoding error.
_ENGINE_ERRORS = (RuntimeError, UnicodeDecodeError)

# How long a statement may be is for the connection that runs it to say.
_FORMAT_QUERY = "SELECT formatQuerySingleLine({sql:String}) SETTINGS max_query_size = 1000000000"


@dataclass(frozen=True, slots=True)
class Result:
    """A whole answer and what it cost."""

    body: bytes
    read_rows: int
    read_bytes: int
    written_rows: int
    written_bytes: int


class Connection:
    """One engine connection, fixed to an account's role; for one thread at a time."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def run(self, sql: str, fmt: str, parameters: Mapping[str, str] | None = None) -> Result:
        """Run one statement to its end."""
        try:
            answer = self._raw.query(sql, fmt, params=dict(parameters or {}))
            if answer.has_error():
                raise RuntimeError(answer.error_message())
        except _ENGINE_ERRORS as error:
            raise from_engine(error) from None
        return Result(
            answer.bytes(),
            answer.storage_rows_read(),
            answer.storage_bytes_read(),
            answer.rows_written(),
            answer.bytes_written(),
        )

    def stream(self, sql: str, fmt: str, parameters: Mapping[str, str]) -> Iterator[bytes]:
        """Run one statement, giving its answer block by block; closing the iterator cancels it."""
        try:
            stream = self._raw.send_query(sql, fmt, params=dict(parameters))
        except _ENGINE_ERRORS as error:
            raise from_engine(error) from None
        finished = False
        try:
            while True:
                try:
                    block = self._raw.streaming_fetch_result(stream)
                    if block.has_error():
                        raise RuntimeError(block.error_message())
                except _ENGINE_ERRORS as error:
                    finished = True
                    raise from_engine(error) from None
                data: bytes = block.bytes()
                if not data:
                    finished = True
                    return
                yield data
        finally:
            if not finished:
                self._raw.streaming_cancel_query(stream)

    def classify(self, sql: str) -> str:
        """What the engine's parser says that a statement does: READ_ONLY, MUTATING, ..."""
        return str(self._raw.classify_query(sql)["query_class"].name)

    def set(self, settings: Mapping[str, str]) -> None:
        """Change settings of this connection."""
        if settings:
            pairs = ", ".join(f"{name} = {quote(value)}" for name, value in settings.items())
            self.run(f"SET {pairs}", "TSV")

    def close(self) -> None:
        """Give the connection back; it must not be used again."""
        self._raw.close()


class Engine:
    """The engine over one folder of data; one per process."""

    def __init__(self, data: Path) -> None:
        config = _write_config(data)
        # chdb reads a config.xml of the working directory even for its own start.
        os.chdir(config.parent)
        # As in the server's image, and not as this machine happens to be set.
        os.environ["TZ"] = "UTC"
        # Imported here and not above: a child forked by whoever has imported it would hang.
        self._chdb: Any = importlib.import_module("chdb._chdb")
        self._address = f"{data / 'store'}?config-file={config}"
        # While one connection is open, the engine stays up between requests.
        self._keeper = self._connect()
        self._chdb.reset_signal_handlers()
        self.version = self._scalar("SELECT version()")
        self.timezone = self._scalar("SELECT timezone()")
        self.table_functions = frozenset(
            self._scalar("SELECT lower(name) FROM system.table_functions").split("\n")
        )

    def connect(self, account: Account, *, read_only: bool) -> Connection:
        """A connection that can do what the account may, and only read if `read_only`."""
        connection = self._connect()
        connection.run(f"SET ROLE {account.role}", "TSV")
        if account.read_only or read_only:
            connection.set({"readonly": "2"})
        return connection

    def inspect(self, sql: str) -> tuple[str, str]:
        """The statement as the engine's own formatter writes it (no comments, one way to quote),
        and what the engine's parser says that it does: READ_ONLY, MUTATING, ..."""
        connection = self._connect()
        try:
            answer = connection.run(_FORMAT_QUERY, "RawBLOB", {"sql": escape(sql)})
            # Bytes that are no UTF-8 stand in literals only, where \xFF means the same byte.
            canonical = answer.body.decode("utf-8", "backslashreplace")
            return canonical, connection.classify(canonical)
        except EngineError as error:
            if error.code == SYNTAX_ERROR:
                message = error.message.partition(": In scope SELECT formatQuery")[0]
                raise EngineError(error.code, error.name, message) from None
            raise
        finally:
            connection.close()

    def _scalar(self, sql: str) -> str:
        return self._keeper.run(sql, "TSV").body.decode().rstrip("\n")

    def _connect(self) -> Connection:
        return Connection(self._chdb.connect(self._address))


def quote(value: str) -> str:
    r"""A string literal of ClickHouse.

    >>> print(quote("it's"))
    'it\'s'
    """
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\0", "\\0") + "'"


_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f"}
)


def escape(value: str) -> str:
    r"""A query parameter as the engine expects it: the escapes of TabSeparated.

    >>> escape("a\tb")
    'a\\tb'
    """
    return value.translate(_ESCAPES)


def _write_config(data: Path) -> Path:
    folder = data / "config"
    folder.mkdir(parents=True, exist_ok=True)
    users = folder / "users.xml"
    users.write_text(users_config(), encoding="utf-8")
    config = folder / "engine.xml"
    config.write_text(
        "<clickhouse>"
        # An absolute path, or the engine ignores it and gives everybody everything.
        f"<users_config>{users.resolve()}</users_config>"
        "<access_control_improvements>"
        "<select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>"
        "</access_control_improvements>"
        "</clickhouse>\n",
        encoding="utf-8",
    )
    return config.resolve()

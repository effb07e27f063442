"""A connection to ClickHouse: made when first used, made anew after it broke.

In: settings, SQL with `{name:Type}` parameters, Arrow tables. Out: rows, or StorageError with
ClickHouse's code and name. Never: a value formatted into SQL, a password in a message, a wait
without bound.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any, Final

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError
from urllib3.exceptions import HTTPError

from monitor.clock import SystemClock
from monitor.config import ClickHouseSettings
from monitor.errors import StorageError

CONNECT_TIMEOUT_S: Final = 5
ANSWER_TIMEOUT_S: Final = 30
QUERY_TIMEOUT_S: Final = 25
"""The server gives up on a query before the client does."""
_SERVER_SETTINGS: Final = {
    "async_insert": 0,  # buffered, an insert would share its fate with others
    "max_execution_time": QUERY_TIMEOUT_S,
    # No batch repeats a row of its own, and looking for one costs as much as the rest of an insert.
    "optimize_on_insert": 0,
    # Repeats of a row lie in one partition of a table, so FINAL need not look across them.
    "do_not_merge_across_partitions_select_final": 1,
}
_MESSAGE_CHARS: Final = 500
_RETRY_PAUSE_S: Final = 0.2

_TRANSIENT: Final = frozenset(
    {
        74,  # CANNOT_READ_FROM_FILE_DESCRIPTOR
        75,  # CANNOT_WRITE_TO_FILE_DESCRIPTOR: also a full disk
        76,  # CANNOT_OPEN_FILE
        159,  # TIMEOUT_EXCEEDED
        160,  # TOO_SLOW
        164,  # READONLY: the server may be in maintenance
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        203,  # NO_FREE_CONNECTION
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED: the server is shutting down
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        439,  # CANNOT_SCHEDULE_TASK
        473,  # DEADLOCK_AVOIDED
        499,  # S3_ERROR
        745,  # SERVER_OVERLOADED
        999,  # KEEPER_EXCEPTION
    }
)
"""Codes that pass by themselves."""

# Both log a page of traceback for each failed call, which is raised as a StorageError anyway.
for _chatty in ("clickhouse_connect", "urllib3.connectionpool"):
    logging.getLogger(_chatty).setLevel(logging.CRITICAL)


class Connection:
    """One account's connection to one database; `reader` takes the reader's account.

    `answer_timeout_s` is how long the server may be silent.
    """

    def __init__(
        self,
        settings: ClickHouseSettings,
        *,
        reader: bool = False,
        answer_timeout_s: int = ANSWER_TIMEOUT_S,
    ) -> None:
        self._settings = settings
        self._answer_timeout_s = answer_timeout_s
        own = reader and settings.reader_username
        self._username = settings.reader_username if own else settings.username
        self._password = (settings.reader_password if own else settings.password).get_secret_value()
        self._live: Client | None = None

    @property
    def database(self) -> str:
        """The database that tables are looked up in."""
        return self._settings.database

    @property
    def username(self) -> str:
        """The account that asks."""
        return self._username

    def query(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        binary: tuple[str, ...] = (),
        limits: Mapping[str, int] | None = None,
    ) -> list[dict[str, Any]]:
        """Rows as dictionaries; columns named in `binary` as bytes, other text as str.

        `limits` are ClickHouse's own settings for this question alone, such as max_result_rows.
        """
        with self._translated("query"):
            result = self._client().query(
                sql,
                parameters=dict(parameters or {}),
                settings=dict(limits or {}),
                column_formats=dict.fromkeys(binary, "bytes"),
            )
            return list(result.named_results())

    def arrow(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        limits: Mapping[str, int] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Rows as Arrow batches, one at a time as the server sends them; the first has no rows.

        So the columns and their types are known where there are no rows at all.
        """
        with self._translated("query"):
            body = self._client().raw_stream(
                sql, dict(parameters or {}), settings=dict(limits or {}), fmt="ArrowStream"
            )
            with body, pa.ipc.open_stream(body) as batches:
                yield pa.RecordBatch.from_pylist([], batches.schema)
                yield from batches

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """A statement without rows."""
        with self._translated("command"):
            self._client().command(sql, parameters=dict(parameters or {}))

    def insert(self, table: str, rows: Any) -> None:
        """All rows of an Arrow table, in one request."""
        with self._translated(f"insert into {table}"):
            self._client().insert_arrow(table, rows)

    def create_database(self) -> None:
        """Create the database unless it is there."""
        with self._translated(f"create database {self.database}"):
            self._client().command(
                "CREATE DATABASE IF NOT EXISTS {database:Identifier}",
                parameters={"database": self.database},
                use_database=False,
            )

    def ping(self) -> str:
        """The server's version; raises StorageError where it does not answer."""
        with self._translated("answer"):  # before its database may exist
            return str(self._client().command("SELECT version()", use_database=False))

    def wait_until_ready(self, *, timeout_s: float) -> str:
        """The server's version as soon as it answers, within a bound."""
        clock = SystemClock()
        deadline_s = clock.monotonic_s() + timeout_s
        while True:
            try:
                return self.ping()
            except StorageError as error:
                if not error.retryable or clock.monotonic_s() > deadline_s:
                    raise
            Event().wait(_RETRY_PAUSE_S)

    def close(self) -> None:
        """Let go of the sockets; the next call connects again."""
        live, self._live = self._live, None
        if live is not None:
            live.close()

    def _client(self) -> Client:
        if self._live is None:
            settings = self._settings
            self._live = clickhouse_connect.get_client(
                host=settings.host,
                port=settings.port,
                username=self._username,
                password=self._password,
                secure=settings.secure,
                ca_cert=str(settings.ca_cert) if settings.ca_cert else None,
                client_cert=str(settings.client_cert) if settings.client_cert else None,
                client_cert_key=str(settings.client_key) if settings.client_key else None,
                # With a password too, the certificate only opens the connection.
                tls_mode="strict" if settings.client_cert and self._password else None,
                verify=settings.verify,
                compress="lz4",
                connect_timeout=CONNECT_TIMEOUT_S,
                send_receive_timeout=self._answer_timeout_s,
                query_retries=1,
                autogenerate_session_id=False,
                dedicated_pool=True,
                tz_mode="aware",
                client_name="plumbline",
                show_clickhouse_errors="scrub",
                settings=_SERVER_SETTINGS,
            )
            self._live.database = settings.database
        return self._live

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except ClickHouseError as error:
            raise self._storage_error(doing, error) from None
        except (HTTPError, OSError, pa.ArrowInvalid) as error:
            self.close()
            raise self._storage_error(doing, error) from None

    def _storage_error(self, doing: str, error: Exception) -> StorageError:
        code = getattr(error, "code", None) or 0
        name = getattr(error, "name", None) or ""
        words = str(error).strip()
        if self._password:
            words = words.replace(self._password, "***")
        if len(words) > _MESSAGE_CHARS:
            words = f"{words[:_MESSAGE_CHARS]}..."
        place = f"{self._settings.host}:{self._settings.port}"
        if code:
            return StorageError(
                f"ClickHouse at {place} refused to {doing}: {name or 'error'} ({code}): {words}",
                code=code,
                name=name,
                retryable=code in _TRANSIENT,
            )
        unreachable = isinstance(error, OperationalError | HTTPError | OSError)
        overloaded = isinstance(error, DatabaseError) and "HTTP status 5" in words
        return StorageError(
            f"ClickHouse at {place} could not {doing}: {words or type(error).__name__}; "
            "check that it runs and that clickhouse.host and clickhouse.port are right",
            retryable=unreachable or overloaded,
        )

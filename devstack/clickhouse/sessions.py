"""Connections of requests: one each, or one kept for a session.

In: a request and its account. Out: a connection with the request's database and settings applied.
A session keeps what SET, USE and temporary tables did; settings in a URL hold for their request
alone.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from devstack.clickhouse.accounts import Account
from devstack.clickhouse.engine import Connection, Engine
from devstack.clickhouse.errors import SESSION_IS_LOCKED, SESSION_NOT_FOUND, EngineError
from devstack.clickhouse.request import Request

DEFAULT_DATABASE = "default"


@dataclass(slots=True)
class _Session:
    connection: Connection
    database: str = DEFAULT_DATABASE
    """What USE chose."""
    current: str = DEFAULT_DATABASE
    """Where the connection is now: the last request's `database`."""
    applied: dict[str, str] = field(default_factory=dict)
    """Settings of the last request's URL, still on the connection."""
    changes: list[str] = field(default_factory=list)
    """The SET statements of the session."""
    busy: threading.Lock = field(default_factory=threading.Lock)
    expires_at_s: float = 0.0


class Sessions:
    """Gives connections and takes them back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: dict[tuple[str, str], _Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def connection(self, request: Request, account: Account) -> Iterator[Connection]:
        """A connection for one request."""
        if request.session_id is None or request.read_only:
            connection = self._engine.connect(account, read_only=request.read_only)
            try:
                if request.database:
                    _use(connection, request.database)
                connection.set(request.settings)
                yield connection
            finally:
                connection.close()
            return
        session = self._take(request, account)
        try:
            _apply(session, request.database or session.database, request.settings)
            yield session.connection
        finally:
            session.expires_at_s = time.monotonic() + request.session_timeout_s
            session.busy.release()

    def remember(self, request: Request, account: Account, sql: str) -> None:
        """Keep a SET or USE that succeeded for the session's next requests."""
        session = self._kept.get((account.user, request.session_id or ""))
        if session is None:
            return
        if sql.startswith("USE "):
            session.database = session.current = _identifier(sql.removeprefix("USE "))
        else:
            # The same again counts once, at its latest place.
            session.changes = [change for change in session.changes if change != sql] + [sql]

    def _take(self, request: Request, account: Account) -> _Session:
        key = (account.user, request.session_id or "")
        with self._lock:
            self._expire()
            session = self._kept.get(key)
            if session is None:
                if request.session_check:
                    raise EngineError(
                        SESSION_NOT_FOUND, "SESSION_NOT_FOUND", f"Session {key[1]} not found"
                    )
                session = _Session(self._engine.connect(account, read_only=False))
                self._kept[key] = session
            if not session.busy.acquire(blocking=False):
                raise EngineError(
                    SESSION_IS_LOCKED,
                    "SESSION_IS_LOCKED",
                    f"Session {key[1]} is locked by a concurrent client",
                )
            return session

    def _expire(self) -> None:
        now = time.monotonic()
        for key, session in list(self._kept.items()):
            if session.expires_at_s < now and session.busy.acquire(blocking=False):
                del self._kept[key]
                session.connection.close()


def _apply(session: _Session, database: str, settings: Mapping[str, str]) -> None:
    if database != session.current:
        _use(session.connection, database)
        session.current = database
    if settings == session.applied:
        return
    # Back to the account's defaults, then what the session itself has set, then this request's.
    for name in session.applied:
        session.connection.run(f"SET {name} = DEFAULT", "TSV")
    if session.applied:
        for change in session.changes:
            session.connection.run(change, "TSV")
    # Noted only once it has worked: a setting that was refused must not be taken back.
    session.applied = {}
    session.connection.set(settings)
    session.applied = dict(settings)


def _use(connection: Connection, database: str) -> None:
    escaped = database.replace("\\", "\\\\").replace("`", "\\`")
    connection.run(f"USE `{escaped}`", "TSV")


def _identifier(canonical: str) -> str:
    if canonical.startswith("`"):
        return canonical[1:-1].replace("\\`", "`").replace("\\\\", "\\")
    return canonical

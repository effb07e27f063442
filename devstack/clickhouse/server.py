"""ClickHouse's HTTP interface over the engine.

In: HTTP requests on one socket, each in its own thread. Out: answers as a ClickHouse server gives
them: formats, headers, error codes, compression, streaming. Never: another network interface than
the loopback unless it was asked for by name.
"""

import json
import secrets
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from typing import Any, ClassVar

from devstack.clickhouse import request as requests
from devstack.clickhouse.accounts import Account, Accounts
from devstack.clickhouse.compression import LARGEST_BODY_BYTES, choose, compressed
from devstack.clickhouse.engine import Connection, Engine, Result
from devstack.clickhouse.errors import BAD_ARGUMENTS, QUERY_IS_TOO_LARGE, EngineError, mid_stream
from devstack.clickhouse.formats import STREAMED, content_type
from devstack.clickhouse.inserts import insert
from devstack.clickhouse.request import Request
from devstack.clickhouse.sessions import Sessions
from devstack.clickhouse.statements import Statement, Statements

LONGEST_REQUEST_LINE_BYTES = 1 << 20
NOTHING = Result(b"", 0, 0, 0, 0)


class Server(ThreadingHTTPServer):
    """The listening server and what all requests share."""

    daemon_threads = True
    request_queue_size = 128
    # A restart finds its port again although old connections linger.
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], engine: Engine, accounts: Accounts) -> None:
        super().__init__(address, Handler)
        self.engine = engine
        self.accounts = accounts
        self.statements = Statements(engine)
        self.sessions = Sessions(engine)


class Handler(BaseHTTPRequestHandler):
    """One client connection: requests come one after the other."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "Plumbline-devstack"
    disable_nagle_algorithm = True
    timeout = 600
    _plain: ClassVar[dict[str, bytes]] = {
        "/ping": b"Ok.\n",
        "/replicas_status": b"Ok.\n",
    }

    def handle_one_request(self) -> None:
        """Read one request; as the base class, with room for a long statement in the URL."""
        try:
            self.raw_requestline = self.rfile.readline(LONGEST_REQUEST_LINE_BYTES + 1)
            if len(self.raw_requestline) > LONGEST_REQUEST_LINE_BYTES:
                self.requestline = self.request_version = self.command = ""
                self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
                self.close_connection = True
                return
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            if self.command not in ("GET", "POST", "HEAD"):
                self.send_error(HTTPStatus.NOT_IMPLEMENTED, f"method {self.command}")
                self.close_connection = True
                return
            self._serve()
        except (TimeoutError, ConnectionError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: a statement may hold what must not lie in a log."""

    def _serve(self) -> None:
        tag = secrets.token_hex(8)
        query_id = ""
        try:
            body = self._body()
            if self.path in self._plain:
                self._send_whole(
                    HTTPStatus.OK, {"Content-Type": "text/html"}, self._plain[self.path]
                )
                return
            request = requests.parse(self.command, self.path, dict(_titled(self.headers)), body)
            query_id = request.query_id
            if request.path != "/":
                self._send_whole(
                    HTTPStatus.NOT_FOUND, {}, f"There is no handler {request.path}\n".encode()
                )
                return
            if not request.statement and self.command != "POST":
                self._send_whole(HTTPStatus.OK, {"Content-Type": "text/html"}, b"Ok.\n")
                return
            self._answer(request, tag)
        except EngineError as error:
            headers = {
                "Content-Type": "text/plain; charset=UTF-8",
                "X-ClickHouse-Exception-Code": str(error.code),
                "X-ClickHouse-Exception-Tag": tag,
                "X-ClickHouse-Query-Id": query_id,
            }
            self._send_whole(error.http_status, headers, error.body(self.server.engine.version))

    def _body(self) -> bytes:
        try:
            return self._framed_body()
        except ValueError as error:
            self.close_connection = True
            raise EngineError(BAD_ARGUMENTS, "BAD_ARGUMENTS", f"a body's length: {error}") from None

    def _framed_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(self._chunks())
        size_bytes = int(self.headers.get("Content-Length") or 0)
        if size_bytes > LARGEST_BODY_BYTES:
            self.close_connection = True
            raise _too_large()
        return self.rfile.read(size_bytes)

    def _chunks(self) -> Iterator[bytes]:
        total_bytes = 0
        while True:
            size_bytes = int(self.rfile.readline(1_024).partition(b";")[0] or b"0", 16)
            total_bytes += size_bytes
            if total_bytes > LARGEST_BODY_BYTES:
                self.close_connection = True
                raise _too_large()
            if size_bytes == 0:
                while self.rfile.readline(65_536).strip():
                    pass
                return
            yield self.rfile.read(size_bytes)
            self.rfile.readline(1_024)

    def _answer(self, request: Request, tag: str) -> None:
        server = self.server
        account = server.accounts.authenticate(request.user, request.password)
        statement = server.statements.read(request.statement)
        started_s = time.monotonic()
        fmt = statement.output_format or request.default_format
        headers = {
            "Content-Type": content_type(fmt),
            "X-ClickHouse-Format": fmt,
            "X-ClickHouse-Query-Id": request.query_id,
            "X-ClickHouse-Server-Display-Name": "devstack",
            "X-ClickHouse-Timezone": server.engine.timezone,
        }
        with server.sessions.connection(request, account) as connection:
            if statement.reads_rows and fmt in STREAMED and not request.whole:
                headers["X-ClickHouse-Exception-Tag"] = tag
                headers["X-ClickHouse-Summary"] = _summary(NOTHING, started_s)
                blocks = connection.stream(statement.sql, fmt, request.parameters)
                self._send_stream(headers, blocks, request, tag)
                return
            result = self._run(connection, statement, request, account, fmt)
        headers["X-ClickHouse-Summary"] = _summary(result, started_s)
        body = result.body
        encoding = choose(request.accepted_encodings) if body else None
        if encoding:
            headers["Content-Encoding"] = encoding
            body = b"".join(compressed([body], encoding))
        self._send_whole(HTTPStatus.OK, headers, body)

    def _run(
        self,
        connection: Connection,
        statement: Statement,
        request: Request,
        account: Account,
        fmt: str,
    ) -> Result:
        if statement.rows is not None:
            return insert(connection, statement, statement.rows, request.parameters)
        result = connection.run(statement.sql, fmt, request.parameters)
        if statement.keyword in ("SET", "USE") and request.session_id is not None:
            self.server.sessions.remember(request, account, statement.sql)
        return result

    def _send_stream(
        self, headers: dict[str, str], blocks: Iterator[bytes], request: Request, tag: str
    ) -> None:
        # The first block before the status: what fails at once is still answered as an error.
        first = next(blocks, b"")
        encoding = choose(request.accepted_encodings)
        if encoding:
            headers["Content-Encoding"] = encoding
        self._head(HTTPStatus.OK, headers | {"Transfer-Encoding": "chunked"})
        try:
            for piece in compressed(self._until_error(chain([first], blocks), tag), encoding):
                if piece:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        finally:
            # A client that left: the iterator's end cancels the statement.
            close = getattr(blocks, "close", None)
            if close is not None:
                close()

    def _until_error(self, blocks: Iterator[bytes], tag: str) -> Iterator[bytes]:
        try:
            yield from blocks
        except EngineError as error:
            self.close_connection = True
            yield mid_stream(error, self.server.engine.version, tag)

    def _send_whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self._head(status, headers | {"Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _titled(headers: Any) -> Iterator[tuple[str, str]]:
    """Headers under the names that `request` looks up, however the client wrote them."""
    known = {
        name.lower(): name
        for name in (
            "Accept-Encoding",
            "Authorization",
            "Content-Encoding",
            "Content-Type",
            "X-ClickHouse-Database",
            "X-ClickHouse-Format",
            "X-ClickHouse-Key",
            "X-ClickHouse-User",
        )
    }
    for name, value in headers.items():
        if name.lower() in known:
            yield known[name.lower()], value


def _summary(result: Result, started_s: float) -> str:
    return json.dumps(
        {
            "read_rows": str(result.read_rows),
            "read_bytes": str(result.read_bytes),
            "written_rows": str(result.written_rows),
            "written_bytes": str(result.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": "0",
            "result_bytes": str(len(result.body)),
            "elapsed_ns": str(int((time.monotonic() - started_s) * 1e9)),
        }
    )


def _too_large() -> EngineError:
    return EngineError(
        QUERY_IS_TOO_LARGE,
        "QUERY_IS_TOO_LARGE",
        f"a body may have {LARGEST_BODY_BYTES} bytes at most: send smaller batches",
    )

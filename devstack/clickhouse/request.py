"""An HTTP request as ClickHouse means it.

In: method, target, headers and body. Out: a `Request`: who asks, the statement's bytes, settings,
query parameters, and how the answer is wanted. Never: a look at the statement.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from devstack.clickhouse.compression import decompress
from devstack.clickhouse.errors import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    EngineError,
)
from devstack.clickhouse.formats import DEFAULT_FORMAT

SESSION_TIMEOUT_DEFAULT_S = 60
SESSION_TIMEOUT_MAXIMUM_S = 3_600

# Parameters that speak to the transport and not to the engine.
_TRANSPORT = frozenset(
    [
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "http_zlib_compression_level",
        "password",
        "query",
        "query_id",
        "quota_key",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "stacktrace",
        "user",
        "wait_end_of_query",
    ]
)
_SETTING = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_PART_NAME = re.compile(rb'\bname="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    path: str
    user: str
    password: str
    statement: bytes
    parameters: Mapping[str, str]
    settings: Mapping[str, str]
    database: str | None
    session_id: str | None
    session_timeout_s: int
    session_check: bool
    query_id: str
    default_format: str
    whole: bool
    """The client wants the answer finished before the first byte."""
    accepted_encodings: str
    read_only: bool
    """A GET changes nothing."""


def parse(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    """The request; raises EngineError where it asks for what is not there."""
    url = urlsplit(target)
    given = dict(parse_qsl(url.query, keep_blank_values=True))
    body = decompress(body, headers.get("Content-Encoding", "").strip().lower())
    kind = headers.get("Content-Type", "")
    if kind.startswith("multipart/form-data"):
        form, body = _form(body, kind)
        given |= form
    for flag in ("compress", "decompress"):
        if _true(given.get(flag)):
            raise EngineError(
                NOT_IMPLEMENTED,
                "NOT_IMPLEMENTED",
                f"{flag}=1 (the native block compression): use Content-Encoding and "
                "Accept-Encoding with enable_http_compression=1",
            )
    if "role" in given:
        raise EngineError(512, "SET_NON_GRANTED_ROLE", "roles are fixed by the account")
    user, password = _credentials(given, headers)
    query = given.get("query", "").encode("utf-8", "surrogateescape")
    return Request(
        path=url.path,
        user=user,
        password=password,
        statement=query + b"\n" + body if query and body else query or body,
        parameters={
            name.removeprefix("param_"): value
            for name, value in given.items()
            if name.startswith("param_")
        },
        settings=_settings(given),
        database=given.get("database") or headers.get("X-ClickHouse-Database") or None,
        session_id=given.get("session_id") or None,
        session_timeout_s=_session_timeout_s(given.get("session_timeout")),
        session_check=_true(given.get("session_check")),
        query_id=given.get("query_id") or str(uuid.uuid4()),
        default_format=given.get("default_format")
        or headers.get("X-ClickHouse-Format")
        or DEFAULT_FORMAT,
        whole=_true(given.get("wait_end_of_query")),
        accepted_encodings=headers.get("Accept-Encoding", "")
        if _true(given.get("enable_http_compression"))
        else "",
        read_only=method != "POST",
    )


def _credentials(given: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    if "X-ClickHouse-User" in headers:
        return headers["X-ClickHouse-User"], headers.get("X-ClickHouse-Key", "")
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise EngineError(
                AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED", "Invalid Basic authentication"
            ) from None
        return user, password
    return given.get("user", "default"), given.get("password", "")


def _settings(given: Mapping[str, str]) -> dict[str, str]:
    settings = {}
    for name, value in given.items():
        if name in _TRANSPORT or name.startswith("param_"):
            continue
        if not _SETTING.fullmatch(name):
            raise EngineError(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'")
        settings[name] = value
    return settings


def _session_timeout_s(value: str | None) -> int:
    if value is None:
        return SESSION_TIMEOUT_DEFAULT_S
    if not value.isdecimal() or int(value) > SESSION_TIMEOUT_MAXIMUM_S:
        raise EngineError(
            BAD_ARGUMENTS,
            "BAD_ARGUMENTS",
            f"session_timeout {value!r}: give whole seconds, at most {SESSION_TIMEOUT_MAXIMUM_S}",
        )
    return int(value)


def _true(value: str | None) -> bool:
    return value is not None and value.lower() in ("1", "true")


def _form(body: bytes, content_type: str) -> tuple[dict[str, str], bytes]:
    """The fields of a multipart form, and the body that is left: nothing."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise EngineError(BAD_ARGUMENTS, "BAD_ARGUMENTS", "a multipart form without a boundary")
    fields: dict[str, str] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        name = _PART_NAME.search(head)
        if name is None:
            raise EngineError(BAD_ARGUMENTS, "BAD_ARGUMENTS", "a form field without a name")
        if b"filename=" in head:
            raise EngineError(
                NOT_IMPLEMENTED, "NOT_IMPLEMENTED", f"external data (field {name[1]!r})"
            )
        field = name[1].decode("utf-8", "replace")
        # A query that is not UTF-8 is for `statements` to refuse.
        fields[field] = value.decode("utf-8", "surrogateescape" if field == "query" else "replace")
    return fields, b""

"""A broker's answer to who we are, asked on a connection of its own.

In: a connection (TLS done, where there is TLS) and the settings. Out: nothing, or a
`RoadError` with the fix. Never: a password in it.

Three requests of Kafka's protocol are written by hand here: kafka-python tells the reason of a
refusal to its log alone, and not every time.
"""

import logging
import socket
import struct
from typing import Any, Final

from kafka.errors import for_code
from kafka.net.sasl import get_sasl_mechanism

from monitor.broker import client_options
from monitor.config import KafkaSettings
from monitor.tls import RoadError

_METADATA: Final = (3, 1)
_SASL_HANDSHAKE: Final = (17, 1)
_SASL_AUTHENTICATE: Final = (36, 0)
"""Requests by (key, version): the oldest versions that Kafka 4 still reads."""
_MOST_BYTES: Final = 10_000_000
_UNSUPPORTED_MECHANISM: Final = 33

_LISTENER: Final = "the listener at this port speaks another protocol"


def introduce(connection: socket.socket, kafka: KafkaSettings) -> None:
    """Authenticate as the settings say, then ask for the brokers."""
    sasl = kafka.security_protocol.startswith("SASL")
    try:
        if sasl:
            _authenticate(connection, kafka)
        _ask(connection, _METADATA, struct.pack(">i", 0))
    except OSError as error:
        fix = f"correct kafka.security_protocol or the port: {_LISTENER}"
        raise RoadError(f"ends the connection: {error}", fix) from None


def _authenticate(connection: socket.socket, kafka: KafkaSettings) -> None:
    mechanism = str(kafka.sasl_mechanism)
    code, offered = _handshake(_ask(connection, _SASL_HANDSHAKE, _text(mechanism)))
    if code == _UNSUPPORTED_MECHANISM:
        raise RoadError(
            f"does not offer {mechanism}, but {', '.join(offered)}",
            "set kafka.sasl_mechanism to one of them",
        )
    if code:
        raise RoadError(for_code(code).__name__, "correct kafka.security_protocol")
    logging.getLogger("kafka.net.sasl").setLevel(logging.ERROR)  # it warns of each plain listener
    talk: Any = get_sasl_mechanism(mechanism)(host="", **client_options(kafka))
    while not talk.is_done():
        token = talk.auth_bytes()
        answer = _ask(connection, _SASL_AUTHENTICATE, struct.pack(">i", len(token)) + token)
        [code] = struct.unpack_from(">h", answer)
        if code:
            words = _read_text(answer, 2)[0] or for_code(code).__name__
            raise RoadError(
                f"refuses account {kafka.sasl_username}: {words}",
                "correct kafka.sasl_username or kafka.sasl_password",
            )
        _, at = _read_text(answer, 2)
        [size] = struct.unpack_from(">i", answer, at)
        talk.receive(answer[at + 4 : at + 4 + size])


def _handshake(answer: bytes) -> tuple[int, list[str]]:
    """(error code, mechanisms that the listener offers)."""
    code, count = struct.unpack_from(">hi", answer)
    at, offered = 6, []
    for _ in range(count):
        name, at = _read_text(answer, at)
        offered.append(name)
    return code, offered


def _ask(connection: socket.socket, kind: tuple[int, int], body: bytes) -> bytes:
    """One request and the body of its answer."""
    request = struct.pack(">hhih", *kind, 1, -1) + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    [size] = struct.unpack(">i", _exactly(connection, 4))
    if not 4 <= size <= _MOST_BYTES:
        raise ConnectionError(f"an answer of {size} bytes is none of Kafka's")
    return _exactly(connection, size)[4:]


def _exactly(connection: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        part = connection.recv(size - len(read))
        if not part:
            raise ConnectionError("closed by the broker")
        read += part
    return read


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _read_text(answer: bytes, at: int) -> tuple[str, int]:
    """A nullable string and where the next field stands."""
    [size] = struct.unpack_from(">h", answer, at)
    end = at + 2 + max(size, 0)
    return answer[at + 2 : end].decode("utf-8", "replace"), end

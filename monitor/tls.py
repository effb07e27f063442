"""The road to a server, step by step: TCP, the TLS handshake, how long its certificate is valid.

In: an address and a TLS context. Out: a connection, or a `RoadError` that says which step failed
and which setting mends it. Never: a certificate taken unseen that the settings want verified.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from monitor.clock import Clock, to_datetime

CONNECT_TIMEOUT_S: Final = 5.0
ALERT_WAIT_S: Final = 0.5
"""A server that wants a client's certificate says so only after the handshake (TLS 1.3)."""
SOON_DAYS: Final = 14
"""A certificate that ends within so many days is a problem."""
_US_PER_S: Final = 1_000_000


class RoadError(Exception):
    """Why a server cannot be used, and the fix."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


@dataclass(frozen=True, slots=True)
class RoadSettings:
    """The settings that a fix names."""

    address: str
    protocol: str
    ca: str
    certificate: str


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files of a TLS client, by the names of their settings."""

    ca: Path | None
    certificate: Path | None
    key: Path | None
    password: SecretStr | None = None


def tls_context(
    files: TlsFiles, names: RoadSettings, *, verify: bool = True, check_hostname: bool = True
) -> ssl.SSLContext:
    """A client's context; RoadError where a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = check_hostname and verify
    if not verify:
        context.verify_mode = ssl.CERT_NONE
    secret = "" if files.password is None else files.password.get_secret_value()
    used, setting = files.ca, names.ca
    try:
        if files.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(str(files.ca))
        if files.certificate is not None:
            used, setting = files.certificate, names.certificate
            # A callback, for without one a key that wants a password asks the terminal for it.
            key = None if files.key is None else str(files.key)
            context.load_cert_chain(str(files.certificate), key, lambda: secret)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else str(error)
        fix = f"correct {setting} (and its key and password) or the file's rights"
        raise RoadError(f"{used} cannot be used: {reason}", fix) from None
    return context


@contextmanager
def connected(host: str, port: int, names: RoadSettings) -> Iterator[socket.socket]:
    """A TCP connection."""
    try:
        connection = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)
    except OSError as error:
        fix = f"start it (`plumbline stack up`) or correct {names.address}"
        raise RoadError(f"cannot be reached: {error}", fix) from None
    with connection:
        yield connection


@contextmanager
def secured(
    connection: socket.socket, context: ssl.SSLContext, host: str, names: RoadSettings
) -> Iterator[ssl.SSLSocket]:
    """The connection with TLS on it, the server's last word on the handshake awaited."""
    client_fix = (
        f"give a certificate that the server trusts ({names.certificate} and its key), or correct "
        f"{names.protocol}"
    )
    try:
        with context.wrap_socket(connection, server_hostname=host) as encrypted:
            encrypted.settimeout(ALERT_WAIT_S)
            try:
                if not encrypted.recv(1):
                    raise RoadError("closes the connection after the handshake", client_fix)
            except TimeoutError:
                encrypted.settimeout(CONNECT_TIMEOUT_S)  # it waits for a request, as it should
            yield encrypted
    except ssl.SSLCertVerificationError as error:
        problem = f"has a certificate that is refused: {error.verify_message}"
        raise RoadError(problem, _fix_of(error, names)) from None
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        if "alert" in reason or "certificate required" in reason:
            raise RoadError(f"refuses this client: {reason}", client_fix) from None
        fix = f"correct {names.protocol} or the port: it speaks no TLS there"
        raise RoadError(f"does not shake hands: {reason}", fix) from None
    except OSError as error:
        raise RoadError(f"does not shake hands: {error}", client_fix) from None


def validity(encrypted: ssl.SSLSocket, clock: Clock) -> str:
    """How long the server's certificate is valid, in words; RoadError where that ends soon.

    Of a certificate that is not verified nothing is known.
    """
    certificate = encrypted.getpeercert()
    if not certificate:
        return "its certificate is not verified"
    ends_us = int(ssl.cert_time_to_seconds(str(certificate["notAfter"]))) * _US_PER_S
    days = (ends_us - clock.now_us()) / (86_400 * _US_PER_S)
    until = f"its certificate is valid until {to_datetime(ends_us):%Y-%m-%d}"
    if days <= SOON_DAYS:
        raise RoadError(f"{until}, {days:.0f} days from now", "renew the server's certificate")
    return until


def _fix_of(error: ssl.SSLCertVerificationError, names: RoadSettings) -> str:
    if "expired" in error.verify_message:
        return "renew the server's certificate"
    if "mismatch" in error.verify_message:
        return f"name the host in {names.address} as its certificate does, or give it a new one"
    return f"set {names.ca} to the CA that signed the server's certificate"

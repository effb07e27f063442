"""Who is signed in: a token's owner in a signed cookie, or whom an OIDC proxy names.

In: settings, a request. Out: a `User` or None, cookies, CSRF tokens. Never: a token in a cookie, a
header believed from an address that is not the proxy's, a comparison whose time tells anything.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection

from monitor.clock import Clock
from monitor.config import DashboardSettings

COOKIE: Final = "plumbline_session"
_US_PER_HOUR: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may act."""

    name: str
    csrf: str
    """Has to come back with every form that acts."""
    by: str
    """session, token or proxy."""


class Sessions:
    """Signs people in and recognises them."""

    def __init__(self, settings: DashboardSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        key = settings.session_key
        self._key = key.get_secret_value().encode() if key else secrets.token_bytes(32)

    @property
    def tokens(self) -> bool:
        """Whether anybody can sign in by a token."""
        return bool(self._settings.users)

    def owner(self, token: str) -> str | None:
        """Whose token it is; every one is compared, so that the time tells nothing."""
        given, found = hashlib.sha256(token.encode()).digest(), None
        for name, known in self._settings.users.items():
            known_hash = hashlib.sha256(known.get_secret_value().encode()).digest()
            if hmac.compare_digest(given, known_hash):
                found = name
        return found

    def cookie(self, name: str) -> str:
        """The value of a new session's cookie."""
        ends_us = self._clock.now_us() + int(self._settings.session_hours * _US_PER_HOUR)
        text = f"{ends_us}|{secrets.token_hex(8)}|{name}".encode()
        return f"{base64.urlsafe_b64encode(text).decode()}.{self._sign(b'session|' + text)}"

    def user(self, request: HTTPConnection) -> User | None:
        """Who asks, if it is known."""
        bearer = request.headers.get("authorization", "")
        if bearer.startswith("Bearer "):
            owner = self.owner(bearer.removeprefix("Bearer "))
            return None if owner is None else User(owner, "", "token")
        proxied = self._proxied(request)
        if proxied:
            return User(proxied, self._sign(b"csrf|proxy|" + proxied.encode()), "proxy")
        value = request.cookies.get(COOKIE, "")
        name = self._named(value)
        if name is None:
            return None
        return User(name, self._sign(b"csrf|" + value.encode()), "session")

    def _proxied(self, request: HTTPConnection) -> str:
        header = self._settings.proxy_user_header
        if not header or request.client is None:
            return ""
        try:
            address = ipaddress.ip_address(request.client.host)
        except ValueError:
            return ""
        if not any(address in network for network in self._settings.proxy_addresses):
            return ""
        return request.headers.get(header, "")[:200]

    def _named(self, value: str) -> str | None:
        packed, _, signature = value.partition(".")
        try:
            text = base64.urlsafe_b64decode(packed)
        except (binascii.Error, ValueError):
            return None
        if not hmac.compare_digest(self._sign(b"session|" + text).encode(), signature.encode()):
            return None
        ends_us, _, rest = text.decode().partition("|")
        name = rest.partition("|")[2]
        if int(ends_us) < self._clock.now_us() or name not in self._settings.users:
            return None
        return name

    def _sign(self, text: bytes) -> str:
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

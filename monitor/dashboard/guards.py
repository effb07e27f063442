"""What stands before every page: the host's name, the rate, sign-in where it is needed, headers.

In: a request. Out: it goes on, or is refused in words. Never: a page without the headers, memory
that grows with the number of addresses.
"""

import ipaddress
from collections import OrderedDict
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.clock import Clock
from monitor.config import DashboardSettings
from monitor.dashboard.sessions import Sessions

MOST_ADDRESSES: Final = 10_000
SIGN_INS_PER_MINUTE: Final = 10
OPEN_PATHS: Final = ("/static/", "/sign-in", "/healthz")
"""What is shown to people who are not signed in, where reading needs it."""

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # The charts' library puts style sheets of its own beside its canvases.
        "style-src-elem 'self' 'unsafe-inline'",
        "style-src-attr 'none'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class RateLimit:
    """A bucket of tokens for each address; the addresses longest silent are forgotten.

    >>> from monitor.clock import ManualClock
    >>> clock = ManualClock()
    >>> limit = RateLimit(60, clock)
    >>> [limit.take("a") for _ in range(61)].count(True), limit.take("b")
    (60, True)
    >>> clock.advance(seconds=1); limit.take("a"), limit.take("a")
    (True, False)
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> bool:
        """Whether one more request of an address may go on."""
        now_s = self._clock.monotonic_s()
        left, since_s = self._left.pop(address, (self._most, now_s))
        left = min(self._most, left + (now_s - since_s) * self._most / 60.0)
        allowed = left >= 1.0
        self._left[address] = (left - allowed, now_s)
        while len(self._left) > MOST_ADDRESSES:
            self._left.popitem(last=False)
        return allowed


class Guards:
    """ASGI middleware around the whole app."""

    def __init__(
        self, app: ASGIApp, settings: DashboardSettings, sessions: Sessions, clock: Clock
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._limit = RateLimit(settings.requests_per_minute, clock)
        self._sign_ins = RateLimit(SIGN_INS_PER_MINUTE, clock)
        self._hosts = allowed_hosts(settings)
        self._open = is_loopback(settings.host)
        self._secure = settings.url.startswith("https://")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
                if self._secure:
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if self._hosts and _host_name(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse(
                "This host name is not served: set dashboard.url to the address that you use.\n",
                status_code=421,
            )
        path = scope["path"]
        address = scope["client"][0] if scope.get("client") else ""
        limits = [self._limit]
        if scope["method"] == "POST" and path == "/sign-in":
            limits.append(self._sign_ins)
        if not all(limit.take(address) for limit in limits):
            return PlainTextResponse(
                "Too many requests: wait a minute.\n", 429, {"retry-after": "60"}
            )
        if self._open or path.startswith(OPEN_PATHS):
            return None
        if self._sessions.user(HTTPConnection(scope)) is not None:
            return None
        if path.startswith("/api/"):
            return PlainTextResponse("Sign in first: send a token as Bearer.\n", 401)
        return RedirectResponse("/sign-in", 303)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an interface.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed_hosts(settings: DashboardSettings) -> frozenset[str]:
    """Names by which the pages may be called: another page must not reach loopback by its own.

    >>> sorted(allowed_hosts(DashboardSettings(url="https://plumb.example.com")))
    ['127.0.0.1', '[::1]', 'localhost', 'plumb.example.com']
    >>> allowed_hosts(DashboardSettings(host="0.0.0.0"))
    frozenset()
    """
    named = urlsplit(settings.url).hostname if settings.url else None
    if not is_loopback(settings.host):
        return frozenset({named, settings.host} - {None}) if named else frozenset()
    return frozenset({"127.0.0.1", "localhost", "[::1]", *([named] if named else [])})


def _host_name(host: str) -> str:
    """The name in a Host header, without the port.

    >>> _host_name("localhost:8118"), _host_name("[::1]:8118"), _host_name("[::1]")
    ('localhost', '[::1]', '[::1]')
    """
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    return name.lower()

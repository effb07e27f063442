"""Serves the app: one process, until it is told to end.

In: settings. Out: HTTP. Never: an interface that others reach without anybody who can sign in.
"""

import socket
from collections.abc import Callable

import uvicorn

from monitor.config import Settings
from monitor.dashboard.app import create_app
from monitor.dashboard.guards import is_loopback
from monitor.errors import ConfigError

_GRACE_S = 2


def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `say` gets the address once it is open."""
    check(settings)
    own = settings.dashboard
    listener = listening(own.host, own.port)
    port = listener.getsockname()[1]
    shown = f"[{own.host}]" if ":" in own.host else own.host
    config = uvicorn.Config(
        create_app(settings),
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # whom a proxy names is `sessions`' to believe
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    say(f"pages at {own.url or f'http://{shown}:{port}'}")
    uvicorn.Server(config).run(sockets=[listener])


def check(settings: Settings) -> None:
    """Raise ConfigError where the pages would be open to others."""
    own = settings.dashboard
    proxied = bool(own.proxy_user_header and own.proxy_addresses)
    if bool(own.proxy_user_header) != bool(own.proxy_addresses):
        raise ConfigError(
            "dashboard.proxy_user_header and dashboard.proxy_addresses belong together: a header "
            "is believed only from the proxy's own address"
        )
    if not is_loopback(own.host) and not own.users and not proxied:
        raise ConfigError(
            f"dashboard.host {own.host} can be reached from other machines, and nobody could sign "
            "in: set dashboard.users, or a proxy's header and addresses, or listen on 127.0.0.1"
        )


def listening(host: str, port: int) -> socket.socket:
    """An open socket; ConfigError where there is none to be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()  # who comes before the app is up waits
    except OSError as error:
        raise ConfigError(
            f"cannot serve pages at {host}:{port}: {error.strerror}; choose another --port (0: any)"
        ) from None
    return listener

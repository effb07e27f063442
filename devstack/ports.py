"""Free TCP ports on the loopback interface.

Ports are drawn below the range that the kernel hands to outgoing connections: a client that
reconnects in a loop to a dead server's port inside that range can meet itself there, and the
server could never have its port back.
"""

import random
import socket

from devstack.errors import StackError

LOOPBACK = "127.0.0.1"
FIRST, LAST = 20_000, 32_000
ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now.

    >>> is_free(free_ports(1)[0])
    True
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> tuple[int, ...]:
    """`count` different ports that are free now."""
    draw = random.SystemRandom()
    found: set[int] = set()
    for _ in range(ATTEMPTS):
        port = draw.randrange(FIRST, LAST)
        if is_free(port):
            found.add(port)
        if len(found) == count:
            return tuple(found)
    raise StackError(
        f"no {count} free ports between {FIRST} and {LAST} on {LOOPBACK} after {ATTEMPTS} tries: "
        "end some servers"
    )

"""Serve one folder of data as ClickHouse does, until SIGTERM.

In: a port, the folder and the accounts file of `launch.py`. Never: data lost that a client was told
is stored, however the process ends.
"""

import argparse
import os
import signal
import threading
from pathlib import Path
from types import FrameType

from devstack.clickhouse.accounts import Accounts
from devstack.clickhouse.engine import Engine
from devstack.clickhouse.server import Server

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main() -> None:
    """Parse the command line and serve until SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m devstack.clickhouse",
        description="Serve a folder of data as ClickHouse does.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="interface to listen on (%(default)s)")
    parser.add_argument(
        "--allow-remote", action="store_true", help="allow a --host other machines can reach"
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--accounts", type=Path, required=True, help="file of the two accounts")
    options = parser.parse_args()
    if options.host not in LOOPBACK and not options.allow_remote:
        parser.error(
            f"--host {options.host} can be reached from other machines, and this server is for "
            "development: add --allow-remote if that is meant"
        )
    accounts = Accounts(options.accounts.resolve())
    data = options.data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    server = Server((options.host, options.port), Engine(data), accounts)

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        # From another thread: shutdown() waits for the loop that this handler interrupts.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    # Acknowledged rows are on disk; statements still running belong to nobody any more.
    os._exit(0)


main()

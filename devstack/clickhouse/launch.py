"""Starting the ClickHouse server: its command line, its accounts, and whether it answers."""

import http.client
import importlib.util
import sys
from pathlib import Path

from devstack.clickhouse.accounts import accounts_file
from devstack.errors import StackError
from devstack.ports import LOOPBACK

ANSWER_TIMEOUT_S = 2.0


def prepare(accounts: Path, writer: tuple[str, str], reader: tuple[str, str]) -> None:
    """Write the accounts file (hashes only) for two pairs of user and password."""
    # Looked for and not imported: the engine belongs into the server's process alone.
    if importlib.util.find_spec("chdb") is None:
        raise StackError(
            f"chdb, the ClickHouse engine, is not installed for {sys.executable}: "
            "pip install 'plumbline[devstack]'"
        )
    accounts.write_text(accounts_file(writer, reader), encoding="utf-8")


def command(port: int, data: Path, accounts: Path) -> list[str]:
    """The command line of the server."""
    options = ["--port", str(port), "--data", str(data), "--accounts", str(accounts)]
    # This package is found where it is here, whatever folder the process works in.
    search = f"PYTHONPATH={Path(__file__).resolve().parents[2]}"
    return ["/usr/bin/env", search, sys.executable, "-m", "devstack.clickhouse", *options]


def answers(port: int) -> bool:
    """Whether the server on `port` answers a ping."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_TIMEOUT_S)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().read() == b"Ok.\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

"""What a kept demo leaves running: a worker, and the web pages over its data.

In: the demo's folder and settings file. Out: the address and a token to sign in with; both programs
end with `plumbline stack down`. Never: a token on a command line.
"""

import getpass
import secrets
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

import click
import yaml

WAIT_S: Final = 60.0
_LOOK_S: Final = 0.1
_TOLD: Final = "pages at "


class Pages(NamedTuple):
    """Where they are, and who may decide there."""

    url: str
    user: str
    token: str


def keep_pages(directory: Path, settings_file: Path) -> Pages:
    """Start both beside the stack; the token stands in the settings file, which only you read."""
    from devstack import stack

    user, token = getpass.getuser(), secrets.token_urlsafe(18)
    settings = yaml.safe_load(settings_file.read_text(encoding="utf-8"))
    settings["dashboard"] = {"users": {user: token}}
    settings_file.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "monitor.cli", "--config", str(settings_file.resolve())]
    stack.attach(directory, "worker", [*command, "run"])
    (directory / "logs" / "pages.log").unlink(missing_ok=True)  # of a run before: another address
    log = stack.attach(directory, "pages", [*command, "dashboard", "--port", "0"])
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        text = log.read_text(encoding="utf-8", errors="replace")
        if _TOLD in text:
            url = text.rpartition(_TOLD)[2].partition("\n")[0].strip()
            return Pages(url, user, token)
        time.sleep(_LOOK_S)
    raise click.ClickException(f"the web pages did not open in {WAIT_S:.0f} s: see {log}")

"""What a printed figure needs beside it: the machine and the versions."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime


def machine_line() -> str:
    """Processor, cores and interpreter in one line."""
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as handle:
        for row in handle:
            if row.startswith("model name"):
                model = row.split(":", 1)[1].strip()
                break
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Python {platform.python_version()}"


def versions_line(*packages: str) -> str:
    """Installed versions of packages.

    >>> versions_line("pip").startswith("pip ")
    True
    """
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)


def commit_line() -> str:
    """The commit that ran, marked where files differ from it, and when.

    >>> commit_line().startswith("commit ")
    True
    """
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty=, with changes"],
        capture_output=True,
        text=True,
        check=False,
    )
    name = answer.stdout.strip() or "unknown"
    return f"commit {name}; {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"

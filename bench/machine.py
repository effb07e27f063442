"""What a printed figure needs beside it: the machine and the versions."""

import importlib.metadata
import os
import platform


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

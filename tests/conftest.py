"""Fixtures shared by all tests, how generated cases are chosen, and two rules that all tests keep.

- Whoever starts a server is marked `integration`: all other tests run in two processes at once.
- In CI nothing is skipped: a check that does not run there guards nothing.
"""

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = ["tests.stack_fixtures"]

CI = bool(os.environ.get("CI"))
SERVERS = ("kafka.Kafka", "devstack.clickhouse --port", "--storage.path=")
"""In the command line of each server."""

# A loaded machine is no failure. In CI the same cases every time; elsewhere new ones are tried.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if CI else "default")

_unmarked: list[str] = []
"""The test that runs now, if it is not marked."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or not _unmarked:
        return
    words = arguments[1] if isinstance(arguments[1], list) else [arguments[1]]
    line = " ".join(os.fsdecode(word) for word in words)
    if any(server in line for server in SERVERS):
        pytest.fail(f"mark {_unmarked[0]} with pytest.mark.integration: it starts {line[:100]}")


sys.addaudithook(_watch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Know which test is at work."""
    _unmarked[:] = [] if item.get_closest_marker("integration") else [item.nodeid]
    try:
        return (yield)
    finally:
        _unmarked.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test has failed."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI a skipped file has failed."""
    report = yield
    if CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {report.longrepr}"
    return report

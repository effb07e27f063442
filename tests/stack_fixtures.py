"""Fixtures of the real broker and the real engine, started once for all tests that ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack import StackInfo, down, up


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """Kafka and ClickHouse in a temporary directory, ended with the session.

    The stack is shared: give topics, groups, databases and tables names of your own. Only the
    database `plumbline` can be read with the reader's account.
    """
    directory: Path = tmp_path_factory.mktemp("stack")
    try:
        yield up(directory)
    finally:
        down(directory)

"""One server for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.devstack.server import ClickHouse, running


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """A ClickHouse stand-in with a database `plumbline`."""
    with running(tmp_path_factory.mktemp("clickhouse")) as server:
        assert server.run("CREATE DATABASE plumbline").status == 200
        yield server

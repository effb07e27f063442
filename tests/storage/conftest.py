"""A database of its own on the real engine for each test."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from devstack import StackInfo
from monitor.config import ClickHouseSettings
from monitor.storage import ClickHouseStore


@pytest.fixture
def settings(stack: StackInfo) -> ClickHouseSettings:
    """The writer's and the reader's account, and a database that nobody else uses."""
    return ClickHouseSettings(
        host=stack.clickhouse_host,
        port=stack.clickhouse_port,
        username=stack.writer_user,
        password=SecretStr(stack.writer_password),
        reader_username=stack.reader_user,
        reader_password=SecretStr(stack.reader_password),
        database=f"storage_{uuid4().hex[:12]}",
    )


@pytest.fixture
def clickhouse(settings: ClickHouseSettings) -> Iterator[ClickHouseStore]:
    """A migrated store."""
    with ClickHouseStore(settings) as store:
        store.migrate()
        yield store
        store.connection.command(
            "DROP DATABASE {database:Identifier}", {"database": settings.database}
        )

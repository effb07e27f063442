"""One stored stream for all tests, each of which mends what it damages."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from uuid import uuid4

import pyarrow as pa
import pytest
from pydantic import SecretStr

from devstack import StackInfo
from monitor.backtest.wiring import TOPICS
from monitor.config import ClickHouseSettings
from monitor.storage.clickhouse import ClickHouseStore
from monitor.storage.evidence import Evidence
from monitor.verifying.verify import Stored as Sources
from schemas import ModelCard
from tests.verifying.stream import stored, stored_with_labels


@dataclass(frozen=True, slots=True)
class Stored:
    """A database with a stream in it."""

    settings: ClickHouseSettings
    store: ClickHouseStore
    card: ModelCard
    sources: Sources

    @property
    def evidence(self) -> Evidence:
        """Questions about what is stored."""
        return self.sources.evidence

    @contextmanager
    def damaged(self, table: str, where: str, change: str) -> Iterator[None]:
        """Rows of a table deleted (`change` "DELETE") or updated, and mended afterwards."""
        connection = self.store.connection
        columns = {"predictions": "*", "profiles": "*", "cards": "*", "labels": "*"}[table]
        kept = pa.Table.from_batches(
            list(connection.arrow(f"SELECT {columns} FROM {table} FINAL WHERE {where}"))
        )
        assert kept.num_rows
        wait = "SETTINGS mutations_sync = 1"
        connection.command(f"ALTER TABLE {table} {change} WHERE {where} {wait}")
        try:
            yield
        finally:
            connection.command(f"ALTER TABLE {table} DELETE WHERE {where} {wait}")
            connection.insert(table, kept)


Damaged = Callable[[str, str, str], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def stream(stack: StackInfo) -> Iterator[Stored]:
    """The stream, stored and alerted of."""
    settings = ClickHouseSettings(
        host=stack.clickhouse_host,
        port=stack.clickhouse_port,
        username=stack.writer_user,
        password=SecretStr(stack.writer_password),
        database=f"verify_{uuid4().hex[:12]}",
    )
    with ClickHouseStore(settings) as store:
        store.migrate()
        card = stored(store)
        stored_with_labels(store)
        sources = Sources(Evidence(store.connection), store, TOPICS)
        yield Stored(settings, store, card, sources)
        store.connection.command("DROP DATABASE {name:Identifier}", {"name": settings.database})

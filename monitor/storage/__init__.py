"""Step 6: rows to and from ClickHouse; the only package that knows it."""

from monitor.storage.clickhouse import ClickHouseStore
from monitor.storage.connection import Connection
from monitor.storage.memory import MemoryStore
from monitor.storage.schema import migrate, schema_problems
from monitor.storage.store import Store, StoreBatch, StoredUntil, Watermark

__all__ = [
    "ClickHouseStore",
    "Connection",
    "MemoryStore",
    "Store",
    "StoreBatch",
    "StoredUntil",
    "Watermark",
    "migrate",
    "schema_problems",
]

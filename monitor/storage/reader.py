"""Reading for people: the reader's account, named questions, bounded answers.

In: a named `Query` and its values. Out: rows, or an Arrow table, or Arrow batches as they come.
Never: a write, a value formatted into SQL, an answer or a search without bound.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self

import pyarrow as pa

from monitor.config import ClickHouseSettings
from monitor.storage.connection import Connection
from monitor.storage.queries import Query, bound

MOST_ROWS: Final = 100_000
"""Rows of one answer; more is refused (code 396) and not cut."""
MOST_SECONDS: Final = 20
"""Before the server gives up (code 159)."""
EXPORT_SECONDS: Final = 3_600
_READ_ONLY: Final = 2
"""Reads nothing but rows; settings such as these limits may be given."""


class Reader:
    """Questions under the reader's account; every one read-only and bounded.

    One reader serves many threads.
    """

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._connection = Connection(settings, reader=True)
        self._patient = Connection(settings, reader=True, answer_timeout_s=EXPORT_SECONDS)

    @property
    def database(self) -> str:
        """Where the tables are."""
        return self._connection.database

    def rows(
        self, query: Query, parameters: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """The answer as dictionaries. Times may be given as aware datetimes."""
        given = bound(query, parameters)
        return self._connection.query(query.sql, given, binary=query.binary, limits=_limits(query))

    def frame(self, query: Query, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer as an Arrow table; `.to_pandas()` for more."""
        given = bound(query, parameters)
        batches = self._connection.arrow(query.sql, given, limits=_limits(query))
        return pa.Table.from_batches(list(batches))

    def stream(
        self, query: Query, parameters: Mapping[str, Any] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The answer batch by batch, however long; the first has the columns and no rows."""
        given = bound(query, parameters)
        limits = {"readonly": _READ_ONLY, "max_execution_time": EXPORT_SECONDS}
        return self._patient.arrow(query.sql, given, limits=limits)

    def close(self) -> None:
        """Let go of the sockets; the next question connects again."""
        self._connection.close()
        self._patient.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def _limits(query: Query) -> dict[str, int]:
    limits = {
        "readonly": _READ_ONLY,
        "max_execution_time": MOST_SECONDS,
        "max_result_rows": MOST_ROWS,
    }
    if query.most_rows_read is not None:
        limits["max_rows_to_read"] = query.most_rows_read
    return limits

"""Rows into a table: through a file in memory, as one INSERT ... FROM INFILE.

In: an INSERT and its rows in any ClickHouse format. Out: the engine's result, after the commit. The
engine reads the rows as it reads a file, so it reports what a failed commit really was; chdb's
streaming insert does not.
"""

import os
from collections.abc import Mapping

from devstack.clickhouse.engine import Connection, Result
from devstack.clickhouse.insert_text import from_infile
from devstack.clickhouse.statements import Statement


def insert(
    connection: Connection, statement: Statement, rows: bytes, parameters: Mapping[str, str]
) -> Result:
    """Insert `rows`; returns when they are committed."""
    file = os.memfd_create("rows")
    try:
        with open(file, "wb", closefd=False) as memory:
            memory.write(rows)
        sql = from_infile(statement.sql, f"/proc/self/fd/{file}")
        return connection.run(sql, "Null", parameters)
    finally:
        os.close(file)

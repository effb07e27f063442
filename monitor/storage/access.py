"""Whether this process gets at ClickHouse as it must: the road, TLS, the rights.

In: settings or a connection. Out: what is wrong, each with its fix. Never: a row written.
"""

import re
from typing import Final

from monitor.clock import Clock
from monitor.config import ClickHouseSettings
from monitor.errors import StorageError
from monitor.storage.connection import Connection
from monitor.tls import (
    RoadSettings,
    TlsFiles,
    connected,
    secured,
    tls_context,
    validity,
)

WRITTEN_TABLES: Final = (
    "predictions",
    "labels",
    "rejections",
    "pane_summaries",
    "findings",
    "cohorts",
    "comparisons",
    "alerts",
)
"""What a worker writes; it reads them too."""

READ_VIEWS: Final = (
    "audit_predictions",
    "audit_labels",
    "audit_outcomes",
    "audit_alerts",
    "audit_versions",
    "audit_rejections",
    "audit_performance",
    "current_alerts",
)
"""What people read, besides the tables: a view needs the right to what is under it."""

_DENIED: Final = (164, 497)
"""READONLY, ACCESS_DENIED."""
_NAMES: Final = RoadSettings(
    address="clickhouse.host",
    protocol="clickhouse.secure",
    ca="clickhouse.ca_cert",
    certificate="clickhouse.client_cert",
)
_NO_ROWS: Final = "INSERT INTO {table:Identifier} SELECT * FROM {table:Identifier} WHERE 0"
_NO_READ: Final = "SELECT * FROM {table:Identifier} LIMIT 0"
_NEEDED: Final = re.compile(r"necessary to have the grant (.+?)(?:\. |\s*\(|$)")


def check_road(settings: ClickHouseSettings, clock: Clock) -> str:
    """What is well with the road, in words; raises RoadError where it is not."""
    with connected(settings.host, settings.port, _NAMES) as connection:
        if not settings.secure:
            return "no TLS"
        files = TlsFiles(settings.ca_cert, settings.client_cert, settings.client_key)
        context = tls_context(files, _NAMES, verify=settings.verify)
        with secured(connection, context, settings.host, _NAMES) as encrypted:
            return f"TLS, {validity(encrypted, clock)}"


def missing_grants(connection: Connection) -> list[tuple[str, str]]:
    """(problem, fix) of each table that the account may not read and write: tried with no rows."""
    missing = []
    for table in WRITTEN_TABLES:
        try:
            connection.command(_NO_ROWS, {"table": table})
        except StorageError as error:
            if error.code not in _DENIED:
                raise
            needed = _NEEDED.search(str(error))
            whole = f"{connection.database}.* TO {connection.username}"
            fix = f"as administrator: GRANT SELECT, INSERT ON {whole}"
            problem = f"lacks {needed.group(1)}" if needed else "may not"
            missing.append((f"account {connection.username} {problem} (table {table})", fix))
    return missing


def reader_problems(connection: Connection) -> list[tuple[str, str]]:
    """(problem, fix) of the account that reads for people: it must read the views and not write."""
    problems = []
    for view in READ_VIEWS:
        try:
            connection.query(_NO_READ, {"table": view})
        except StorageError as error:
            if error.code not in _DENIED:
                raise
            whole = f"{connection.database}.* TO {connection.username}"
            fix = f"as administrator: GRANT SELECT, SHOW TABLES, SHOW COLUMNS ON {whole}"
            problems.append((f"account {connection.username} may not read {view}", fix))
    try:
        connection.command(_NO_ROWS, {"table": WRITTEN_TABLES[0]})
    except StorageError as error:
        if error.code not in _DENIED:
            raise
        return problems
    fix = (
        "give clickhouse.reader_username an account with readonly = 2 and SELECT alone "
        "(docs/security.md)"
    )
    return [*problems, (f"account {connection.username} may write, and reads for people", fix)]

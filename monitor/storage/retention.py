"""Retention: how long rows stay, as the tables' own TTL.

In: days per table. Out: tables whose TTL says so, or what differs. Never: a TTL on cards or
profiles, without which nothing could be verified, nor one on a time that a producer controls.

Rows go by the broker's append time; a summary, a finding or an alert, which is of many records, by
the time at which it was stored. ClickHouse drops them when it merges, within hours (set
`merge_with_ttl_timeout` of a table for sooner).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from monitor.storage.connection import Connection

TIME_COLUMNS: Final[Mapping[str, str]] = {
    "predictions": "appended_at",
    "labels": "appended_at",
    "rejections": "appended_at",
    "pane_summaries": "stored_at",
    "findings": "stored_at",
    "alerts": "stored_at",
}
"""Table to the time that its rows age by."""

_SET: Final = """
ALTER TABLE {table:Identifier}
MODIFY TTL toDateTime({column:Identifier}) + toIntervalDay({days:UInt32})
"""
_REMOVE: Final = "ALTER TABLE {table:Identifier} REMOVE TTL"
_TABLES: Final = """
SELECT name, engine_full FROM system.tables
WHERE database = {database:String} AND name IN {tables:Array(String)}
ORDER BY name
"""
_TTL: Final = re.compile(r" TTL (.+?)(?: SETTINGS |$)")
_DAYS: Final = re.compile(r"toDateTime\((\w+)\) \+ toIntervalDay\((?:_CAST\()?(\d+).*")


def apply_retention(connection: Connection, days: Mapping[str, int | None]) -> list[str]:
    """Give every table its TTL, and say what was changed; a table that is right stays untouched.

    ClickHouse then looks through the rows that are there: a large table is busy for a while.
    """
    changed = []
    for table, wanted, _ in _differences(connection, days):
        if wanted is None:
            connection.command(_REMOVE, {"table": table})
        else:
            column = TIME_COLUMNS[table]
            connection.command(_SET, {"table": table, "column": column, "days": wanted})
        changed.append(f"{table}: {_words(wanted)}")
    return changed


def retention_problems(connection: Connection, days: Mapping[str, int | None]) -> list[str]:
    """Tables that do not keep rows as long as the settings say."""
    return [
        f"{table} keeps rows {found}, retention.{table}_days says {_words(wanted)}"
        for table, wanted, found in _differences(connection, days)
    ]


def _differences(
    connection: Connection, days: Mapping[str, int | None]
) -> Iterator[tuple[str, int | None, str]]:
    """(table, wanted days, what is there in words) of each table whose TTL is another."""
    parameters = {"database": connection.database, "tables": list(TIME_COLUMNS)}
    for row in connection.query(_TABLES, parameters):
        table, wanted = row["name"], days.get(row["name"])
        ttl = _TTL.search(row["engine_full"])
        found = _DAYS.fullmatch(ttl.group(1)) if ttl else None
        if ttl is None:
            if wanted is not None:
                yield table, wanted, _words(None)
        elif found is None:
            yield table, wanted, f"by another rule ({ttl.group(1)})"
        elif (found.group(1), int(found.group(2))) != (TIME_COLUMNS[table], wanted):
            yield table, wanted, _words(int(found.group(2)))


def _words(days: int | None) -> str:
    return "for ever" if days is None else f"for {days} days"

"""The tables: numbered migrations, applied once each, and the check that they are there.

In: `migrations/NNNN_name.sql`, statements with a `;` at the end of a line between them. Out: the
tables, and what is wrong with them. Never: a changed file after it was applied.

Every statement is safe to repeat (IF NOT EXISTS, OR REPLACE): two processes may migrate at once,
and one that died between a statement and its record is simply run again.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

import pyarrow as pa

from monitor.errors import StorageError
from monitor.storage.connection import Connection

_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z_]+\.sql")
_END: Final = re.compile(r";\s*$", re.MULTILINE)
_CREATED: Final = re.compile(r"^CREATE (?:TABLE|VIEW) IF NOT EXISTS (\w+)", re.MULTILINE)
_UNKNOWN_DATABASE: Final = 81
_UNKNOWN_TABLE: Final = 60


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of statements."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        """Its statements in order.

        >>> between = ";" + chr(10)
        >>> Migration(1, "0001_a.sql", f"CREATE TABLE a{between}CREATE TABLE b").statements
        ('CREATE TABLE a', 'CREATE TABLE b')
        """
        parts = (part.strip() for part in _END.split(self.sql))
        return tuple(part for part in parts if part)

    @property
    def creates(self) -> tuple[str, ...]:
        """The tables and views that it creates.

        >>> load_migrations()[1].creates
        ('predictions',)
        """
        return tuple(_CREATED.findall(self.sql))


def load_migrations() -> tuple[Migration, ...]:
    """The migrations of this release, by number.

    >>> [migration.name for migration in load_migrations()][:2]
    ['0001_migrations.sql', '0002_predictions.sql']
    """
    found = []
    for file in resources.files("monitor.storage").joinpath("migrations").iterdir():
        named = _FILE_NAME.fullmatch(file.name)
        if named:
            sql = file.read_text(encoding="utf-8")
            found.append(Migration(int(named.group(1)), file.name, sql))
    return tuple(sorted(found, key=lambda migration: migration.number))


def migrate(connection: Connection, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Bring the database up to this release; gives the names of what was applied now."""
    wanted = load_migrations() if migrations is None else migrations
    connection.create_database()
    connection.command(wanted[0].sql)
    applied = _applied(connection)
    _refuse_changed(wanted, applied)
    new = [migration for migration in wanted if migration.number not in applied]
    for migration in new:
        for statement in migration.statements:
            connection.command(statement)
        connection.insert("migrations", _record(migration))
    return [migration.name for migration in new]


def schema_problems(connection: Connection) -> list[str]:
    """What stands between the database and this release, each with its fix; empty when nothing."""
    fix = "start a worker with an account that may create tables, it applies the migrations"
    wanted = load_migrations()
    try:
        applied = _applied(connection)
    except StorageError as error:
        if error.code not in (_UNKNOWN_DATABASE, _UNKNOWN_TABLE):
            raise
        return [f"database {connection.database} has no tables of Plumbline: {fix}"]
    problems = []
    for migration in wanted:
        if migration.number not in applied:
            problems.append(f"migration {migration.name} is not applied: {fix}")
        elif applied[migration.number][1] != migration.checksum:
            problems.append(_changed(migration))
    problems += [
        f"migration {name} is of a newer release: upgrade this one"
        for number, (name, _) in applied.items()
        if number not in {migration.number for migration in wanted}
    ]
    rows = connection.query(
        "SELECT name FROM system.tables WHERE database = {database:String}",
        {"database": connection.database},
    )
    present = {row["name"] for row in rows}
    for migration in wanted:
        problems += [
            f"table {connection.database}.{table} was dropped after {migration.name}: "
            "restore it from a backup, or drop the database to begin anew"
            for table in migration.creates
            if migration.number in applied and table not in present
        ]
    return problems


def _applied(connection: Connection) -> dict[int, tuple[str, str]]:
    rows = connection.query(
        "SELECT number, name, checksum FROM migrations FINAL ORDER BY number, applied_at"
    )
    return {row["number"]: (row["name"], row["checksum"]) for row in rows}


def _refuse_changed(wanted: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> None:
    for migration in wanted:
        if migration.number in applied and applied[migration.number][1] != migration.checksum:
            raise StorageError(_changed(migration), retryable=False)


def _changed(migration: Migration) -> str:
    return (
        f"migration {migration.name} was changed after it was applied: put the file back as it "
        "was and add a new migration with the next number"
    )


def _record(migration: Migration) -> pa.Table:
    return pa.table(
        {
            "number": pa.array([migration.number], pa.uint32()),
            "name": [migration.name],
            "checksum": [migration.checksum],
        }
    )

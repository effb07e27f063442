"""Migrations, and the agreement of tables, builders, keys and documentation."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts import AlertState
from monitor.config import ClickHouseSettings
from monitor.errors import StorageError
from monitor.storage import ClickHouseStore, Connection, migrate, schema_problems
from monitor.storage.baseline_rows import baseline_rows
from monitor.storage.memory import KEYS
from monitor.storage.schema import Migration, load_migrations
from monitor.storage.tables import (
    MONTHLY_TABLES,
    alert_rows,
    audit_rows,
    batch_tables,
    boundary_rows,
    card_rows,
    command_rows,
    profile_rows,
)
from tests.storage.samples import APPENDED_US, boundary, card, move, ruling, turn, whole_batch

DOCUMENT = Path(__file__).parents[2] / "docs" / "storage.md"
ALL_NAMES = [migration.name for migration in load_migrations()]


def test_numbers_rise_from_one() -> None:
    numbers = [migration.number for migration in load_migrations()]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("migration", load_migrations(), ids=lambda migration: migration.name)
def test_every_statement_of_a_migration_may_be_repeated(migration: Migration) -> None:
    for statement in migration.statements:
        assert re.match(
            r"CREATE OR REPLACE VIEW |(CREATE|ALTER) .*IF NOT EXISTS", statement, re.DOTALL
        ), statement
        assert not statement.endswith(";")


def test_no_table_is_partitioned_by_a_time_that_a_producer_controls() -> None:
    partitioned = {
        Migration(0, "", statement).creates[0]: match.group(1)
        for migration in load_migrations()
        for statement in migration.statements
        if (match := re.search(r"PARTITION BY (.*)", statement))
    }
    assert partitioned == dict.fromkeys(MONTHLY_TABLES, "toYYYYMM(appended_at)")


@pytest.mark.integration
def test_a_fresh_database_gets_everything_once(settings: ClickHouseSettings) -> None:
    with ClickHouseStore(settings) as store:
        [problem] = schema_problems(store.connection)
        assert problem.startswith(f"database {settings.database} has no tables of Plumbline: ")
        assert store.migrate() == ALL_NAMES
        assert store.migrate() == []
        assert schema_problems(store.connection) == []


@pytest.mark.integration
def test_four_at_once_do_no_harm(settings: ClickHouseSettings) -> None:
    connections = [Connection(settings) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        applied = [name for names in pool.map(migrate, connections) for name in names]
    assert set(applied) == set(ALL_NAMES)
    assert schema_problems(connections[0]) == []
    rows = connections[0].query("SELECT name FROM migrations FINAL ORDER BY number")
    assert [row["name"] for row in rows] == ALL_NAMES
    for connection in connections:
        connection.close()


@pytest.mark.integration
def test_one_that_died_before_its_record_is_run_again(clickhouse: ClickHouseStore) -> None:
    connection = clickhouse.connection
    connection.command("TRUNCATE TABLE migrations")
    assert clickhouse.migrate() == ALL_NAMES
    assert schema_problems(connection) == []


@pytest.mark.integration
def test_a_file_changed_after_it_was_applied_is_refused(clickhouse: ClickHouseStore) -> None:
    changed = list(load_migrations())
    changed[2] = replace(changed[2], sql=changed[2].sql + " ")
    with pytest.raises(StorageError, match=r"0003_labels\.sql was changed after it was applied"):
        migrate(clickhouse.connection, changed)


@pytest.mark.integration
def test_what_is_wrong_with_the_tables_is_said(clickhouse: ClickHouseStore) -> None:
    connection = clickhouse.connection
    connection.command("DROP TABLE labels")
    newer = replace(load_migrations()[-1], number=99, name="0099_later.sql")
    migrate(connection, [*load_migrations(), newer])
    [newer_problem, dropped_problem] = schema_problems(connection)
    assert "0099_later.sql is of a newer release" in newer_problem
    assert f"{connection.database}.labels was dropped" in dropped_problem


@pytest.mark.integration
def test_builders_name_columns_of_the_tables(clickhouse: ClickHouseStore) -> None:
    tables: dict[str, Any] = dict(batch_tables(whole_batch()))
    tables["alerts"] = alert_rows([move(1, AlertState.FIRING, None)])
    tables["cards"] = card_rows(card(), appended_us=APPENDED_US)
    tables["profiles"] = profile_rows("sha256:0", b"")
    tables["audits"] = audit_rows("sha256:0", "sha256:1", "{}")
    tables["boundaries"] = boundary_rows([boundary()])
    tables["commands"] = command_rows([ruling()])
    tables["baselines"] = baseline_rows([turn()])
    optional = {
        "predictions": {
            "request_id",
            "entity_id",
            "trace_id",
            "latency_ms",
            "scores",
            "segments",
            "feature_times",
            "attributions",
        },
        "labels": {"offline_numbers", "offline_strings"},
    }
    for table, rows in tables.items():
        present = set(_columns(clickhouse, table)) - {"stored_at"}
        assert set(rows.schema.names) == present - optional.get(table, set()), table


@pytest.mark.integration
def test_the_memory_store_knows_the_keys_of_the_tables(clickhouse: ClickHouseStore) -> None:
    rows = clickhouse.connection.query(
        "SELECT name, sorting_key FROM system.tables WHERE database = {database:String}",
        {"database": clickhouse.connection.database},
    )
    keys = {row["name"]: tuple(row["sorting_key"].split(", ")) for row in rows}
    assert {table: keys[table] for table in KEYS} == KEYS


@pytest.mark.integration
def test_every_column_is_documented(clickhouse: ClickHouseStore) -> None:
    expected = "\n\n".join(_section(clickhouse, table) for table in _documented_tables(clickhouse))
    written = DOCUMENT.read_text(encoding="utf-8").partition("## Tables\n\n")[2].strip()
    assert written == expected, f"docs/storage.md, below '## Tables', must be:\n\n{expected}"


def _documented_tables(clickhouse: ClickHouseStore) -> list[str]:
    return [
        name
        for migration in load_migrations()
        for statement in migration.statements
        if statement.startswith("CREATE TABLE")
        for name in Migration(0, "", statement).creates
    ]


def _columns(clickhouse: ClickHouseStore, table: str) -> dict[str, tuple[str, str]]:
    rows = clickhouse.connection.query(
        "SELECT name, type, comment FROM system.columns "
        "WHERE database = {database:String} AND table = {table:String} ORDER BY position",
        {"database": clickhouse.connection.database, "table": table},
    )
    return {row["name"]: (row["type"], row["comment"]) for row in rows}


def _section(clickhouse: ClickHouseStore, table: str) -> str:
    [about] = clickhouse.connection.query(
        "SELECT comment, sorting_key, partition_key FROM system.tables "
        "WHERE database = {database:String} AND name = {table:String}",
        {"database": clickhouse.connection.database, "table": table},
    )
    partitioned = f" Partitioned by `{about['partition_key']}`." if about["partition_key"] else ""
    lines = [
        f"### {table}",
        "",
        f"{about['comment']}. Key: `{about['sorting_key']}`.{partitioned}",
        "",
        "| column | type | meaning |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{name}` | `{kind}` | {comment} |"
        for name, (kind, comment) in _columns(clickhouse, table).items()
    ]
    return "\n".join(lines)

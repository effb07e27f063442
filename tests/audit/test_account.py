"""The reader's account, with its real grants: it reads what audits ask, and changes nothing."""

from contextlib import closing
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from devstack import StackInfo
from monitor.cli import main
from monitor.errors import StorageError
from monitor.storage.access import reader_problems
from monitor.storage.connection import Connection
from tests.audit.conftest import Audited

pytestmark = pytest.mark.integration

CHANGES = (
    "INSERT INTO erasures (account) VALUES ('x')",
    "ALTER TABLE predictions DELETE WHERE 1",
    "TRUNCATE TABLE labels",
    "DROP VIEW audit_outcomes",
    "CREATE VIEW mine AS SELECT 1",
    "OPTIMIZE TABLE predictions FINAL",
)


def test_nothing_stands_between_the_reader_and_audits(audited: Audited) -> None:
    with closing(Connection(audited.settings, reader=True)) as connection:
        assert reader_problems(connection) == []


@pytest.mark.parametrize("change", CHANGES)
def test_the_reader_changes_nothing(audited: Audited, change: str) -> None:
    with (
        closing(Connection(audited.settings, reader=True)) as connection,
        pytest.raises(StorageError) as caught,
    ):
        connection.command(change)
    assert caught.value.code in (164, 497)


def test_an_account_that_may_write_is_no_readers(audited: Audited) -> None:
    with closing(Connection(audited.settings)) as connection:
        [(problem, fix)] = reader_problems(connection)
    assert problem == f"account {audited.settings.username} may write, and reads for people"
    assert fix.startswith("give clickhouse.reader_username an account with readonly = 2")


def test_the_doctor_tells_a_reader_that_may_write(
    audited: Audited, stack: StackInfo, tmp_path: Path
) -> None:
    own = audited.settings
    password = own.password.get_secret_value()
    account = {"username": own.username, "password": password}
    reading = {"reader_username": own.username, "reader_password": password}
    house = {"host": own.host, "port": own.port, "database": own.database, **account, **reading}
    file = tmp_path / "plumbline.yaml"
    document = {"kafka": {"bootstrap_servers": stack.kafka_bootstrap}, "clickhouse": house}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    told = CliRunner().invoke(main, ["--config", str(file), "doctor"])
    assert f"account {own.username} may write, and reads for people" in told.output

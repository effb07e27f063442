"""The reader's account, with its real grants: it reads what audits ask, and changes nothing."""

from contextlib import closing

import pytest

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

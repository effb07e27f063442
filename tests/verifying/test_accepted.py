"""Alerts that were found against a distribution that somebody accepted are verified against it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from devstack import StackInfo
from monitor.backtest.wiring import TOPICS
from monitor.config import ClickHouseSettings
from monitor.storage.clickhouse import ClickHouseStore
from monitor.storage.evidence import Evidence
from monitor.verifying.standing import Verdict
from monitor.verifying.verify import Stored, verify
from tests.verifying.stream import stored_with_acceptance

pytestmark = pytest.mark.integration


@pytest.fixture
def store(stack: StackInfo) -> Iterator[ClickHouseStore]:
    settings = ClickHouseSettings(
        host=stack.clickhouse_host,
        port=stack.clickhouse_port,
        username=stack.writer_user,
        password=SecretStr(stack.writer_password),
        database=f"accepted_{uuid4().hex[:12]}",
    )
    with ClickHouseStore(settings) as store:
        store.migrate()
        yield store
        store.connection.command("DROP DATABASE {name:Identifier}", {"name": settings.database})


def test_what_was_accepted_is_obeyed(store: ClickHouseStore) -> None:
    stored_with_acceptance(store)
    connection, sources = store.connection, Stored(Evidence(store.connection), store, TOPICS)
    turns = connection.query("SELECT turn, offset, n_rows FROM baselines FINAL ORDER BY offset")
    assert [(row["turn"], row["offset"]) for row in turns] == [("acts", 1_109), ("ended", 4_050)]
    moves = connection.query(
        "SELECT event_id, n_ref, last_offset FROM alerts FINAL WHERE feature = 'amount' AND "
        "state = 'firing' AND alertname = 'FeatureDrift' ORDER BY last_offset"
    )
    against = {row["n_ref"] for row in moves if 1_800 <= row["last_offset"] < 4_000}
    assert against == {turns[0]["n_rows"]}, "the way back is a shift away from what was accepted"
    assert moves[-1]["last_offset"] > 4_050
    found = verify(sources)
    assert {one.verdict for one in found} == {Verdict.VERIFIED}, found
    for move in moves:
        [one] = verify(sources, id=move["event_id"])
        assert one.verdict is Verdict.VERIFIED, one
    connection.command("TRUNCATE TABLE baselines")
    assert Verdict.DIFFERS in {one.verdict for one in verify(sources)}

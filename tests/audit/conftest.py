"""The week of flights through the real pipeline into the real engine, once for all tests."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from devstack import StackInfo
from monitor.broker import Membership
from monitor.clock import ManualClock
from monitor.config import ClickHouseSettings, LimitSettings
from monitor.judging.judge import Judge
from monitor.pipeline import Pipeline
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.memory import MemoryPublisher
from monitor.roster import Roster
from monitor.storage import ClickHouseStore
from monitor.storage.queries import FIRING_ALERTS, ask
from monitor.storage.reader import Reader
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from schemas import ModelCard
from tests.audit.flights import APPENDED_MS, MODEL, Log, cards, make_log
from tests.pipeline.harness import PREDICTIONS, TOPICS, LogRecord

BATCH = 1_500
MEMBER = Membership("plumbline", 1, "me", None)


@dataclass(frozen=True, slots=True)
class Audited:
    """What was sent, and where it is stored."""

    log: Log
    settings: ClickHouseSettings
    cards: tuple[ModelCard, ...]
    published: list[dict[str, Any]]
    """Data of the alert events, in order."""
    acknowledged: str
    """Fingerprint of the alert that ann acknowledged."""


@pytest.fixture(scope="session")
def audited(stack: StackInfo) -> Iterator[Audited]:
    """The filled database `plumbline`: the one that the reader's account may read."""
    settings = ClickHouseSettings(
        host=stack.clickhouse_host,
        port=stack.clickhouse_port,
        username=stack.writer_user,
        password=SecretStr(stack.writer_password),
        reader_username=stack.reader_user,
        reader_password=SecretStr(stack.reader_password),
        database="plumbline",
    )
    log = make_log()
    with ClickHouseStore(settings) as store:
        store.migrate()
        yield _filled(store, settings, log)
        store.connection.command("DROP DATABASE plumbline")


@pytest.fixture
def reader(audited: Audited) -> Iterator[Reader]:
    """The reader's own account."""
    with Reader(audited.settings) as opened:
        yield opened


def _filled(store: ClickHouseStore, settings: ClickHouseSettings, log: Log) -> Audited:
    bare = cards()
    dataset = frame_dataset(log.reference, bare[0], source="February")
    profile = build_profile(dataset, bare[0])[0]
    store.save_profile(profile.hash, profile.to_bytes())
    named = {"dataset_fingerprint": dataset.fingerprint(), "profile_hash": profile.hash}
    clock, publisher = ManualClock(), MemoryPublisher()
    telemetry = Telemetry(clock)
    pipeline = Pipeline(
        validator=Validator(LimitSettings(), PREDICTIONS, TOPICS.labels),
        roster=Roster(store.load_profile, 10_000),
        judge=Judge(),
        store=store,
        publisher=publisher,
        topics=TOPICS,
        clock=clock,
        telemetry=telemetry,
        unregistered_limit=1_000,
    )
    registered = tuple(card.model_copy(update=named) for card in bare)
    for place, whole in enumerate(registered):
        store.save_card(whole, appended_us=1_000 * APPENDED_MS - 1_000_000 + place)
        pipeline.on_card(whole)
    positions: dict[tuple[str, int], int] = {}

    def take(records: list[LogRecord]) -> None:
        pipeline.on_batch(records)
        for record in records:
            positions[record.topic, record.partition] = record.offset + 1
        pipeline.commit(positions, MEMBER)

    fingerprint = ""
    for start in range(0, len(log.predictions), BATCH):
        take(log.predictions[start : start + BATCH])
        firing = ask(store.connection, FIRING_ALERTS)
        if firing and not fingerprint:
            fingerprint = str(firing[0]["fingerprint"])
            order = _acknowledgement(fingerprint)
            pipeline.on_commands([order])
            positions[order.topic, 0] = 1
            pipeline.commit(positions, MEMBER)
    take(log.labels)
    published = [
        orjson.loads(record.value)["data"]
        for record in publisher.records
        if record.topic == TOPICS.alerts and record.value
    ]
    return Audited(log, settings, registered, published, fingerprint)


def _acknowledgement(fingerprint: str) -> LogRecord:
    order = {
        "command_id": "order-1",
        "model": MODEL,
        "action": "acknowledge",
        "fingerprint": fingerprint,
        "who": "ann",
        "why": "a new fleet",
        "issued_at": "2013-03-04T00:00:00Z",
    }
    return LogRecord(
        offset=0,
        key=MODEL.encode(),
        value=orjson.dumps(order),
        topic=TOPICS.commands,
        timestamp=APPENDED_MS + 60_000,
    )

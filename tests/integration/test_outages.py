"""What is away comes back: the worker waits, keeps its place, says why, and goes on by itself."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from devstack import StackInfo, down, processes, up
from devstack.stack import _running, status
from monitor.broker import client_options
from monitor.clock import SystemClock
from monitor.errors import ConfigError
from monitor.intake.follower import TopicFollower
from monitor.intake.topics import ensure_topics
from monitor.storage import connection as house
from monitor.worker import Worker
from tests.integration.conftest import MODEL, order_events, order_rows
from tests.integration.logs import Log, Run

pytestmark = pytest.mark.integration

BATCH = 300
WAIT_S = 120.0
"""What is waited for comes within seconds; a slow machine may take its time."""


class Own:
    """A stack of this module's own, whose parts may be stopped."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.info: StackInfo = up(directory)

    def pid(self, part: str) -> int:
        now = status(self.directory)
        pid = now.kafka_pid if part == "kafka" else now.clickhouse_pid
        assert pid is not None
        return pid

    def kill(self, part: str) -> None:
        process = _running(self.directory)[part]
        os.kill(process.pid, signal.SIGKILL)
        wait(lambda: not processes.runs(process), "its end")

    def back(self) -> None:
        up(self.directory)


class Watched:
    """A worker in a thread of this process, and the events that it is given."""

    def __init__(self, log: Log, one: Run) -> None:
        self.log = log
        self.run = one
        self.worker = Worker(one.settings, SystemClock())
        self.error: BaseException | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.sent = sum(log.ends().values())

    def start(self) -> "Watched":
        self._thread.start()
        return self

    def send(self) -> None:
        frame = order_rows(BATCH, seed=1_000 + self.sent)
        self.log.send(order_events(frame))
        self.sent += BATCH

    def stores_everything(self, timeout_s: float = WAIT_S) -> None:
        wait(lambda: self.run.stored() == self.sent, "all events", timeout_s)
        wait(lambda: self.worker.health.ready, "readiness")

    def says(self, words: str) -> None:
        wait(lambda: words in self.worker.health.problem, f"{words!r}")
        assert not self.worker.health.ready
        assert self.worker.health.alive

    @property
    def rebalances(self) -> float:
        return self.worker.telemetry.value("plumbline_rebalances_total")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=WAIT_S)
        assert not self._thread.is_alive()

    def _work(self) -> None:
        try:
            self.worker.run(self._stop.is_set)
        except BaseException as error:  # noqa: BLE001  # told to the test
            self.error = error


def wait(done: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    directory = tmp_path_factory.mktemp("own-stack")
    yield Own(directory)
    down(directory)


@pytest.fixture(scope="module")
def log(own: Own, tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(own.info, tmp_path_factory.mktemp("outages"), [MODEL])


@pytest.fixture
def watched(log: Log) -> Iterator[Watched]:
    """A worker at work."""
    one = Watched(log, log.new_run()).start()
    try:
        one.send()
        one.stores_everything()
        yield one
    finally:
        one.stop()
        one.run.end()


def test_clickhouse_killed(watched: Watched, own: Own) -> None:
    own.kill("clickhouse")
    try:
        watched.send()
        watched.says("could not")
    finally:
        own.back()
    watched.stores_everything()
    assert watched.rebalances == 1
    assert watched.worker.telemetry.value("plumbline_errors_total", kind="StorageError") >= 1


def test_clickhouse_too_slow(watched: Watched, own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "ANSWER_TIMEOUT_S", 1)
    watched.worker._store.close()  # the next connection takes the shorter time
    watched.send()
    watched.stores_everything()
    os.kill(own.pid("clickhouse"), signal.SIGSTOP)
    try:
        watched.send()
        watched.says("could not insert into predictions")
    finally:
        os.kill(own.pid("clickhouse"), signal.SIGCONT)
    watched.stores_everything()
    assert watched.rebalances == 1


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("table_readonly", "1", "READ_ONLY"),
        ("min_free_disk_bytes_to_perform_insert", "1000000000000000", "NOT_ENOUGH_SPACE"),
    ],
    ids=["read-only", "full"],
)
def test_clickhouse_takes_no_rows(watched: Watched, setting: str, value: str, words: str) -> None:
    command = watched.run.store.connection.command
    command(f"ALTER TABLE predictions MODIFY SETTING {setting} = {value}")
    watched.send()
    watched.says(words)
    command(f"ALTER TABLE predictions RESET SETTING {setting}")
    watched.stores_everything()
    assert watched.rebalances == 1


def test_a_table_that_somebody_dropped(watched: Watched) -> None:
    """Nobody but a person can mend it: said, waited for, no crash loop, nothing lost."""
    command = watched.run.store.connection.command
    command("RENAME TABLE predictions TO predictions_away")
    watched.send()
    watched.says("UNKNOWN_TABLE")
    assert watched.error is None
    command("RENAME TABLE predictions_away TO predictions")
    watched.stores_everything()


def test_a_row_that_clickhouse_refuses_blocks_nothing(watched: Watched) -> None:
    command = watched.run.store.connection.command
    command("ALTER TABLE predictions ADD CONSTRAINT odd CHECK NOT endsWith(event_id, '-7')")
    before = watched.run.stored()
    watched.send()
    wait(lambda: watched.run.stored() == before + BATCH - 1, "all but one")
    command("ALTER TABLE predictions DROP CONSTRAINT odd")
    topic = watched.run.settings.kafka.topics.rejections
    follower = TopicFollower(watched.run.settings.kafka, topic)
    wait(lambda: watched.worker.health.ready and not watched.worker.pipeline.commit_pending, "it")
    [rejected] = list(follower.read_all())
    follower.close()
    assert b'"refused_by_store"' in (rejected.value or b"")
    assert b"VIOLATED_CONSTRAINT" in (rejected.value or b"")
    [row] = watched.run.store.connection.query("SELECT reasons FROM rejections FINAL")
    assert row["reasons"] == ["refused_by_store"]
    watched.sent -= 1


def test_the_broker_killed(watched: Watched, own: Own) -> None:
    own.kill("kafka")
    try:
        watched.says("127.0.0.1")
    finally:
        own.back()
    watched.send()
    watched.stores_everything()


def test_a_coordinator_that_does_not_answer(watched: Watched, own: Own) -> None:
    os.kill(own.pid("kafka"), signal.SIGSTOP)
    time.sleep(6)
    os.kill(own.pid("kafka"), signal.SIGCONT)
    watched.send()
    watched.stores_everything()


def test_topics_that_are_missing_are_waited_for(log: Log, own: Own, tmp_path: Path) -> None:
    one = log.new_run()
    topics = one.settings.kafka.topics.model_copy(
        update={"state": f"{one.settings.kafka.group_id}.later"}
    )
    kafka = one.settings.kafka.model_copy(update={"topics": topics})
    one.settings = one.settings.model_copy(update={"kafka": kafka})
    watched = Watched(log, one).start()
    watched.says(f"no topic {topics.state}: run `plumbline doctor --fix`")
    assert ensure_topics(one.settings) == [topics.state]
    watched.send()
    watched.stores_everything()
    watched.stop()
    one.end()


def test_other_partition_counts_are_refused_with_the_fix(own: Own, tmp_path: Path) -> None:
    log = Log(own.info, tmp_path, [MODEL])
    watched = Watched(log, log.new_run())
    watched.worker._source._metadata_age_ms = 1_000
    watched.start().send()
    watched.stores_everything()
    admin = KafkaAdminClient(**client_options(log.settings.kafka))
    admin.create_partitions({log.topics["predictions"]: 4})
    admin.close()
    try:
        wait(lambda: watched.error is not None, "the refusal")
    finally:
        watched.stop()
    assert isinstance(watched.error, ConfigError)
    assert "has 4 partitions, kafka.partitions is 2" in str(watched.error)
    again = Watched(log, watched.run).start()
    try:
        wait(lambda: again.error is not None, "the refusal at the start")
    finally:
        again.stop()
    assert isinstance(again.error, ConfigError)
    assert "set kafka.partitions to 4 if predictions, labels" in str(again.error)
    watched.run.end()


@pytest.mark.parametrize("hang", [False, True], ids=["under load", "clickhouse hangs"])
def test_sigterm_drains_within_ten_seconds(log: Log, own: Own, hang: bool) -> None:
    one = log.new_run()
    process = one.start()
    watched = Watched(log, one)  # never started: it only sends and counts
    watched.send()
    wait(lambda: one.stored() > 0, "the first events")
    try:
        if hang:
            os.kill(own.pid("clickhouse"), signal.SIGSTOP)
        watched.send()
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)
        assert time.monotonic() - began < 20  # ten seconds, and what a slow machine needs to end
    finally:
        os.kill(own.pid("clickhouse"), signal.SIGCONT)
    assert code == (75 if hang else 0), one.said()
    one.finish()
    assert one.stored() == watched.sent
    one.end()

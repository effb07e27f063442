"""Workers killed in every gap of a commit publish exactly what undisturbed ones would."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devstack import StackInfo
from monitor.config import Settings
from monitor.intake.follower import TopicFollower
from monitor.intake.topics import ensure_topics
from tests.intake.brokers import fresh_settings, produce, read
from tests.publishing.relay import ALERT_EVERY, GAPS, START, step

pytestmark = pytest.mark.integration

PARTITIONS = 4
PER_PARTITION = 3_000
SEED = 20_130_301
KILLS = 8


def expected() -> dict[int, list[bytes]]:
    """The alerts of every partition, computed from the input alone."""
    alerts: dict[int, list[bytes]] = {}
    for partition in range(PARTITIONS):
        digest = START
        for n in range(1, PER_PARTITION + 1):
            digest = step(digest, b"%d:%d" % (partition, n))
            if n % ALERT_EVERY == 0:
                alerts.setdefault(partition, []).append(digest.encode())
    return alerts


class Worker:
    """A relay in a slot, started again whenever it was killed."""

    def __init__(self, settings: Settings, slot: str, kills: list[tuple[int, str]], log: Path):
        self.settings, self.slot, self.kills, self.log = settings, slot, kills, log
        self.killed: list[str] = []
        self.gap = ""
        self.start()

    def start(self) -> None:
        kafka = self.settings.kafka
        command = [sys.executable, "-m", "tests.publishing.relay", kafka.bootstrap_servers]
        command += [kafka.group_id, str(PARTITIONS), self.slot]
        if self.kills:
            commit, self.gap = self.kills.pop(0)
            command += [str(commit), self.gap]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)

    def look(self) -> None:
        code = self.process.poll()
        if code is None:
            return
        assert code == -signal.SIGKILL, f"{self.slot} ended with {code}:\n{self.log.read_text()}"
        self.killed.append(self.gap)
        self.start()

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def test_killed_workers_publish_exactly_the_alerts_of_undisturbed_ones(
    stack: StackInfo, tmp_path: Path
) -> None:
    settings = fresh_settings(stack.kafka_bootstrap, partitions=PARTITIONS)
    ensure_topics(settings)
    rows = [
        (partition, b"model", b"%d:%d" % (partition, n))
        for n in range(1, PER_PARTITION + 1)
        for partition in range(PARTITIONS)
    ]
    produce(settings, settings.kafka.topics.predictions, rows)
    draw = random.Random(SEED)
    gaps = [*GAPS, *draw.choices(list(GAPS), k=KILLS - len(GAPS))]
    draw.shuffle(gaps)
    kills = [(draw.randint(1, 8), gap) for gap in gaps]
    workers = [
        Worker(settings, f"worker-{n}", kills[n::2], tmp_path / f"worker-{n}.log") for n in (0, 1)
    ]
    wanted = sum(len(alerts) for alerts in expected().values())
    follower = TopicFollower(settings.kafka, settings.kafka.topics.alerts)
    seen = 0
    try:
        deadline = time.monotonic() + 240
        while seen < wanted:
            seen += len(follower.poll(200))
            assert time.monotonic() < deadline, "\n".join(w.log.read_text() for w in workers)
            for worker in workers:
                worker.look()
    finally:
        follower.close()
        for worker in workers:
            worker.end()
    killed = [gap for worker in workers for gap in worker.killed]
    assert len(killed) >= 5, "the input ended before the workers were killed"
    found: dict[int, list[bytes]] = {}
    for record in read(settings, settings.kafka.topics.alerts):
        assert record.key is not None
        assert record.value is not None
        found.setdefault(int(record.key), []).append(record.value)
    assert found == expected()

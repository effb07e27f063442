"""A broker that goes away under a logger and comes back: nothing lost, nothing twice."""

import time
from pathlib import Path

import pytest

from devstack import processes
from devstack.kafka import broker
from devstack.ports import free_ports
from producers.logger import PredictionLogger
from tests.producers.conftest import new_topics


class OwnBroker:
    """A broker that this test may stop; the shared one never is."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port, controller = free_ports(2)
        broker.prepare(directory / "config", directory / "data", self.port, controller)

    def start(self) -> None:
        command = broker.command(self._directory / "config")
        log = self._directory / "log"
        self._process = processes.start(command, log=log, directory=self._directory)
        deadline = time.monotonic() + 90
        while not broker.answers(self.port):
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")[-2_000:]
            time.sleep(0.1)

    def stop(self) -> None:
        processes.end(self._process)


@pytest.mark.integration
def test_a_logger_outlives_its_broker(tmp_path: Path) -> None:
    own = OwnBroker(tmp_path)
    own.start()
    try:
        topics = new_topics(f"127.0.0.1:{own.port}")
        logger = PredictionLogger(
            topics.bootstrap,
            model="credit",
            model_version="3",
            predictions_topic=topics.predictions,
            labels_topic=topics.labels,
        )
        number = 0

        def log(count: int) -> float:
            nonlocal number
            slowest_s = 0.0
            for _ in range(count):
                began_s = time.perf_counter()
                logger.log({"n": number}, True)
                slowest_s = max(slowest_s, time.perf_counter() - began_s)
                number += 1
                time.sleep(0.001)
            return slowest_s

        log(300)
        deadline = time.monotonic() + 90
        while logger.counts().delivered < number:
            assert time.monotonic() < deadline, logger.counts()
            time.sleep(0.01)
        own.stop()
        assert log(2_000) < 3  # no call waited for the broker; the rest is the machine
        assert logger.counts().dropped == {}
        assert logger.counts().pending >= 2_000
        own.start()
        log(100)
        logger.close(timeout_s=120.0)
        assert logger.counts().delivered == number
        assert logger.counts().dropped == {}
        found = [event["features"]["n"] for event in topics.events(topics.predictions)]
        assert found == list(range(number))
    finally:
        own.stop()

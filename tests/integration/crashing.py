"""A worker that ends itself in a named gap of a commit, as SIGKILL would.

It is the production worker; only the store and the producer that it was given are wrapped here.
"""

import os
import signal
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from kafka import KafkaProducer
from kafka.producer.transaction_manager import TransactionManager

from monitor.alerts import AlertMove
from monitor.broker import Membership
from monitor.clock import SystemClock
from monitor.config import load_settings
from monitor.events import RejectedRecord
from monitor.publishing.outgoing import Outgoing
from monitor.storage.refusal import in_log_order
from monitor.storage.store import StoreBatch
from monitor.worker import Worker

GAPS = (
    "before the rows",
    "within the predictions",
    "between two tables",
    "after the rows",
    "transaction begun",
    "offsets sent",
    "first record sent",
    "records sent",
    "commit in doubt",
    "answer lost",
    "published",
    "within the alert rows",
    "after the alert rows",
)
"""In their order within a commit."""


def end() -> NoReturn:
    """At once, as by kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Crash:
    """Ends the process at `gap` of the first commit that publishes an alert.

    Before a commit's second step nobody knows its alerts: there, of the first commit that holds
    an event from offset `armed_from` on.
    """

    def __init__(self, worker: Worker, gap: str, armed_from: int) -> None:
        self._gap = gap
        self._armed_from = armed_from
        self._alerts = worker._settings.kafka.topics.alerts
        self._rows_armed = self._publishing_armed = False
        self._tables = 0
        self._producer: Any = None
        store, publisher = worker._store, worker._publisher
        self._store, self._store_alerts = store.store, store.store_alerts
        self._insert, self._publish = store.connection.insert, publisher.commit
        for owner, name, wrapped in (
            (store, "store", self.store),
            (store, "store_alerts", self.store_alerts),
            (store.connection, "insert", self.insert),
            (publisher, "commit", self.publish),
            (KafkaProducer, "begin_transaction", self._around(KafkaProducer.begin_transaction)),
            (KafkaProducer, "send", self._around(KafkaProducer.send)),
            (KafkaProducer, "flush", self._around(KafkaProducer.flush)),
            (TransactionManager, "begin_commit", self._around(TransactionManager.begin_commit)),
        ):
            setattr(owner, name, wrapped)

    def store(self, batch: StoreBatch) -> Sequence[RejectedRecord]:
        self._rows_armed = any(
            int(columns.offsets[-1]) >= self._armed_from for columns in batch.predictions
        )
        self._tables = 0
        if self._rows_armed and self._gap == "before the rows":
            end()
        refused = self._store(batch)
        if self._rows_armed and self._gap == "after the rows":
            end()
        self._rows_armed = False
        return refused

    def insert(self, table: str, rows: Any) -> None:
        if self._rows_armed and self._gap == "within the predictions" and table == "predictions":
            self._insert(table, in_log_order(rows).slice(0, rows.num_rows // 2))
            end()
        if table == "alerts" and self._publishing_armed and self._gap == "within the alert rows":
            self._insert(table, rows.slice(0, rows.num_rows // 2))
            end()
        self._insert(table, rows)
        self._tables += 1
        if self._rows_armed and self._gap == "between two tables" and self._tables == 1:
            end()

    def publish(
        self, records: Sequence[Outgoing], offsets: dict[Any, int], membership: Membership
    ) -> None:
        self._publishing_armed = any(record.topic == self._alerts for record in records)
        self._publish(records, offsets, membership)
        if self._publishing_armed and self._gap == "published":
            end()

    def store_alerts(self, moves: Sequence[AlertMove]) -> None:
        self._store_alerts(moves)
        if self._publishing_armed and self._gap == "after the alert rows":
            end()

    def _around(self, original: Any) -> Any:
        name, crash = original.__name__, self
        at = {
            ("begin_transaction", "after"): "transaction begun",
            ("send", "before"): "offsets sent",
            ("send", "after"): "first record sent",
            ("flush", "after"): "records sent",
        }

        def wrapped(one: Any, *args: Any, **kwargs: Any) -> Any:
            armed = crash._publishing_armed
            if name == "begin_transaction":
                crash._producer = one
            if armed and at.get((name, "before")) == crash._gap:
                end()
            result = original(one, *args, **kwargs)
            if armed and at.get((name, "after")) == crash._gap:
                end()
            if armed and name == "begin_commit" and crash._gap == "commit in doubt":
                crash._producer._sender.wakeup()
                time.sleep(0.002)  # the request may or may not have left
                end()
            if armed and name == "begin_commit" and crash._gap == "answer lost":
                crash._producer._sender.wakeup()
                assert result.wait(timeout_ms=60_000)
                end()
            return result

        return wrapped


def run(settings_file: Path, gap: str, armed_from: int) -> None:
    """The worker of this process, until it ends itself."""
    worker = Worker(load_settings(settings_file), SystemClock())
    Crash(worker, gap, armed_from)
    deadline_s = time.monotonic() + 150
    worker.run(partial(_past, deadline_s))


def _past(deadline_s: float) -> bool:
    return time.monotonic() > deadline_s

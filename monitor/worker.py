"""The long-running consumer: feeds the pipeline from Kafka and commits what it makes.

In: settings. Out: a loop that ends when told to. Never: an event lost because something was away;
it pauses, keeps its place in the group, and says so.
"""

import gc
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from monitor.broker import Partition
from monitor.clock import Clock
from monitor.config import Settings
from monitor.errors import BrokerError, ConfigError, FencedError, PlumblineError, StorageError
from monitor.events import Record
from monitor.health import Health, HealthServer
from monitor.intake.follower import CardFollower
from monitor.intake.gathering import Gathering
from monitor.intake.kafka import KafkaSource
from monitor.intake.topics import require_topics
from monitor.judging.judge import Judge
from monitor.judging.links import Links
from monitor.pipeline import Pipeline
from monitor.publishing.heartbeat import heartbeat_records
from monitor.publishing.kafka import KafkaPublisher
from monitor.roster import Roster
from monitor.state import saved_state
from monitor.storage.clickhouse import ClickHouseStore
from monitor.telemetry import Telemetry
from monitor.validation.cards import parse_card
from monitor.validation.validator import Validator

POLL_MS = 100
STORING_POLL_MS = 5
"""While rows are being stored, so that what they say is published as soon as they are."""
REPORT_INTERVAL_S = 60.0
"""How often the worker says in its log how it is doing."""
GARBAGE_THRESHOLDS = (200_000, 50, 100)
"""Batches make many objects and no cycles: looking for cycles after every 700 costs up to 13 %."""
ALARMED = 4
"""An alert that fires waits for so small a part of the commit interval."""
FIRST_RETRY_MS = 100
LONGEST_RETRY_MS = 5_000
WAIT_SLICE_MS = 200
"""So often a worker that waits looks whether it is to stop."""

log = logging.getLogger(__name__)


class Worker:
    """One worker slot of the consumer group."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        topics = settings.kafka.topics
        self._settings = settings
        self._clock = clock
        self.telemetry = Telemetry(clock, settings.limits.metric_series)
        self.health = Health(
            settings.worker.slot,
            clock,
            self.telemetry.registry,
            turn_limit_s=settings.worker.max_poll_interval_ms / 1_000,
        )
        self._server: HealthServer | None = None
        self._opened = False
        """Whether the producer has fenced its predecessor: before that the group is not joined."""
        self._store = ClickHouseStore(settings.clickhouse)
        self._publisher = KafkaPublisher(settings.kafka, settings.worker.slot)
        self.pipeline = Pipeline(
            validator=Validator(
                settings.limits, topics.predictions, topics.labels, settings.sensitivity.key()
            ),
            roster=Roster(
                self._store.load_profile,
                settings.worker.duplicate_memory,
                most_cards=settings.limits.models,
            ),
            judge=Judge(Links(settings.dashboard.address, settings.routing.runbooks_url)),
            store=self._store,
            publisher=self._publisher,
            topics=topics,
            clock=clock,
            telemetry=self.telemetry,
            unregistered_limit=settings.limits.unregistered_models,
            escalation=settings.escalation,
        )
        self._source = KafkaSource(
            settings,
            topics=(topics.predictions, topics.labels, topics.commands),
            on_assigned=self._assigned,
            on_revoked=self._commit_all,
            on_lost=self._lost,
        )
        self._cards: CardFollower | None = None
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._storing: Future[None] | None = None
        """Step 1 of the commit on its way: it waits for ClickHouse while batches are taken."""
        self._saving = False
        """Whether the commit on its way saves the state."""
        self._gathered = Gathering()
        self._positions: dict[Partition, int] = {}
        """The offsets after the last records that the pipeline has taken: only these are committed.

        The source is ahead of them while a batch waits for its profile.
        """
        self._ticked_at: dict[Partition, int] = {}
        """The positions at the last tick."""
        self._deaf = True
        """Whether events may have been kept from us since the last tick."""
        self._stopping: Callable[[], bool] = lambda: False
        self._last_commit_s = clock.monotonic_s()
        self._last_tick_s = clock.monotonic_s()
        self._last_snapshot_s = clock.monotonic_s()
        self._last_report_s = clock.monotonic_s()
        self._last_beat_s = clock.monotonic_s()
        self._beginnings = 0
        """How often the partitions were handed out anew: a batch in hand is void then."""

    def run(self, stopping: Callable[[], bool]) -> None:
        """Work until `stopping()`; then commit what was taken and leave.

        Raises what is wrong with its set-up: ConfigError, another process in this slot, and while
        it starts what ClickHouse refuses for good. All else is waited out.
        """
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        self._stopping = stopping
        worker = self._settings.worker
        if worker.http_port:
            registry = self.telemetry.registry
            self._server = HealthServer(worker.http_host, worker.http_port, self.health, registry)
        try:
            if not self._patiently(self._open, stopping):
                return
            while not stopping():
                self._patiently(self._turn, stopping)
            self._patiently(self._commit_all, lambda: True)
            log.info("stopped; %s", self._report())
        finally:
            self.close()

    def close(self) -> None:
        """Leave the group and let go of every connection."""
        if self._server is not None:
            self._server.close()
        self._source.close()
        self._publisher.close()
        if self._cards is not None:
            self._cards.close()
        self._beside.shutdown()
        self._store.close()

    def _open(self) -> None:
        self.health.turned()
        require_topics(self._settings)
        opening = self._beside.submit(self._publisher.open)
        try:  # the cards are read meanwhile
            self._cards = self._cards or CardFollower(self._settings.kafka)
            for record in self._cards.read_all():
                self._take_card(record.value)
        finally:
            wait([opening])
        opening.result()
        self._opened = True

    def _turn(self) -> None:
        self.health.turned()
        if self._storing is None or self._storing.done():
            self._end_commit()
        if self._cards is not None:
            for record in self._cards.poll():
                self._take_card(record.value)
        with self.telemetry.timed("intake"):
            records = self._source.poll(POLL_MS if self._storing is None else STORING_POLL_MS)
        self.health.problem = self._source.problem
        self._deaf |= bool(self._source.problem)
        if records:
            self.telemetry.received("intake", len(records))
            self._gathered.add(records, self._source.positions())
        now_s = self._clock.monotonic_s()
        worker = self._settings.worker
        due = now_s - self._last_commit_s >= self._commit_wait_s()
        full = self.pipeline.pending_events + len(self._gathered) >= worker.commit_events
        if self._gathered and (not records or due or full or self._gathered.worth_taking):
            self._take(self._gathered.taken(), self._gathered.positions)
        if now_s - self._last_tick_s >= worker.tick_interval_ms / 1_000:
            self._last_tick_s = now_s
            self._tick()
        if due or full or now_s - self._last_commit_s >= self._commit_wait_s():
            self._commit()

    def _tick(self) -> None:
        """A partition is behind while it moves and has more to come: its models are not silent."""
        lag = self._source.lag()
        deaf = self._deaf or self._source.membership is None
        behind = {
            partition
            for partition, position in self._positions.items()
            if deaf or (lag.get(partition) and position != self._ticked_at.get(partition))
        }
        self._ticked_at = dict(self._positions)
        self._deaf = False
        self.pipeline.on_tick(behind)
        self.telemetry.lag_events.set(sum(lag.values()))
        now_s = self._clock.monotonic_s()
        if now_s - self._last_beat_s >= self._settings.worker.heartbeat_interval_s:
            self._last_beat_s = now_s
            self._beat()
        if now_s - self._last_report_s >= REPORT_INTERVAL_S:
            self._last_report_s = now_s
            log.info("%s", self._report())

    def _beat(self) -> None:
        """A heartbeat of each of its partitions, with the next commit."""
        topic = self._settings.kafka.topics.predictions
        value = self.telemetry.value
        self.pipeline.announce(
            heartbeat_records(
                self._settings,
                [number for name, number in self._positions if name == topic],
                now_us=self._clock.now_us(),
                lag_events=int(value("plumbline_lag_events")),
                firing_alerts=int(value("plumbline_firing_alerts")),
            )
        )

    def _report(self) -> str:
        """How the worker is doing, in one line."""
        value = self.telemetry.value
        taken = int(value("plumbline_step_emitted_total", step="intake"))
        lag = int(value("plumbline_lag_events"))
        firing = int(value("plumbline_firing_alerts"))
        notes = filter(None, (self.telemetry.excess(), self.health.problem))
        told = f"{taken:,} records taken, {lag:,} to come, {firing} alerts firing"
        return "; ".join([told, *notes])

    def _take_card(self, value: bytes | None) -> None:
        if value is None:
            return
        card = parse_card(value)
        if isinstance(card, tuple):
            self.telemetry.dropped("intake", "bad_card")
            log.error("a record on %s is no card: %s", self._settings.kafka.topics.models, card)
        else:
            self.pipeline.on_card(card)
            log.info("card of %s %s taken", card.model, card.model_version)

    def _commit_wait_s(self) -> float:
        """How long after the last commit the next one is due; sooner where an alert has fired."""
        sooner = self._storing is None and self.pipeline.alarmed
        return self._settings.worker.commit_interval_ms / 1_000 / (ALARMED if sooner else 1)

    def _commit(self) -> None:
        """Begin a commit: its rows are stored while the next batches are taken."""
        self._end_commit()
        now_s = self._clock.monotonic_s()
        self._last_commit_s = now_s
        interval_s = self._settings.worker.snapshot_interval_ms / 1_000
        self._begin_commit(snapshot=now_s - self._last_snapshot_s >= interval_s)

    def _commit_all(self) -> None:
        """The last commit of these partitions, so that the next owner need not repeat any work."""
        self._gathered.taken()  # the next owner reads what was not taken
        self._end_commit()
        self._begin_commit(snapshot=True)
        self._end_commit()

    def _begin_commit(self, *, snapshot: bool) -> None:
        if self._source.membership is None:
            return
        if not self.pipeline.has_work:
            self.health.idle()
            return
        self._saving = snapshot
        begun = self.pipeline.begin_commit(self._positions, snapshot=snapshot)
        self._storing = self._beside.submit(self.pipeline.store_rows, begun)

    def _end_commit(self) -> None:
        """Wait for the rows of the commit on its way, if there is one, and publish.

        Where they could not be stored it is here that they are stored again: no batch is taken
        before that.
        """
        membership = self._source.membership
        if membership is None or not self.pipeline.commit_pending:
            return
        storing, self._storing = self._storing, None
        if storing is not None:
            storing.result()
        self.pipeline.commit(self._positions, membership)
        self.health.committed(snapshot=self._saving)
        if self._saving:
            self._last_snapshot_s = self._clock.monotonic_s()

    def _assigned(self, starts: Mapping[Partition, int]) -> Mapping[Partition, int]:
        """Bring the state of these partitions back; gives the offsets from which to read."""
        self._beginnings += 1
        self._gathered.taken()
        if self._storing is not None:  # of partitions that were lost: asked first, rows come twice
            wait([self._storing])
            self._storing = None
        kafka, names = self._settings.kafka, self._settings.kafka.topics
        topics = (names.predictions, names.labels, names.commands)
        asked = self._beside.submit(lambda: [*map(self._store.stored_until, topics)])
        try:  # the state is read meanwhile
            saved = saved_state(kafka, [number for topic, number in starts if topic == topics[0]])
        finally:
            wait([asked])
        begin = self.pipeline.restore(asked.result(), starts, saved)
        self._positions = dict(begin)
        self.health.assigned(len(saved))
        places = [f"{topic}[{number}] from {at}" for (topic, number), at in sorted(begin.items())]
        log.info("assigned: reading %s", ", ".join(places))
        return begin

    def _lost(self) -> None:
        self._beginnings += 1
        self._positions = {}
        self._gathered.taken()
        self.health.lost()
        self.pipeline.forget()

    def _take(self, records: Sequence[Record], after: Mapping[Partition, int]) -> None:
        """Hand on a batch and the offsets after it, however long its profile cannot be read.

        Unless it is lost meanwhile, or the worker is to stop: then its next owner reads it again.
        """
        wait_ms = FIRST_RETRY_MS
        beginning = self._beginnings
        topic = self._settings.kafka.topics.commands
        commands = [record for record in records if record.topic == topic]
        events = [record for record in records if record.topic != topic] if commands else records
        while beginning == self._beginnings:
            try:
                self.pipeline.on_batch(events)
            except StorageError as error:
                if self._stopping():
                    return
                wait_ms = self._wait_out(error, wait_ms)
            else:
                self.pipeline.on_commands(commands)
                self._positions |= after
                self.telemetry.emitted("intake", len(records))
                return
        self.telemetry.dropped("intake", "partition_lost", len(records))

    def _patiently(self, step: Callable[[], None], stopping: Callable[[], bool]) -> bool:
        """Run a step until it succeeds; False if told to stop before it did."""
        wait_ms = FIRST_RETRY_MS
        while True:
            try:
                step()
            except FencedError as error:
                if not error.retryable:
                    raise
                log.warning("%s", error)
                self._source.rejoin()
                return True
            except (BrokerError, StorageError, ConfigError) as error:
                if not self._can_wait(error):
                    raise
                wait_ms = self._wait_out(error, wait_ms)
            else:
                return True
            if stopping():
                return False

    def _can_wait(self, error: PlumblineError) -> bool:
        """Whether to wait, or to end at once with what is wrong with the set-up.

        A worker that has begun waits for whatever a person can mend from outside, such as a
        grant or a full disk: to end would only make it begin and fail again and again.
        """
        begun = self._beginnings > 0
        if isinstance(error, ConfigError):
            return begun and error.retryable
        return begun or error.retryable

    def _wait_out(self, error: PlumblineError, wait_ms: int) -> int:
        """Pause the flow, keep the membership by polling, and say what is wrong."""
        self.health.problem = str(error)
        self._deaf = True
        self.telemetry.errors.labels(type(error).__name__).inc()
        log.warning("waiting %d ms: %s", wait_ms, error)
        self._source.pause()
        until_s = self._clock.monotonic_s() + wait_ms / 1_000
        while (left_s := until_s - self._clock.monotonic_s()) > 0 and not self._stopping():
            self.health.turned()
            slice_ms = min(int(left_s * 1_000) + 1, WAIT_SLICE_MS)
            if not self._opened:
                threading.Event().wait(slice_ms / 1_000)
                continue
            try:
                self._source.poll(slice_ms)
            except (BrokerError, StorageError, ConfigError) as again:
                if not self._can_wait(again):
                    raise
                log.warning("still waiting: %s", again)
                threading.Event().wait(slice_ms / 1_000)
        self._source.resume()
        return min(2 * wait_ms, LONGEST_RETRY_MS)

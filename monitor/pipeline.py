"""The page to read: the eight steps, in their order, and the one commit.

    event in -> validated -> windowed -> tested -> judged -> stored -> published -> seen

In: micro-batches of records (step 1), ticks of the clock, model cards. Out: rows for ClickHouse,
alert moves and rejections for Kafka, at each commit. The worker and the backtest run this same
pipeline with another source, store and publisher. Never: a thread, a poll, a sleep.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.alerts import AlertMove
from monitor.broker import Membership, Partition
from monitor.checks.registration import registration
from monitor.checks.stopped import stopped
from monitor.clock import Clock
from monitor.config import TopicSettings
from monitor.errors import ProfileError
from monitor.events import (
    LabelColumns,
    PaneSummary,
    PredictionColumns,
    Record,
    RejectedRecord,
    Validated,
)
from monitor.findings import Finding, Measurement, Span, kind_of
from monitor.judging.judge import Judge, Policy
from monitor.publishing.alert_event import alert_records
from monitor.publishing.outgoing import Publisher
from monitor.publishing.rejection import rejection_records
from monitor.roster import Roster, VersionKey, VersionMonitor
from monitor.storage.store import Store, StoreBatch, StoredUntil
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from monitor.windows.panes import Chunk
from monitor.windows.summary import summarise
from schemas import ModelCard

STEPS = (
    "event in",
    "validated",
    "windowed",
    "tested",
    "judged",
    "stored",
    "published",
    "seen",
)

_AT_ONCE = Policy(confirmations=1)


@dataclass(slots=True)
class _LastSeen:
    """The newest event of a model, for the tick."""

    at_s: float
    version: VersionKey
    span: Span
    silent: bool = False


@dataclass(slots=True)
class _Work:
    """What has been done since the last commit, and how far its commit has come."""

    predictions: list[PredictionColumns] = field(default_factory=list)
    labels: list[LabelColumns] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    panes: list[PaneSummary] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    moves: list[AlertMove] = field(default_factory=list)
    events: int = 0
    committing: bool = False
    rows_stored: bool = False
    published: bool = False

    def batch(self) -> StoreBatch:
        return StoreBatch(self.predictions, self.labels, self.rejected, self.panes, self.findings)


class Pipeline:
    """Takes batches, ticks and cards; keeps what they cause until `commit`."""

    def __init__(
        self,
        *,
        validator: Validator,
        roster: Roster,
        judge: Judge,
        store: Store,
        publisher: Publisher,
        topics: TopicSettings,
        clock: Clock,
        telemetry: Telemetry,
        unregistered_limit: int,
    ) -> None:
        self._validator = validator
        self._roster = roster
        self._judge = judge
        self._store = store
        self._publisher = publisher
        self._topics = topics
        self._clock = clock
        self._telemetry = telemetry
        self._unregistered_limit = unregistered_limit
        self._work = _Work()
        self._stored: tuple[StoredUntil, ...] = ()
        self._last_seen: dict[str, _LastSeen] = {}
        self._untested: dict[VersionKey, Finding] = {}

    def on_card(self, card: ModelCard) -> None:
        """A model version is registered, or its card has changed."""
        self._validator.set_card(card)
        if not self._roster.put(card):
            return
        raised = self._untested.pop((card.model, card.model_version), None)
        if raised is not None:
            measurement = replace(
                registration("unregistered", trouble=False, reason="the version has a card now"),
                check=raised.measurement.check,
            )
            self._judged([replace(raised, measurement=measurement)], _AT_ONCE)

    def on_batch(self, records: Sequence[Record]) -> None:
        """Steps 2 to 5 for a micro-batch; its rows and moves wait for `commit`.

        Raises StorageError before anything has changed, where a profile cannot be asked for.
        """
        validated = self._validated(records)
        watched = [self._watched(columns) for columns in validated.predictions]
        marked = [self._marked(columns) for columns in validated.predictions]
        for columns, monitor in zip(marked, watched, strict=True):
            if isinstance(monitor, VersionMonitor):
                self._seen(columns)
                for chunk in self._windowed(columns, monitor):
                    self._judged(self._tested(chunk, monitor), monitor.policy)
            elif monitor is not None:
                self._judged(self._untestable(columns, monitor), _AT_ONCE)
        self._work.predictions += marked
        self._work.labels += validated.labels
        self._work.rejected += validated.rejected
        self._work.events += len(records)

    def on_tick(self) -> None:
        """What only the clock can see: a model whose events have stopped."""
        now_s = self._clock.monotonic_s()
        for seen in self._last_seen.values():
            monitor = self._roster.active().get(seen.version)
            if monitor is None or seen.silent:
                continue
            silent_minutes = (now_s - seen.at_s) / 60
            if silent_minutes > monitor.allowed_silence_minutes:
                seen.silent = True
                measurement = stopped(silent_minutes, monitor.allowed_silence_minutes)
                self._judged([_finding(seen.version, seen.span, measurement, clock=True)], _AT_ONCE)

    @property
    def pending_events(self) -> int:
        """Records taken since the last commit."""
        return self._work.events

    @property
    def has_work(self) -> bool:
        """Whether a commit would change anything."""
        return self._work.events > 0 or bool(self._work.moves or self._work.findings)

    @property
    def commit_pending(self) -> bool:
        """Whether a commit has begun and must be finished before the next batch."""
        return self._work.committing

    def commit(self, offsets: Mapping[Partition, int], membership: Membership) -> None:
        """Make the work since the last commit last; `offsets` are the next ones to read.

        1. The rows to ClickHouse, idempotently: their key ends in topic, partition, offset.
        2. One Kafka transaction: alert moves, rejections, consumed offsets.
        3. The rows of the alert moves just published.

        Raises StorageError (from 1 and 3) and BrokerError (from 2): call again before the next
        batch, it goes on where it stopped. Raises FencedError (from 2): nothing was published;
        `restore` and begin again from the committed offsets.
        """
        work = self._work
        work.committing = True
        if not work.rows_stored:
            with self._telemetry.timed("storage"):
                self._store.store(work.batch().after(*self._stored))  # 1
            work.rows_stored = True
        if not work.published:
            records = [
                *alert_records(work.moves, self._topics),
                *rejection_records(work.rejected, self._topics.rejections),
            ]
            with self._telemetry.timed("publishing"):
                self._publisher.commit(records, offsets, membership)  # 2
            self._telemetry.emitted("publishing", len(records))
            work.published = True
        if work.moves:
            with self._telemetry.timed("storage"):
                self._store.store_alerts(work.moves)  # 3
        self._telemetry.firing_alerts.set(self._judge.firing())
        self._work = _Work()

    def restore(self, stored: Sequence[StoredUntil]) -> None:
        """Begin again: forget uncommitted work and all windows; `stored` says which rows exist."""
        self._stored = tuple(stored)
        self._work = _Work()
        self._roster.forget()
        self._judge.forget()
        self._last_seen.clear()
        self._untested.clear()

    def _validated(self, records: Sequence[Record]) -> Validated:
        self._telemetry.received("validation", len(records))
        with self._telemetry.timed("validation"):
            validated = self._validator.validate(records)
        for rejected in validated.rejected:
            self._telemetry.dropped("validation", rejected.reasons[0][0])
        for columns in validated.predictions:
            for reason, n in Counter(fault.reason for fault in columns.faults).items():
                self._telemetry.faults.labels(reason).inc(n)
        self._telemetry.emitted("validation", len(records) - len(validated.rejected))
        return validated

    def _watched(self, columns: PredictionColumns) -> VersionMonitor | Measurement | None:
        """The monitor of a version, what is wrong with it, or None: only to be stored."""
        model, version = columns.model, columns.model_version
        if not columns.registered:
            reason = (
                f"{model} {version} sends events but has no card: they are stored and not tested; "
                "run `plumbline register`"
            )
            return registration("unregistered", trouble=True, reason=reason)
        if (model, version) in self._untested:
            return None
        try:
            return self._roster.monitor(model, version)
        except ProfileError as error:
            return registration("profile_missing", trouble=True, reason=str(error))

    def _untestable(self, columns: PredictionColumns, trouble: Measurement) -> list[Finding]:
        """Raised once for a version, not for every event."""
        version = (columns.model, columns.model_version)
        if version in self._untested:
            return []
        if len(self._untested) >= self._unregistered_limit:
            self._telemetry.dropped("tests", "unregistered_limit", len(columns))
            return []
        finding = self._untested[version] = _finding(version, _span(columns), trouble)
        return [finding]

    def _marked(self, columns: PredictionColumns) -> PredictionColumns:
        recent = self._roster.recent(columns.model)
        repeated = recent.mark_repeated(columns.event_ids)
        return replace(columns, repeated=repeated) if repeated.any() else columns

    def _seen(self, columns: PredictionColumns) -> None:
        version = (columns.model, columns.model_version)
        span = _span(columns)
        before = self._last_seen.get(columns.model)
        if before is not None and before.silent:
            silent_minutes = (self._clock.monotonic_s() - before.at_s) / 60
            measurement = replace(stopped(0.0, 1.0), reason="events have come again")
            measurement = replace(measurement, values={"silent_minutes": silent_minutes})
            self._judged([_finding(before.version, span, measurement, clock=True)], _AT_ONCE)
        self._last_seen[columns.model] = _LastSeen(self._clock.monotonic_s(), version, span)

    def _windowed(self, columns: PredictionColumns, monitor: VersionMonitor) -> Iterator[Chunk]:
        n = len(columns)
        self._telemetry.received("windows", n)
        with self._telemetry.timed("windows"):
            codes, values = monitor.encode(columns)
            offsets, occurred_us, marks = columns.offsets, columns.occurred_us, columns.faults
            if columns.repeated.any():
                kept = ~columns.repeated
                codes, values = codes[:, kept], values[:, kept]
                offsets, occurred_us = offsets[kept], occurred_us[kept]
                place = np.cumsum(kept) - 1
                marks = tuple(
                    replace(fault, row=int(place[fault.row])) for fault in marks if kept[fault.row]
                )
                self._telemetry.dropped("windows", "repeated", n - len(offsets))
            first_event = monitor.stream.events
            monitor.faults.extend(
                sorted((first_event + mark.row, mark.feature, mark.reason) for mark in marks)
            )
        chunks = monitor.stream.add(
            columns.topic, columns.partition, offsets, occurred_us, codes, values
        )
        for chunk in chunks:
            if chunk.closed is not None and chunk.closed_values is not None:
                faults = monitor.faults_until(chunk.closed.span.last_event)
                self._work.panes += summarise(
                    monitor.profile,
                    columns.model_version,
                    chunk.closed,
                    chunk.closed_values,
                    faults,
                )
            yield chunk

    def _tested(self, chunk: Chunk, monitor: VersionMonitor) -> list[Finding]:
        version = (monitor.card.model, monitor.card.model_version)
        findings = []
        with self._telemetry.timed("tests"):
            for row, measurement in monitor.battery.observe(chunk.codes):
                until = chunk.span.first_event + row
                span = monitor.stream.span_of_last(measurement.n_cur, until)
                findings.append(_finding(version, span, measurement))
            for window in chunk.windows:
                findings += [
                    _finding(version, window.span, measurement)
                    for measurement in monitor.battery.test(window.scale, window.codes)
                ]
        self._telemetry.emitted("tests", len(findings))
        return findings

    def _judged(self, findings: list[Finding], policy: Policy) -> None:
        if findings:
            self._work.findings += findings
            with self._telemetry.timed("judging"):
                moves = self._judge.judge(findings, policy)
            self._work.moves += moves
            self._telemetry.emitted("judging", len(moves))


def _span(columns: PredictionColumns) -> Span:
    """The span of a whole batch; event indexes are 0 where the events are not windowed."""
    return Span(
        topic=columns.topic,
        partition=columns.partition,
        first_event=0,
        last_event=len(columns) - 1,
        first_offset=int(columns.offsets[0]),
        last_offset=int(columns.offsets[-1]),
        started_us=int(columns.occurred_us.min()),
        ended_us=int(columns.occurred_us.max()),
    )


def _finding(
    version: VersionKey, span: Span, measurement: Measurement, *, clock: bool = False
) -> Finding:
    kind = kind_of(measurement.check, measurement.feature)
    return Finding(
        model=version[0],
        model_version=version[1],
        category=kind.category,
        alertname=kind.alertname,
        segment="",
        span=span,
        measurement=measurement,
        clock=clock,
    )

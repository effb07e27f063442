"""The page to read: the eight steps, in their order, and the one commit.

    event in -> validated -> windowed -> tested -> judged -> stored -> published -> seen

In: micro-batches of records (step 1), ticks of the clock, model cards. Out: rows for ClickHouse,
alert moves and rejections for Kafka, at each commit. The worker and the backtest run this same
pipeline with another source, store and publisher. Never: a thread, a poll, a sleep.
"""

import logging
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
from monitor.publishing.outgoing import Outgoing, Publisher
from monitor.publishing.rejection import rejection_records
from monitor.roster import Roster, VersionKey, VersionMonitor
from monitor.state import ModelState, Saved, StateBook
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

log = logging.getLogger(__name__)

_AT_ONCE = Policy(confirmations=1)


_Watched = VersionMonitor | Measurement | None
"""The monitor of a version, what is wrong with it, or None: only to be stored."""


@dataclass(frozen=True, slots=True)
class _Commit:
    """What is to be published at once; the same at every try."""

    records: list[Outgoing]
    offsets: dict[Partition, int]


@dataclass(slots=True)
class _Work:
    """What has been done since the last commit, and how far its commit has come."""

    predictions: list[PredictionColumns] = field(default_factory=list)
    labels: list[LabelColumns] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    panes: list[PaneSummary] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    moves: list[AlertMove] = field(default_factory=list)
    moves_again: list[AlertMove] = field(default_factory=list)
    """Moves published before a restart, whose rows a crash may have cut off."""
    events: int = 0
    commit: _Commit | None = None
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
        self._models: dict[str, ModelState] = {}
        self._last_seen_s: dict[str, float] = {}
        self._book = StateBook(topics.state)
        self._changed: set[str] = set()
        """Models that have had events since the last snapshot."""
        self._silent_until: dict[Partition, int] = {}
        """Offsets up to which records only bring the state up to date."""

    def on_card(self, card: ModelCard) -> None:
        """A model version is registered, or its card has changed."""
        self._validator.set_card(card)
        if not self._roster.put(card):
            return
        self._registered(card)

    def _registered(self, card: ModelCard) -> None:
        """Take back what was raised about a version before this card came."""
        state = self._models.get(card.model)
        version = (card.model, card.model_version)
        raised = state.untested.get(version) if state is not None else None
        if state is not None and raised is not None:
            del state.untested[version]
            self._changed.add(card.model)
            measurement = replace(
                registration("unregistered", trouble=False, reason="the version has a card now"),
                check=raised.measurement.check,
            )
            self._judged([replace(raised, measurement=measurement)], _AT_ONCE)

    def on_batch(self, records: Sequence[Record]) -> None:
        """Steps 2 to 5 for a micro-batch; its rows and moves wait for `commit`.

        Raises StorageError before anything has changed, where a profile cannot be asked for.
        """
        if not self._silent_until:
            self._take(*self._prepared(records))
            return
        again = [record for record in records if self._was_committed(record)]
        new = [record for record in records if not self._was_committed(record)]
        prepared = [self._prepared(part) for part in (again, new)]
        work, self._work = self._work, _Work()
        self._take(*prepared[0])
        work.moves_again += self._work.moves
        self._work = work
        self._take(*prepared[1])

    def on_tick(self) -> None:
        """What only the clock can see: a model whose events have stopped."""
        now_s = self._clock.monotonic_s()
        for model, state in self._models.items():
            monitor = self._roster.active().get((model, state.last_version))
            if monitor is None or state.silent or state.last_span is None:
                continue
            silent_minutes = (now_s - self._last_seen_s[model]) / 60
            if silent_minutes > monitor.allowed_silence_minutes:
                state.silent = True
                self._changed.add(model)
                measurement = stopped(silent_minutes, monitor.allowed_silence_minutes)
                version = (model, state.last_version)
                self._judged(
                    [_finding(version, state.last_span, measurement, clock=True)], _AT_ONCE
                )

    @property
    def pending_events(self) -> int:
        """Records taken since the last commit."""
        return self._work.events

    @property
    def has_work(self) -> bool:
        """Whether a commit would change anything."""
        work = self._work
        return work.events > 0 or bool(work.moves or work.moves_again or self._changed)

    @property
    def commit_pending(self) -> bool:
        """Whether a commit has begun and must be finished before the next batch."""
        return self._work.commit is not None

    def commit(
        self, offsets: Mapping[Partition, int], membership: Membership, *, snapshot: bool = False
    ) -> None:
        """Make the work since the last commit last; `offsets` are the next ones to read.

        1. The rows to ClickHouse, idempotently: their key ends in topic, partition, offset.
        2. One Kafka transaction: alert moves, rejections, state (with `snapshot`), offsets.
        3. The rows of the alert moves just published.

        Raises StorageError (from 1 and 3) and BrokerError (from 2): call again before the next
        batch, it goes on where it stopped. Raises FencedError (from 2): nothing was published;
        `restore` and begin again from the committed offsets.
        """
        work = self._work
        if work.commit is None:
            work.commit = self._commit_of(work, offsets, snapshot=snapshot)
        if not work.rows_stored:
            with self._telemetry.timed("storage"):
                self._store.store(work.batch().after(*self._stored))  # 1
            work.rows_stored = True
        if not work.published:
            with self._telemetry.timed("publishing"):
                self._publisher.commit(work.commit.records, work.commit.offsets, membership)  # 2
            self._telemetry.emitted("publishing", len(work.commit.records))
            work.published = True
        moves = work.moves_again + work.moves
        if moves:
            with self._telemetry.timed("storage"):
                self._store.store_alerts(moves)  # 3
        self._telemetry.firing_alerts.set(self._judge.firing())
        self._work = _Work()

    def restore(
        self,
        stored: Sequence[StoredUntil],
        committed: Mapping[Partition, int],
        saved: Mapping[int, Saved],
    ) -> dict[Partition, int]:
        """Begin again with other partitions; gives the offsets from which to read.

        `stored` says which rows exist, `committed` are the group's offsets, `saved` the state of
        each predictions partition. Reading begins where the state stands; up to the committed
        offset the events only bring it up to date. Raises StateError, StorageError.
        """
        self.forget()
        self._stored = tuple(stored)
        begin = dict(committed)
        for number, entries in saved.items():
            partition = (self._topics.predictions, number)
            at = self._book.offset_of(entries)
            if at is None or partition not in committed:
                continue
            if at > committed[partition]:
                log.error(
                    "the state of partition %d is of offset %d, the group stands at %d: its "
                    "offsets were set back; windows start anew",
                    number,
                    at,
                    committed[partition],
                )
                continue
            self._models |= self._book.restore(number, entries, self._roster, self._judge)
            begin[partition] = at
            self._silent_until[partition] = committed[partition]
        now_s = self._clock.monotonic_s()
        self._last_seen_s = dict.fromkeys(self._models, now_s)
        for card in [*self._roster.cards().values()]:
            self._registered(card)
        return begin

    def forget(self) -> None:
        """Drop uncommitted work, all windows and alerts: the partitions are not ours now."""
        self._work = _Work()
        self._stored = ()
        self._silent_until.clear()
        self._roster.forget()
        self._judge.forget()
        self._book.forget()
        self._models.clear()
        self._last_seen_s.clear()
        self._changed.clear()

    def _commit_of(
        self, work: "_Work", offsets: Mapping[Partition, int], *, snapshot: bool
    ) -> "_Commit":
        reached = self._silent_until
        self._silent_until = {p: n for p, n in reached.items() if offsets.get(p, n) < n}
        records = [
            *alert_records(work.moves, self._topics),
            *rejection_records(work.rejected, self._topics.rejections),
        ]
        if snapshot and not self._silent_until:
            records += self._snapshot(offsets)
        return _Commit(records, {p: max(n, reached.get(p, 0)) for p, n in offsets.items()})

    def _snapshot(self, offsets: Mapping[Partition, int]) -> list[Outgoing]:
        records: list[Outgoing] = []
        partitions = set()
        for model in sorted(self._changed):
            state = self._models[model]
            partitions.add(state.partition)
            records += self._book.model_records(model, state, self._roster, self._judge)
        for number in sorted(partitions):
            records.append(self._book.at(number, offsets[self._topics.predictions, number]))
        self._changed.clear()
        return records

    def _was_committed(self, record: Record) -> bool:
        return record.offset < self._silent_until.get((record.topic, record.partition), 0)

    def _prepared(self, records: Sequence[Record]) -> tuple[Validated, list[_Watched]]:
        validated = self._validated(records)
        return validated, [self._watched(columns) for columns in validated.predictions]

    def _take(self, validated: Validated, watched: list[_Watched]) -> None:
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
        self._work.events += len(validated)

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

    def _watched(self, columns: PredictionColumns) -> _Watched:
        model, version = columns.model, columns.model_version
        if not columns.registered:
            reason = (
                f"{model} {version} sends events but has no card: they are stored and not tested; "
                "run `plumbline register`"
            )
            return registration("unregistered", trouble=True, reason=reason)
        state = self._models.get(model)
        if state is not None and (model, version) in state.untested:
            return None
        try:
            return self._roster.monitor(model, version)
        except ProfileError as error:
            return registration("profile_missing", trouble=True, reason=str(error))

    def _untestable(self, columns: PredictionColumns, trouble: Measurement) -> list[Finding]:
        """Raised once for a version, not for every event."""
        version = (columns.model, columns.model_version)
        untested = self._models[columns.model].untested
        if version in untested:
            return []
        if sum(len(state.untested) for state in self._models.values()) >= self._unregistered_limit:
            self._telemetry.dropped("tests", "unregistered_limit", len(columns))
            return []
        finding = untested[version] = _finding(version, _span(columns), trouble)
        return [finding]

    def _marked(self, columns: PredictionColumns) -> PredictionColumns:
        self._models.setdefault(columns.model, ModelState()).partition = columns.partition
        self._changed.add(columns.model)
        recent = self._roster.recent(columns.model)
        repeated = recent.mark_repeated(columns.event_ids)
        return replace(columns, repeated=repeated) if repeated.any() else columns

    def _seen(self, columns: PredictionColumns) -> None:
        model, span = columns.model, _span(columns)
        state = self._models[model]
        if state.silent:
            measurement = replace(stopped(0.0, 1.0), reason="events have come again")
            version = (model, state.last_version)
            self._judged([_finding(version, span, measurement, clock=True)], _AT_ONCE)
        state.silent, state.last_version, state.last_span = False, columns.model_version, span
        self._last_seen_s[model] = self._clock.monotonic_s()

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

"""The page to read: the eight steps, in their order, and the one commit.

    event in -> validated -> windowed -> tested -> judged -> stored -> published -> seen

In: micro-batches of records (step 1), ticks of the clock, model cards. Out: rows for ClickHouse,
alert moves and rejections for Kafka, at each commit. The worker and the backtest run this same
pipeline with another source, store and publisher. Never: a thread, a poll, a sleep.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from monitor.broker import Membership, Partition
from monitor.checks.registration import registration
from monitor.checks.stopped import stopped
from monitor.clock import Clock
from monitor.config import TopicSettings
from monitor.events import PredictionColumns, Record, Validated
from monitor.findings import Finding, Measurement, Span, finding_of, span_of_event
from monitor.judging.judge import Judge, Policy
from monitor.publishing.alert_event import alert_records
from monitor.publishing.outgoing import Outgoing, Publisher
from monitor.publishing.rejection import rejection_records
from monitor.roster import UNTESTABLE, Roster, VersionKey, VersionMonitor
from monitor.state import ModelState, Saved, StateBook
from monitor.storage.refusal import refused_before
from monitor.storage.store import REFUSED, Store, StoredUntil
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from monitor.windows.duplicates import mark_resends
from monitor.windows.panes import Chunk
from monitor.work import Commit, Work
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
        self._work = Work()
        self._commit: Commit | None = None
        self._stored: tuple[StoredUntil, ...] = ()
        self._models: dict[str, ModelState] = {}
        self._last_seen_s: dict[str, float] = {}
        self._book = StateBook(topics.state)
        self._changed: set[str] = set()
        """Models that have had events since the last snapshot."""
        self._save_now: set[str] = set()
        """Those among them about which something was said that the log alone does not repeat."""
        self._saved: set[int] = set()
        """Predictions partitions that have a state: without one, offsets must not be committed."""
        self._strangers = 0
        """Models that are kept without ever having had a card."""
        self._raised = 0
        """Versions raised as unregistered or without profile."""
        self._silent_until: dict[Partition, int] = {}
        """Offsets up to which records only bring the state up to date."""

    def on_card(self, card: ModelCard) -> None:
        """A model version is registered, or its card has changed, or its profile may be there."""
        version = (card.model, card.model_version)
        before = self._roster.active().get(version)
        if self._roster.put(card):
            self._validator.set_card(card)
        self._registered(version)
        if before is not None and version not in self._roster.active() and before.stream.events:
            last = before.stream.events - 1
            self._superseded(version, before.stream.span_of_last(1, last), before.policy)

    def _registered(self, version: VersionKey) -> None:
        """Take back what was raised about a version before this card came."""
        state = self._models.get(version[0])
        raised = state.untested.pop(version, None) if state is not None else None
        if raised is not None:
            self._raised -= 1
            measurement = replace(
                registration("unregistered", trouble=False, reason="the version has a card now"),
                check=raised.measurement.check,
            )
            self._unrepeatable(version[0])
            self._judged([replace(raised, measurement=measurement)], _AT_ONCE)

    def _superseded(self, version: VersionKey, span: Span, policy: Policy) -> None:
        """End what was found by windows that start anew: nothing will ever clear it."""
        reason = "the card changed its tests: the windows start anew"
        self._work.moves += self._judge.supersede(*version, reason, span, policy)
        self._unrepeatable(version[0])

    def _unrepeatable(self, model: str) -> None:
        """Let the next commit save the state of a model: its log does not tell all of it."""
        self._changed.add(model)
        self._save_now.add(model)

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
        work, self._work = self._work, Work()
        self._take(*prepared[0])
        work.moves_again += self._work.moves
        self._work = work
        self._take(*prepared[1])

    def on_tick(self, behind: Collection[Partition] = ()) -> None:
        """What only the clock can see: a model whose events have stopped.

        Of a model on a partition that is `behind` (paused, or with records still to be read),
        nobody can say that it is silent.
        """
        now_s = self._clock.monotonic_s()
        for model, state in self._models.items():
            monitor = self._roster.active().get((model, state.last_version))
            if monitor is None or state.silent or state.last_span is None:
                continue
            if (self._topics.predictions, state.partition) in behind:
                self._last_seen_s[model] = now_s
                continue
            silent_minutes = (now_s - self._last_seen_s[model]) / 60
            if silent_minutes > monitor.allowed_silence_minutes:
                state.silent = True
                self._unrepeatable(model)
                measurement = stopped(silent_minutes, monitor.allowed_silence_minutes)
                version = (model, state.last_version)
                self._judged(
                    [finding_of(version, state.last_span, measurement, clock=True)], _AT_ONCE
                )

    @property
    def pending_events(self) -> int:
        """Records taken since the last commit."""
        return self._work.events

    @property
    def has_work(self) -> bool:
        """Whether a commit would change anything."""
        work = self._work
        waiting = work.moves or work.moves_again or self._changed or self._commit
        return work.events > 0 or bool(waiting)

    @property
    def commit_pending(self) -> bool:
        """Whether a commit has begun and must be finished before the next batch."""
        return self._commit is not None

    def commit(
        self, offsets: Mapping[Partition, int], membership: Membership, *, snapshot: bool = False
    ) -> None:
        """Make the work since the last commit last; `offsets` are the next ones to read.

        1. The rows to ClickHouse, idempotently: their key ends in topic, partition, offset. Valid
           records whose rows are refused for what is in them are rejected.
        2. One Kafka transaction: alert moves, rejections, state (with `snapshot`), offsets.
        3. The rows of the alert moves just published.

        Raises StorageError (from 1 and 3) and BrokerError (from 2): call again before the next
        batch, it goes on where it stopped, with the offsets that it began with. Raises FencedError
        (from 2): nothing was published; `restore` and begin again from the committed offsets.
        """
        if self._commit is None:
            self._commit = self._commit_of(offsets, snapshot=snapshot)
        commit = self._commit
        if not commit.rows_stored:
            with self._telemetry.timed("storage"):
                batch = commit.work.batch()
                refused = refused_before(batch, self._stored)
                refused += self._store.store(batch.after(*self._stored))  # 1
            for _ in refused:
                self._telemetry.dropped("storage", REFUSED)
            commit.records += rejection_records(refused, self._topics.rejections)
            commit.rows_stored = True
        if not commit.published:
            with self._telemetry.timed("publishing"):
                self._publisher.commit(commit.records, commit.offsets, membership)  # 2
            self._telemetry.emitted("publishing", len(commit.records))
            commit.published = True
            for move in commit.work.moves:
                if move.published:
                    log.info("%s: %s", move, move.reason)
        moves = commit.work.all_moves()
        if moves:
            with self._telemetry.timed("storage"):
                self._store.store_alerts(moves)  # 3
        self._telemetry.firing_alerts.set(self._judge.firing())
        self._commit = None

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
            self._work.moves_again += self._book.moves(entries)
            begin[partition] = at
            self._saved.add(number)
            self._silent_until[partition] = committed[partition]
        self._last_seen_s = dict.fromkeys(self._models, self._clock.monotonic_s())
        self._strangers = sum(state.last_span is None for state in self._models.values())
        self._raised = sum(len(state.untested) for state in self._models.values())
        for version in [v for state in self._models.values() for v in state.untested]:
            if self._roster.card(*version) is not None and self._testable(version):
                self._registered(version)
        for version in sorted(self._judge.windowed() - self._roster.active().keys()):
            known, span = self._roster.cards().get(version), self._models[version[0]].last_span
            if span is not None:
                self._superseded(version, span, Policy.of(known, 0) if known else Policy())
        return begin

    def forget(self) -> None:
        """Drop uncommitted work, all windows and alerts: the partitions are not ours now."""
        self._work = Work()
        self._commit = None
        self._stored = ()
        self._silent_until.clear()
        self._roster.forget()
        self._judge.forget()
        self._book.forget()
        self._models.clear()
        self._last_seen_s.clear()
        self._changed.clear()
        self._save_now.clear()
        self._saved.clear()
        self._strangers = self._raised = 0

    def _commit_of(self, offsets: Mapping[Partition, int], *, snapshot: bool) -> Commit:
        work, self._work = self._work, Work()
        reached = self._silent_until
        self._silent_until = {p: n for p, n in reached.items() if offsets.get(p, n) < n}
        records = [
            *alert_records(work.moves, self._topics),
            *rejection_records(work.rejected, self._topics.rejections),
        ]
        unsaved = any(
            topic == self._topics.predictions and number not in self._saved
            for topic, number in offsets
        )
        if snapshot or self._save_now or unsaved:
            records += self._snapshot(offsets, work)
        return Commit(work, records, {p: max(n, reached.get(p, 0)) for p, n in offsets.items()})

    def _snapshot(self, offsets: Mapping[Partition, int], work: Work) -> list[Outgoing]:
        """The state of every partition whose events have all been taken up to its offset."""
        ready = {
            number: offset
            for (topic, number), offset in offsets.items()
            if topic == self._topics.predictions and (topic, number) not in self._silent_until
        }
        records: list[Outgoing] = []
        saved = {model for model in self._changed if self._models[model].partition in ready}
        for model in sorted(saved):
            state = self._models[model]
            at = ready[state.partition]
            records += self._book.model_records(model, state, at, self._roster, self._judge)
        for number, offset in sorted(ready.items()):
            moves = [m for m in work.all_moves() if m.finding.span.partition == number]
            records += self._book.partition_records(number, offset, moves)
        self._saved |= ready.keys()
        self._changed -= saved
        self._save_now -= saved
        return records

    def _was_committed(self, record: Record) -> bool:
        return record.offset < self._silent_until.get((record.topic, record.partition), 0)

    def _prepared(self, records: Sequence[Record]) -> tuple[Validated, list[_Watched]]:
        validated = self._validated(records)
        return validated, [self._watched(columns) for columns in validated.predictions]

    def _take(self, validated: Validated, watched: list[_Watched]) -> None:
        marked = self._marked(validated.predictions)
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
        except UNTESTABLE as error:
            return registration("profile_missing", trouble=True, reason=str(error))

    def _testable(self, version: VersionKey) -> bool:
        """Whether the card of a version and its profile now do for tests."""
        try:
            self._roster.monitor(*version)
        except UNTESTABLE:
            return False
        return True

    def _untestable(self, columns: PredictionColumns, trouble: Measurement) -> list[Finding]:
        """Raised once for a version, at its first event; so many at most."""
        version = (columns.model, columns.model_version)
        state = self._models.get(columns.model)
        if state is not None and version in state.untested:
            return []
        if state is None or self._raised >= self._unregistered_limit:
            self._telemetry.dropped("tests", "unregistered_limit", len(columns))
            return []
        finding = state.untested[version] = finding_of(version, span_of_event(columns, 0), trouble)
        self._raised += 1
        self._unrepeatable(columns.model)
        return [finding]

    def _marked(self, groups: Sequence[PredictionColumns]) -> list[PredictionColumns]:
        kept = [self._kept(columns) for columns in groups]
        marked = iter(
            mark_resends(
                [columns for columns, is_kept in zip(groups, kept, strict=True) if is_kept],
                self._roster.recent,
            )
        )
        return [
            next(marked) if is_kept else columns
            for columns, is_kept in zip(groups, kept, strict=True)
        ]

    def _kept(self, columns: PredictionColumns) -> bool:
        """Whether anything is remembered of a model: strangers only up to the limit."""
        state = self._models.get(columns.model)
        if state is None:
            if not columns.registered:
                if self._strangers >= self._unregistered_limit:
                    return False
                self._strangers += 1
            state = self._models[columns.model] = ModelState(partition=columns.partition)
        if state.partition != columns.partition:
            log.warning(
                "events of %s come from partitions %d and %d: key them by model, else its "
                "windows mix what has no order",
                columns.model,
                state.partition,
                columns.partition,
            )
            self._book.write_again(columns.model)
            state.partition = columns.partition
        self._changed.add(columns.model)
        return True

    def _seen(self, columns: PredictionColumns) -> None:
        model, last = columns.model, span_of_event(columns, -1)
        state = self._models[model]
        if state.silent:
            measurement = replace(stopped(0.0, 1.0), reason="events have come again")
            version, first = (model, state.last_version), span_of_event(columns, 0)
            self._judged([finding_of(version, first, measurement, clock=True)], _AT_ONCE)
        state.silent = False
        before = state.last_span
        if (
            before is None
            or last.last_offset > before.last_offset
            or state.partition != (before.partition)
        ):
            state.last_version, state.last_span = columns.model_version, last
        self._last_seen_s[model] = self._clock.monotonic_s()

    def _windowed(self, columns: PredictionColumns, monitor: VersionMonitor) -> Iterator[Chunk]:
        self._telemetry.received("windows", len(columns))
        repeated = int(np.count_nonzero(columns.repeated))
        if repeated:
            self._telemetry.dropped("windows", "repeated", repeated)
        with self._telemetry.timed("windows"):
            chunks = monitor.windowed(columns)
        for chunk in chunks:
            self._work.panes += monitor.summaries(chunk)
            yield chunk

    def _tested(self, chunk: Chunk, monitor: VersionMonitor) -> list[Finding]:
        with self._telemetry.timed("tests"):
            findings = monitor.tested(chunk)
        self._telemetry.emitted("tests", len(findings))
        return findings

    def _judged(self, findings: list[Finding], policy: Policy) -> None:
        if findings:
            self._work.findings += findings
            with self._telemetry.timed("judging"):
                moves = self._judge.judge(findings, policy)
            self._work.moves += moves
            self._telemetry.emitted("judging", len(moves))

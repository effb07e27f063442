"""The page to read: the eight steps, in their order, and the one commit.

    event in -> validated -> windowed -> tested -> judged -> stored -> published -> seen

In: micro-batches of records (step 1), ticks of the clock, model cards and commands. Out: rows for
ClickHouse, alert moves and rejections for Kafka, at each commit. The worker and the backtest run
this same pipeline with another source, store and publisher. Never: a thread of its own, a poll, a
sleep.

Beside the steps: who is known (`census`), which versions are tested (`versions`), from where cards
and commands act (`boundaries`), what is saved and how it comes back (`snapshots`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from monitor.boundaries import Boundaries
from monitor.broker import Membership, Partition
from monitor.census import Census
from monitor.clock import Clock
from monitor.config import EscalationSettings, TopicSettings
from monitor.escalation import Escalation
from monitor.events import PredictionColumns, Record, Validated
from monitor.findings import Finding, span_of_event
from monitor.judging.judge import Judge
from monitor.labelled import Labelled
from monitor.notes import note_alerts, note_commit, note_rows, note_state, note_validated
from monitor.publishing.alert_event import alert_records
from monitor.publishing.outgoing import Outgoing, Publisher
from monitor.publishing.rejection import rejection_records
from monitor.restoring import Saved
from monitor.roster import Roster
from monitor.sealed import SealedCohorts
from monitor.snapshots import Snapshots
from monitor.storage.refusal import refused_before
from monitor.storage.store import Store, StoreBatch, StoredUntil
from monitor.succession import parts
from monitor.telemetry import Telemetry
from monitor.tracing import traced
from monitor.validation.punctuality import Punctuality
from monitor.validation.validator import Validator
from monitor.version_monitor import VersionMonitor
from monitor.versions import Versions, Watched, version_of
from monitor.windows.panes import Chunk
from monitor.work import Commit, Desk
from schemas import ModelCard

MOST_WOKEN = 20
"""So many models a tick at most are woken because nothing has been heard of them."""

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


class Pipeline:
    """Takes batches, ticks, cards and commands; keeps what they cause until `commit`."""

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
        escalation: EscalationSettings | None = None,
    ) -> None:
        self._validator = validator
        self._roster = roster
        self._judge = judge
        self._store = store
        self._publisher = publisher
        self._topics = topics
        self._telemetry = telemetry
        self._punctuality = Punctuality(telemetry)
        self._census = Census(clock, unregistered_limit)
        self._desk = Desk(judge, telemetry, roster.policies)
        self._labelled = Labelled(roster, store, topics, self._pending)
        self._snapshots = Snapshots(topics, self._census, roster, judge, self._labelled)
        self._boundaries = Boundaries(
            topics, self._census, roster, judge, self._snapshots, validator, telemetry, self._desk
        )
        self._versions = Versions(
            *(self._census, roster, self._snapshots, self._boundaries, telemetry, self._desk),
            labelled=self._labelled,
        )
        self._sealed = SealedCohorts(self._labelled, judge, self._snapshots, telemetry, self._desk)
        self._escalation = Escalation(
            escalation or EscalationSettings(), clock, self._census, roster, judge
        )
        self._commit: Commit | None = None
        self._stored: tuple[StoredUntil, ...] = ()

    def on_card(self, card: ModelCard) -> None:
        """A model version is registered, its card has changed, or its profile may be there.

        Of a version that has sent events the card acts from the next commit on.
        """
        self._boundaries.put_card(card)

    def on_commands(self, records: Sequence[Record]) -> None:
        """What people decided about alerts; it acts from the next commit on."""
        self._boundaries.put_commands(records)

    def on_batch(self, records: Sequence[Record]) -> None:
        """Steps 2 to 5 for a micro-batch; its rows and moves wait for `commit`.

        Raises StorageError before anything has changed, where a profile cannot be asked for.
        """
        if not records:
            return
        first = records[0]
        with traced({(first.topic, first.partition): first.offset}):
            self._on_batch(records)

    def _on_batch(self, records: Sequence[Record]) -> None:
        if not self._snapshots.replaying:
            self._take(*self._prepared(records))
            return
        again = [record for record in records if self._snapshots.was_committed(record)]
        new = [record for record in records if not self._snapshots.was_committed(record)]
        known = self._prepared(again, silent=True), self._prepared(new)
        work = self._desk.cleared()
        self._take(*known[0], silent=True)
        work.moves_again += self._desk.work.moves
        work.baselines += self._desk.work.baselines
        self._desk.work = work
        self._take(*known[1])

    def on_tick(self, behind: Collection[Partition] = ()) -> None:
        """What only the clock can see: a model whose events, or whose labels, have stopped.

        Of a model on a partition that is `behind` (paused, or with records still to be read),
        nobody can say that it is silent.
        """
        awake = self._roster.awake()
        self._telemetry.models.keep(awake)
        least_minutes, topic = self._roster.least_silence, self._topics.predictions
        quiet = self._census.quiet(least_minutes, topic, behind)
        for model in islice(filter(self._roster.asleep, quiet), MOST_WOKEN):
            self._boundaries.wake(model)
        silent = [*self._census.fallen_silent(quiet, awake)]
        for finding in (*silent, *self._labelled.stopped(behind)):
            self._snapshots.unrepeatable(finding.model)
            self._desk.stated(finding)
        for finding in self._escalation.look():
            self._snapshots.unrepeatable(finding.model)
            self._desk.stated(finding)

    def announce(self, records: Sequence[Outgoing]) -> None:
        """Publish these with the next commit."""
        self._desk.work.notices += records

    @property
    def pending_events(self) -> int:
        """Records taken since the last commit."""
        return self._desk.work.events

    @property
    def alarmed(self) -> bool:
        """Whether an alert has begun to fire since the last commit."""
        return self._desk.work.alarmed

    @property
    def has_work(self) -> bool:
        """Whether a commit would change anything."""
        waits = self._commit is not None or self._boundaries.waiting
        due = self._labelled.is_due
        return waits or due or self._snapshots.pending or self._desk.work.anything

    @property
    def commit_pending(self) -> bool:
        """Whether a commit has begun and must be finished before the next one."""
        return self._commit is not None

    def commit(
        self, offsets: Mapping[Partition, int], membership: Membership, *, snapshot: bool = False
    ) -> None:
        """Make the work since the last commit last; `offsets` are the next ones to read.

        Before it, cards and commands that waited act (from these offsets on).
        1. The rows to ClickHouse, idempotently: their key ends in topic, partition, offset. Valid
           records whose rows are refused for what is in them are rejected.
        2. One Kafka transaction: alert moves, rejections, state (with `snapshot`), offsets.
        3. The rows of the alert moves, boundaries and rulings just published.

        Raises StorageError (from 1 and 3) and BrokerError (from 2): call again, it goes on where
        it stopped, with the offsets that it began with. Raises FencedError (from 2): nothing was
        published; `restore` and begin again from the committed offsets.
        """
        commit = self._commit or self.begin_commit(offsets, snapshot=snapshot)
        with traced(commit.offsets):
            self._finish(commit, membership)

    def _finish(self, commit: Commit, membership: Membership) -> None:
        work = commit.work
        if not commit.rows_stored:
            self.store_rows(commit)  # 1
        if not commit.published:
            self._telemetry.received("publishing", len(commit.records))
            with self._telemetry.timed("publishing"):
                self._publisher.commit(commit.records, commit.offsets, membership)  # 2
            self._telemetry.emitted("publishing", len(commit.records))
            commit.published = True
            note_commit(commit, self._telemetry, self._topics.state)
        with self._telemetry.timed("storage"):
            if moves := work.all_moves():
                self._store.store_alerts(moves)  # 3
            if work.boundaries or work.rulings or work.baselines:
                self._store.store_decisions(work.boundaries, work.rulings, work.baselines)
        note_alerts(self._judge, self._telemetry)
        self._telemetry.untested_versions.set(self._census.troubled)
        self._commit = None

    def begin_commit(self, offsets: Mapping[Partition, int], *, snapshot: bool = False) -> Commit:
        """Fix what a commit holds; whatever is taken from now on belongs to the next one.

        Only one may be on its way: `commit` ends it, whatever offsets it is called with.
        """
        self._commit = self._commit_of(offsets, snapshot=snapshot)
        return self._commit

    def store_rows(self, commit: Commit) -> None:
        """Step 1 of a commit that has begun; raises StorageError.

        It changes nothing but that commit: another thread may do it while batches are taken.
        """
        with traced(commit.offsets), self._telemetry.timed("storage"):
            batch = commit.work.batch()
            new = batch.after(*commit.stored)
            refused = refused_before(batch, commit.stored)
            refused += self._store.store(new)
        note_rows(batch, new, len(refused), self._telemetry)
        commit.records += rejection_records(refused, self._topics.rejections)
        commit.rows_stored = True

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
        recovered = self._snapshots.restore(committed, saved)
        self._census.restore(recovered.models)
        self._labelled.committed(committed)
        for said in recovered.said:
            self._desk.work.moves_again += said.moves
            self._desk.work.boundaries += said.boundaries
            self._desk.work.rulings += said.rulings
            self._desk.work.baselines += said.baselines
        self._boundaries.restored()
        note_state(saved, self._telemetry)
        return recovered.begin

    def forget(self) -> None:
        """Drop uncommitted work, all windows and alerts: the partitions are not ours now."""
        self._desk.cleared()
        self._commit = None
        self._stored = ()
        self._boundaries.forget()
        self._snapshots.forget()
        self._roster.forget()
        self._judge.forget()
        self._census.forget()
        self._labelled.forget()
        self._escalation.forget()
        self._telemetry.forget()

    def _commit_of(self, offsets: Mapping[Partition, int], *, snapshot: bool) -> Commit:
        self._sealed.close()  # steps 4 and 5 for what labels say
        ready = self._snapshots.ready(offsets)
        self._boundaries.act(ready)
        work = self._desk.cleared()
        records = [
            *alert_records(work.moves, self._topics),
            *rejection_records(work.rejected, self._topics.rejections),
            *work.notices,
        ]
        if snapshot or self._snapshots.due(offsets):
            records += self._snapshots.records(ready, offsets, work)
        advanced = self._snapshots.advance(self._boundaries.hold(offsets))
        return Commit(work, records, advanced, self._stored)

    def _prepared(
        self, records: Sequence[Record], *, silent: bool = False
    ) -> tuple[Validated, list[Watched]]:
        validated = self._validated(records, silent=silent)
        groups = validated.predictions
        return validated, [self._versions.watched(columns, silent=silent) for columns in groups]

    def _take(self, validated: Validated, watched: list[Watched], *, silent: bool = False) -> None:
        marked = self._versions.marked(validated.predictions, silent=silent)
        tested = [
            (columns, watch)
            for columns, watch in zip(marked, watched, strict=True)
            if self._versions.begun(columns, watch, silent=silent)
            and isinstance(watch, VersionMonitor)
        ]
        replaced = self._versions.takeovers(marked)
        for columns, monitor in tested:
            version = version_of(columns)
            self._desk.stated(self._census.seen(columns))
            for part, takeover in parts(columns, replaced.pop(version, ())):
                if part is not None:
                    self._watch(part, monitor)
                if takeover is not None:
                    self._versions.replace(version, takeover)
        for version, several in replaced.items():
            for takeover in several:
                self._versions.replace(version, takeover)
        work = self._desk.work
        work.predictions += marked
        work.labels += validated.labels
        for model in self._labelled.take(marked, watched, validated.labels):
            self._snapshots.changed(model)
        work.rejected += validated.rejected
        work.events += len(validated)

    def _validated(self, records: Sequence[Record], *, silent: bool = False) -> Validated:
        self._telemetry.received("validation", len(records))
        with self._telemetry.timed("validation"):
            validated = self._validator.validate(records)
        note_validated(validated, self._telemetry, silent=silent)
        self._punctuality.observe(validated.predictions)
        self._telemetry.emitted("validation", len(records) - len(validated.rejected))
        return validated

    def _watch(self, columns: PredictionColumns, monitor: VersionMonitor) -> None:
        """Steps 3 to 5 for events of one version; whatever fails in them stays in that version."""
        version = version_of(columns)
        try:
            found = self._versions.tested(columns, monitor)
            if found is None:
                return
            columns, monitor = found
            chunks = self._windowed(columns, monitor)
        except Exception as error:  # noqa: BLE001 - the outer guard of one version
            if len(columns) == 1:
                self._versions.quarantine(version, span_of_event(columns, 0), error)
                return
            for row in range(len(columns)):  # which one it is must not depend on the batch
                self._watch(columns.rows(np.array([row])), monitor)
            return
        for chunk in chunks:
            try:
                self._desk.work.keep(monitor.summary(chunk))
                self._tested(chunk, monitor)
            except Exception as error:  # noqa: BLE001 - the outer guard of one version
                self._versions.quarantine(version, monitor.pane_begin(chunk), error)
                return

    def _pending(self) -> list[StoreBatch]:
        """Rows that the store may not have got yet."""
        commit = self._commit
        begun = [] if commit is None or commit.rows_stored else [commit.work.batch()]
        return [*begun, self._desk.work.batch()]

    def _windowed(self, columns: PredictionColumns, monitor: VersionMonitor) -> Iterator[Chunk]:
        self._telemetry.received("windows", len(columns))
        repeated = int(np.count_nonzero(columns.repeated))
        self._telemetry.emitted("windows", len(columns) - repeated)
        if repeated:
            self._telemetry.dropped("windows", "repeated", repeated)
        with self._telemetry.timed("windows"):
            return monitor.windowed(columns)

    def _tested(self, chunk: Chunk, monitor: VersionMonitor) -> None:
        """What was found before a fault counts."""
        findings: list[Finding] = []
        self._telemetry.received("tests", chunk.codes.shape[1])
        try:
            with self._telemetry.timed("tests"):
                findings.extend(monitor.tested(chunk))
        finally:
            self._telemetry.emitted("tests", len(findings))
            self._desk.judged(findings, monitor.policy, monitor.cause, monitor.rebased.note)
        self._desk.work.baselines += monitor.closed(chunk)

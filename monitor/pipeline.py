"""The page to read: the eight steps, in their order, and the one commit.

    event in -> validated -> windowed -> tested -> judged -> stored -> published -> seen

In: micro-batches of records (step 1), ticks of the clock, model cards and commands. Out: rows for
ClickHouse, alert moves and rejections for Kafka, at each commit. The worker and the backtest run
this same pipeline with another source, store and publisher. Never: a thread, a poll, a sleep.

Beside the steps: who is known (`census`), from where cards and commands act (`boundaries`), which
version has taken over (`succession`), what is saved and how it comes back (`snapshots`).
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from monitor.boundaries import Boundaries
from monitor.broker import Membership, Partition
from monitor.census import Census, Standing
from monitor.checks.registration import registration
from monitor.clock import Clock
from monitor.config import TopicSettings
from monitor.decisions import Change
from monitor.errors import StorageError
from monitor.events import PredictionColumns, Record, Validated
from monitor.findings import Finding, Measurement, Span, span_of_event
from monitor.judging.judge import Judge, Policy
from monitor.publishing.alert_event import alert_records
from monitor.publishing.outgoing import Publisher
from monitor.publishing.rejection import rejection_records
from monitor.restoring import Saved
from monitor.roster import UNTESTABLE, Roster, VersionKey, VersionMonitor
from monitor.snapshots import Snapshots
from monitor.storage.refusal import refused_before
from monitor.storage.store import REFUSED, Store, StoredUntil
from monitor.succession import Takeover, live, parts, takeovers
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
    ) -> None:
        self._validator = validator
        self._roster = roster
        self._judge = judge
        self._store = store
        self._publisher = publisher
        self._topics = topics
        self._telemetry = telemetry
        self._census = Census(clock, unregistered_limit)
        self._snapshots = Snapshots(topics, self._census, roster, judge)
        self._boundaries = Boundaries(
            topics, self._census, roster, judge, self._snapshots, validator, telemetry
        )
        self._work = Work()
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
        if not self._snapshots.replaying:
            self._take(*self._prepared(records))
            return
        again = [record for record in records if self._snapshots.was_committed(record)]
        new = [record for record in records if not self._snapshots.was_committed(record)]
        known = self._prepared(again, silent=True), self._prepared(new)
        work, self._work = self._work, Work()
        self._take(*known[0], silent=True)
        work.moves_again += self._work.moves
        self._work = work
        self._take(*known[1])

    def on_tick(self, behind: Collection[Partition] = ()) -> None:
        """What only the clock can see: a model whose events have stopped.

        Of a model on a partition that is `behind` (paused, or with records still to be read),
        nobody can say that it is silent.
        """
        active, topic = self._roster.active(), self._topics.predictions
        for finding in self._census.fallen_silent(active, topic, behind):
            self._snapshots.unrepeatable(finding.model)
            self._judged([finding], _AT_ONCE)

    @property
    def pending_events(self) -> int:
        """Records taken since the last commit."""
        return self._work.events

    @property
    def has_work(self) -> bool:
        """Whether a commit would change anything."""
        work = self._work
        waiting = work.moves or work.moves_again or work.boundaries or work.rulings or self._commit
        unsaved = self._snapshots.pending or self._boundaries.waiting
        return work.events > 0 or bool(waiting) or unsaved

    @property
    def commit_pending(self) -> bool:
        """Whether a commit has begun and must be finished before the next batch."""
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

        Raises StorageError (from 1 and 3) and BrokerError (from 2): call again before the next
        batch, it goes on where it stopped, with the offsets that it began with. Raises FencedError
        (from 2): nothing was published; `restore` and begin again from the committed offsets.
        """
        if self._commit is None:
            self._commit = self._commit_of(offsets, snapshot=snapshot)
        commit, work = self._commit, self._commit.work
        if not commit.rows_stored:
            with self._telemetry.timed("storage"):
                batch = work.batch()
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
            for move in work.moves:
                if move.published:
                    log.info("%s: %s", move, move.reason)
        with self._telemetry.timed("storage"):
            if moves := [move for move in work.all_moves() if not move.told_again]:
                self._store.store_alerts(moves)  # 3
            if work.boundaries or work.rulings:
                self._store.store_decisions(work.boundaries, work.rulings)
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
        recovered = self._snapshots.restore(committed, saved)
        self._census.restore(recovered.models)
        self._boundaries.restored()
        for said in recovered.said:
            self._work.moves_again += said.moves
            self._work.boundaries += said.boundaries
            self._work.rulings += said.rulings
        for version in sorted(self._judge.windowed() - self._roster.active().keys()):
            span = self._census.models[version[0]].last_span
            if span is not None:
                policy = self._roster.policies(version[0]).get(version[1], Policy())
                reason = "its windows could not be restored: they start anew"
                self._work.moves += self._judge.supersede(version, reason, span, policy)
                self._snapshots.unrepeatable(version[0])
        return recovered.begin

    def forget(self) -> None:
        """Drop uncommitted work, all windows and alerts: the partitions are not ours now."""
        self._work = Work()
        self._commit = None
        self._stored = ()
        self._boundaries.forget()
        self._snapshots.forget()
        self._roster.forget()
        self._judge.forget()
        self._census.forget()

    def _commit_of(self, offsets: Mapping[Partition, int], *, snapshot: bool) -> Commit:
        ready = self._snapshots.ready(offsets)
        self._boundaries.act(ready, self._work, lambda ended: self._judged([ended], _AT_ONCE))
        work, self._work = self._work, Work()
        records = [
            *alert_records(work.moves, self._topics),
            *rejection_records(work.rejected, self._topics.rejections),
        ]
        if snapshot or self._snapshots.due(offsets):
            records += self._snapshots.records(ready, work)
        return Commit(work, records, self._snapshots.advance(self._boundaries.hold(offsets)))

    def _prepared(
        self, records: Sequence[Record], *, silent: bool = False
    ) -> tuple[Validated, list[_Watched]]:
        validated = self._validated(records)
        return validated, [self._watched(columns, silent) for columns in validated.predictions]

    def _take(self, validated: Validated, watched: list[_Watched], *, silent: bool = False) -> None:
        marked = self._marked(validated.predictions, silent)
        tested = [
            (columns, watch)
            for columns, watch in zip(marked, watched, strict=True)
            if self._begun(columns, watch, silent) and isinstance(watch, VersionMonitor)
        ]
        replaced = self._takeovers(marked)
        for columns, monitor in tested:
            version = _version(columns)
            self._seen(columns)
            for part, takeover in parts(columns, replaced.pop(version, ())):
                if part is not None:
                    self._watch(part, monitor)
                if takeover is not None:
                    self._replace(version, takeover)
        for version, several in replaced.items():
            for takeover in several:
                self._replace(version, takeover)
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

    def _watched(self, columns: PredictionColumns, silent: bool) -> _Watched:
        version = _version(columns)
        standing = self._census.standing(*version)
        if standing is None:
            if silent:
                return None
        elif standing.trouble or (standing.replaced and not live(columns).any()):
            return None
        if not columns.registered:
            reason = (
                f"{' '.join(version)} sends events but has no card: they are stored and not "
                "tested; run `plumbline register`"
            )
            return registration("unregistered", trouble=True, reason=reason)
        try:
            return self._roster.monitor(*version)
        except UNTESTABLE as error:
            return registration("profile_missing", trouble=True, reason=str(error))
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault in one version stays there
            return self._failure(version, error)

    def _begun(self, columns: PredictionColumns, watch: _Watched, silent: bool) -> bool:
        """Whether events of a version may be tested; the first one makes its card act."""
        version, state = _version(columns), self._census.models.get(columns.model)
        if isinstance(watch, Measurement):
            self._judged(self._untestable(columns, watch), _AT_ONCE)
            return False
        if state is None or not columns.registered:
            return False
        standing = state.versions.get(columns.model_version)
        if standing is None:
            if silent:
                return False
            standing = state.versions[columns.model_version] = Standing()
            self._boundaries.begin(version, span_of_event(columns, 0), self._work)
        return standing.trouble is None

    def _untestable(self, columns: PredictionColumns, trouble: Measurement) -> list[Finding]:
        """Raised once for a version, at its first event; so many at most."""
        version, first = _version(columns), span_of_event(columns, 0)
        standing = self._census.standing(*version)
        if standing is not None and standing.trouble is not None:
            return []
        finding = None
        if columns.model in self._census.models:
            finding = self._census.raise_trouble(version, first, trouble)
        if finding is None:
            self._telemetry.dropped("tests", "unregistered_limit", len(columns))
            return []
        if not self._roster.begun(*version):
            self._boundaries.begin(version, first, self._work)
        self._snapshots.unrepeatable(columns.model)
        return [finding]

    def _marked(self, groups: Sequence[PredictionColumns], silent: bool) -> list[PredictionColumns]:
        kept = [self._kept(columns, silent) for columns in groups]
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

    def _kept(self, columns: PredictionColumns, silent: bool) -> bool:
        """Whether anything is remembered of a model."""
        model = columns.model
        if model not in self._census.models:
            if silent or not self._census.admit(columns):
                return False
            self._snapshots.unrepeatable(model)
        if self._census.moved(columns):
            self._snapshots.moved(model)
        self._snapshots.changed(model)
        return True

    def _seen(self, columns: PredictionColumns) -> None:
        silence_ended = self._census.seen(columns)
        if silence_ended is not None:
            self._judged([silence_ended], _AT_ONCE)

    def _takeovers(self, groups: Sequence[PredictionColumns]) -> dict[VersionKey, list[Takeover]]:
        by_model: defaultdict[str, list[PredictionColumns]] = defaultdict(list)
        for columns in groups:
            by_model[columns.model].append(columns)
        found: dict[VersionKey, list[Takeover]] = {}
        for model, of_model in by_model.items():
            state = self._census.models.get(model)
            if state is not None and len(state.versions) > 1:
                several = takeovers(state, of_model, self._roster.acting)
                found |= {(model, version): ends for version, ends in several.items()}
        return found

    def _replace(self, version: VersionKey, takeover: Takeover) -> None:
        if self._census.replace(version):
            change, words = Change.REPLACED, takeover.reason
            self._boundaries.end(version, change, takeover.span, words, self._work)

    def _watch(self, columns: PredictionColumns, monitor: VersionMonitor) -> None:
        """Steps 3 to 5 for events of one version; whatever fails in them stays in that version."""
        version, standing = _version(columns), self._census.standing(*_version(columns))
        if standing is None or standing.trouble is not None:
            return
        if standing.replaced:
            rows = np.flatnonzero(live(columns))
            if not rows.size:
                self._roster.drop(*version)
                return
            columns = columns.rows(np.arange(rows[0], len(columns)))
            standing.replaced = False
            self._boundaries.begin(version, span_of_event(columns, 0), self._work)
        try:
            monitor = self._roster.active().get(version) or self._roster.renew(monitor)
            chunks = self._windowed(columns, monitor)
        except Exception as error:  # noqa: BLE001 - the outer guard of one version
            if len(columns) == 1:
                self._quarantine(version, span_of_event(columns, 0), error)
                return
            for row in range(len(columns)):  # which one it is must not depend on the batch
                self._watch(columns.rows(np.array([row])), monitor)
            return
        for chunk in chunks:
            try:
                self._work.panes += monitor.summaries(chunk)
                self._test(chunk, monitor)
            except Exception as error:  # noqa: BLE001 - the outer guard of one version
                self._quarantine(version, monitor.pane_begin(chunk), error)
                return

    def _windowed(self, columns: PredictionColumns, monitor: VersionMonitor) -> Iterator[Chunk]:
        self._telemetry.received("windows", len(columns))
        repeated = int(np.count_nonzero(columns.repeated))
        if repeated:
            self._telemetry.dropped("windows", "repeated", repeated)
        with self._telemetry.timed("windows"):
            return monitor.windowed(columns)

    def _test(self, chunk: Chunk, monitor: VersionMonitor) -> None:
        """What was found before a fault counts."""
        findings: list[Finding] = []
        try:
            with self._telemetry.timed("tests"):
                findings.extend(monitor.tested(chunk))
        finally:
            self._telemetry.emitted("tests", len(findings))
            self._judged(findings, monitor.policy)

    def _judged(self, findings: list[Finding], policy: Policy) -> None:
        if findings:
            self._work.findings += findings
            with self._telemetry.timed("judging"):
                moves = self._judge.judge(findings, policy)
            self._work.moves += moves
            self._telemetry.emitted("judging", len(moves))

    def _quarantine(self, version: VersionKey, at: Span, error: Exception) -> None:
        """Test a version no further until its card changes; its events are stored all the same."""
        trouble = self._failure(version, error)
        finding = self._census.raise_trouble(version, at, trouble, bounded=False)
        self._boundaries.end(version, Change.QUARANTINED, at, trouble.reason, self._work)
        if finding is not None:
            self._judged([finding], _AT_ONCE)

    def _failure(self, version: VersionKey, error: Exception) -> Measurement:
        self._telemetry.errors.labels(type(error).__name__).inc()
        log.error("testing %s %s failed", *version, exc_info=error)
        reason = (
            f"testing {' '.join(version)} failed ({type(error).__name__}): its events are stored "
            "and not tested until its card changes; the worker's log says where"
        )
        return registration("monitor_error", trouble=True, reason=reason)


def _version(columns: PredictionColumns) -> VersionKey:
    return columns.model, columns.model_version

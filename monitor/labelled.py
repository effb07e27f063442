"""Labels and versions: one performance watch a model, and what its closed cohorts say.

In: the predictions and labels of each batch, in their partitions' order; which versions are
replaced. Out: at a commit, closed cohorts with their findings, each once. Never: a number that
depends on the batches, on a clock, or on how far one partition was read before the other.

A cohort that was closed before a restart is closed again in silence: it was where both of its
offsets lie below the committed ones.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from monitor.alerts import AlertMove, AlertState
from monitor.breakdowns import Breakdowns
from monitor.broker import Partition
from monitor.closings import Closing, Ended, StoredCohorts, Turn, WatchedModel, span_of
from monitor.config import TopicSettings
from monitor.detectors.budget import Share
from monitor.errors import ConfigError, ProfileError, StateError, StorageError
from monitor.events import LabelColumns, PredictionColumns
from monitor.findings import Finding, Span, Verdict, finding_of
from monitor.judging.policy import Policy
from monitor.label_checks import label_measurements
from monitor.performance.blocks import BLOCK_ROWS
from monitor.performance.calendar import LabelClock, Passed
from monitor.performance.drifts import Drift
from monitor.performance.report import CohortReport
from monitor.performance.verdicts import chain_measurement, regressed_measurement
from monitor.performance.watch import PerformanceWatch
from monitor.roster import Roster, VersionKey
from monitor.storage.cohort_rows import PendingRows
from monitor.storage.store import Store, StoreBatch
from monitor.version_monitor import VersionMonitor
from schemas import ModelCard

SEQUENTIAL_TESTS: Final = 5
"""Worse than the baseline, promises too high, promises too low, loss that could be saved,
disparities: they share the budget."""
MOST_TURNS: Final = 100
"""Replacements and returns of a version that wait for a cohort; a model without labels has none."""
MOST_STRANGERS: Final = 10_000
"""Models without a prediction so far whose first label is remembered."""
MALFORMED: Final = (
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    AttributeError,
    StateError,
    ConfigError,
    ProfileError,
)
"""What reading a state raises that is not of the form that was written."""

log = logging.getLogger(__name__)


class Labelled:
    """The performance watches of the models on this worker's partitions.

    Parameters
    ----------
    pending
        The batches whose rows the store has not got yet.
    """

    def __init__(
        self,
        roster: Roster,
        store: Store,
        topics: TopicSettings,
        pending: Callable[[], Sequence[StoreBatch]],
    ) -> None:
        self._roster = roster
        self._store = store
        self._topics = topics
        self._pending = pending
        self._rows = PendingRows()
        """Rows on their way while cohorts are closed."""
        self._models: dict[str, WatchedModel] = {}
        self._breakdowns = Breakdowns()
        self._unmeasurable: set[VersionKey] = set()
        """Versions whose card does not allow a measurement; said once."""
        self._clocks: defaultdict[int, LabelClock] = defaultdict(LabelClock)
        """Of the labels partitions."""
        self._first: dict[str, tuple[int, int, int]] = {}
        """Model to (partition, what its clock showed, when observed) of its first label, while it
        has no watch."""
        self._labelled: defaultdict[int, dict[str, None]] = defaultdict(dict)
        """Labels partition to the models that have had a label."""
        self._committed: Mapping[Partition, int] = {}
        """The offsets committed before the restart."""

    def take(
        self,
        groups: Sequence[PredictionColumns],
        watched: Sequence[object],
        labels: Sequence[LabelColumns],
    ) -> set[str]:
        """Take a batch: predictions, what they are tested by, and labels.

        Gives the models whose state has changed though they may have had no prediction.
        """
        by_model: defaultdict[str, list[PredictionColumns]] = defaultdict(list)
        for columns, monitor in zip(groups, watched, strict=True):
            if isinstance(monitor, VersionMonitor):
                self._put(columns, monitor)
            if columns.model in self._models:
                by_model[columns.model].append(columns)
        for model, its_groups in by_model.items():
            self._models[model].watch.on_predictions(its_groups)
        by_partition: defaultdict[int, list[LabelColumns]] = defaultdict(list)
        for truths in labels:
            by_partition[truths.partition].append(truths)
        changed: set[str] = set()
        for number, its_labels in by_partition.items():
            changed |= self._pass(number, its_labels)
        return changed

    def moved(self, moves: Iterable[AlertMove]) -> None:
        """Note when alerts of drift fired and ended; what was noted before changes nothing."""
        self._breakdowns.moved(moves)

    def drifted(self, version: VersionKey, drift: Drift, state: AlertState) -> None:
        """The same, of one stored move."""
        self._breakdowns.drifted(version, drift, state)

    def replaced(self, version: VersionKey, span: Span, reason: str) -> None:
        """Another version has taken over from this one at an event."""
        self._turned(version, Turn(span.last_offset, True, span, reason))

    def back(self, version: VersionKey, span: Span) -> None:
        """A replaced version answers live again from an event on."""
        self._turned(version, Turn(span.first_offset, False, span, ""))

    @property
    def is_due(self) -> bool:
        """Whether any cohort can be closed."""
        return any(self._models[model].watch.cohorts.is_due for model in self._with_labels())

    def close(self) -> Iterator[Closing | Ended]:
        """Close what is due.

        Raises StorageError: call again, nothing is lost and nothing that was given comes twice.
        """
        self._rows = PendingRows(self._pending())
        try:
            yield from self._closed()
        finally:
            self._rows = PendingRows()

    def _closed(self) -> Iterator[Closing | Ended]:
        for model in self._with_labels():
            if not self._models[model].watch.cohorts.is_due:
                continue
            try:
                yield from self._closed_of(model, self._models[model])
            except StorageError:
                raise
            except Exception:  # the outer guard of one model: what its labels say starts anew
                log.exception("measuring %s failed: its cohorts start anew", model)
                self.drop(model)

    def _closed_of(self, model: str, kept: WatchedModel) -> Iterator[Closing | Ended]:
        profiles = {name: self._roster.profile(model, name) for name in kept.watch.versions}
        for report in kept.watch.close_due():
            silent = self._is_silent(report)
            yield from self._ended(kept, report, silent)
            version = report.model_version
            profile, card = profiles[version], self._roster.acting(model, version)
            told = self._breakdowns.add(
                report, kept.watch.known(version), profile, kept.watch.features, kept.blocks
            )
            measured = [*report.measurements, *told.measurements]
            if card is not None and profile is not None:
                seen = kept.leaks.setdefault(version, {})
                measured += label_measurements(report, card, profile, seen)
            if report.verdict is not None and report.verdict.rollback_recommended:
                measured.append(regressed_measurement(report.verdict))
            span = span_of(report)
            findings = [finding_of((model, version), span, one) for one in measured]
            if report.chain is not None:
                chain = chain_measurement(report.chain)
                findings.append(finding_of((model, report.chain.last), span, chain))
            findings = [one for one in findings if one.model_version not in kept.replaced]
            if version not in kept.replaced:
                kept.last = (version, span)
            policy = self._policy(model, version)
            yield Closing(report, told.segments, findings, told.cause, policy, silent)

    def stopped(self, behind: Collection[Partition]) -> Iterator[Finding]:
        """For the clock: models whose labels have stopped, or come again, each said once.

        Not of a model one of whose partitions is `behind`.
        """
        for model in self._with_labels():
            kept = self._models[model]
            places = [(t, kept.partition) for t in (self._topics.predictions, self._topics.labels)]
            if not kept.last or any(place in behind for place in places):
                continue
            said = kept.watch.labels_stopped(self._clocks[kept.partition].now_us)
            found = said.verdict is Verdict.DRIFT
            if found is not kept.stopped:
                kept.stopped = found
                version, span = kept.last
                yield finding_of((model, version), span, said, clock=True)

    def drop(self, model: str) -> None:
        """A model's events come from another partition: it starts anew."""
        kept = self._models.pop(model, None)
        self._breakdowns.drop(model)
        if kept is not None:
            self._labelled[kept.partition].pop(model, None)

    def forget(self) -> None:
        """Know nobody: the partitions are not ours now."""
        self._models.clear()
        self._breakdowns.forget()
        self._unmeasurable.clear()
        self._clocks.clear()
        self._first.clear()
        self._labelled.clear()
        self._committed = {}

    def state(self, model: str) -> dict[str, Any] | None:
        """What is kept of a model, as plain values and arrays."""
        kept = self._models.get(model)
        if kept is None:
            return None
        return {"breakdowns": self._breakdowns.state(model), **kept.state()}

    def partition_state(self, partition: int) -> dict[str, Any]:
        """What is kept of a labels partition."""
        first = {m: [*one[1:]] for m, one in self._first.items() if one[0] == partition}
        return {
            "clock": self._clocks[partition].state(),
            "first": first,
            "labelled": list(self._labelled[partition]),
        }

    def restore_partition(self, partition: int, saved: Mapping[str, Any]) -> None:
        """Take up what `partition_state` gave; StateError where it has another form."""
        self._clocks[partition].restore(saved["clock"])
        for model, (before_us, observed_us) in saved["first"].items():
            self._first[str(model)] = (partition, int(before_us), int(observed_us))
        self._labelled[partition] = dict.fromkeys(map(str, saved["labelled"]))

    def restore(self, model: str, partition: int, saved: Mapping[str, Any]) -> None:
        """Take up what `state` gave; what cannot be read is logged and starts anew."""
        try:
            cards = [self._roster.acting(model, str(name)) for name in saved["versions"]]
            first, *others = [card for card in cards if card is not None]
            traffic, blocks = float(saved["events_per_day"]), float(saved["blocks"])
            kept = self._begin(first, partition, traffic, blocks)
            for card in others:
                kept.watch.put(card)
            kept.restore(saved)
            self._breakdowns.restore(model, saved.get("breakdowns", {}))
        except MALFORMED as error:
            log.error("what labels say of %s starts anew: %r", model, error)
            self.drop(model)

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """After a restart: the offsets up to which everything was published before."""
        self._committed = dict(offsets)

    def _put(self, columns: PredictionColumns, monitor: VersionMonitor) -> None:
        """Let a version be measured from its first prediction on, and by its newest acting card."""
        model, version, card = columns.model, columns.model_version, monitor.card
        if (model, version) in self._unmeasurable:
            return
        kept = self._models.get(model)
        if kept is not None and kept.watch.card(version) is card:
            return
        known = kept is not None and kept.watch.knows(version)
        try:
            if kept is None:
                share = monitor.battery.spent["performance"]
                traffic = card.monitoring.events_per_day or monitor.profile.events_per_day
                kept = self._begin(card, columns.partition, traffic, _blocks(share))
            kept.watch.put(card, None if known else kept.watch.reference(monitor.profile))
        except (ConfigError, ProfileError) as error:
            self._unmeasurable.add((model, version))
            log.warning("%s %s is tested but not measured: %s", model, version, error)

    def _begin(
        self, card: ModelCard, partition: int, traffic: float, blocks: float
    ) -> WatchedModel:
        stored = StoredCohorts(card.model, partition, self._store, self._topics, lambda: self._rows)
        watch = PerformanceWatch(card, stored, events_per_day=traffic, blocks_between_alarms=blocks)
        kept = self._models[card.model] = WatchedModel(watch, partition, traffic, blocks)
        first = self._first.pop(card.model, None)
        if first is not None and first[0] == partition:
            watch.cohorts.on_first_label(*first[1:])
            watch.cohorts.on_labels(self._clocks[partition].past())
            self._labelled[partition][card.model] = None
        return kept

    def _pass(self, number: int, groups: Sequence[LabelColumns]) -> set[str]:
        """Labels of one partition go by its clock; the models whose state that changed."""
        passed = self._clocks[number].pass_labels(groups)
        changed = {columns.model for columns in groups if self._first_label(columns, passed)}
        for model in self._labelled[number]:
            kept = self._models.get(model)
            if kept is not None and kept.watch.cohorts.on_labels(passed):
                changed.add(model)
        return changed

    def _first_label(self, columns: LabelColumns, passed: Passed) -> bool:
        """Note a model's first label ever; whether it has a watch that takes it."""
        model, number = columns.model, columns.partition
        if model in self._labelled[number] or model in self._first:
            return False
        before_us = int(passed.before_at(columns.offsets[:1])[0])
        observed_us = int(min(columns.observed_us[0], columns.appended_us[0]))
        kept = self._models.get(model)
        if kept is not None and kept.partition == number:
            kept.watch.cohorts.on_first_label(before_us, observed_us)
            self._labelled[number][model] = None
            return True
        if kept is None and len(self._first) < MOST_STRANGERS:
            self._first[model] = (number, before_us, observed_us)
        return False

    def _with_labels(self) -> list[str]:
        return [
            model for models in self._labelled.values() for model in models if model in self._models
        ]

    def _is_silent(self, report: CohortReport) -> bool:
        ref, number = report.cohort.ref, report.partition
        below = self._committed.get((self._topics.predictions, number), 0)
        labels_below = self._committed.get((self._topics.labels, number), 0)
        return ref.answers_below <= below and ref.truths_below <= labels_below

    def _turned(self, version: VersionKey, turn: Turn) -> None:
        kept = self._models.get(version[0])
        if kept is not None:
            turns = kept.turns.setdefault(version[1], [])
            turns.append(turn)
            del turns[:-MOST_TURNS]

    def _ended(self, kept: WatchedModel, report: CohortReport, silent: bool) -> Iterator[Ended]:
        """Replacements that lie before the end of a cohort."""
        for name, turns in kept.turns.items():
            while turns and turns[0].offset < report.cohort.ref.answers_below:
                turn = turns.pop(0)
                if turn.replaced:
                    kept.replaced.add(name)
                    policy = self._policy(report.model, name)
                    yield Ended((report.model, name), turn.span, turn.reason, policy, silent)
                else:
                    kept.replaced.discard(name)

    def _policy(self, model: str, version: str) -> Policy:
        card = self._roster.acting(model, version)
        return Policy() if card is None else Policy.of(card, 0)


def _blocks(share: Share) -> float:
    """Blocks between false alarms of each sequential test."""
    return SEQUENTIAL_TESTS / (share.false_alarms_per_event * BLOCK_ROWS)

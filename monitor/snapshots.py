"""When the state is saved and what of it, and the way back to it.

In: which models changed, the offsets of a commit; after a restart the saved state and the group's
offsets. Out: state records; the offset from which to read, and up to which the events only bring
the state up to date ("in silence"). Never: a partition saved while it is behind its own commit.

Facts that the log alone does not tell (which card acts, what the clock or a person said) are
`unrepeatable`: the commit that first holds one saves the state. So between a saved state and the
committed offset nothing but events happened, and taking them again gives what was published.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.broker import Partition
from monitor.census import Census, ModelState
from monitor.config import TopicSettings
from monitor.events import Record
from monitor.judging.judge import Judge
from monitor.labelled import Labelled
from monitor.publishing.outgoing import Outgoing
from monitor.restoring import Said, Saved, left_behind
from monitor.roster import Roster, VersionKey
from monitor.state import StateBook
from monitor.version_monitor import VersionMonitor
from monitor.work import Work

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """What was found at a new beginning."""

    begin: dict[Partition, int]
    """From which offsets to read."""
    models: dict[str, ModelState] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)


class Snapshots:
    """Which partitions and models are saved up to where."""

    def __init__(
        self,
        topics: TopicSettings,
        census: Census,
        roster: Roster,
        judge: Judge,
        labelled: Labelled,
    ) -> None:
        self._topic = topics.predictions
        self._labels = topics.labels
        self._labelled = labelled
        self._census = census
        self._roster = roster
        self._judge = judge
        self._book = StateBook(topics.state)
        self._changed: set[str] = set()
        """Models that have had events since the last snapshot."""
        self._save_now = False
        """Whether something happened that the log alone does not repeat."""
        self._saved: set[int] = set()
        """Predictions partitions that have a state: without one, offsets must not be committed."""
        self._silent_until: dict[Partition, int] = {}
        """Offsets up to which records only bring the state up to date."""

    @property
    def pending(self) -> bool:
        """Whether there is anything that is not saved."""
        return bool(self._changed or self._save_now)

    @property
    def replaying(self) -> bool:
        """Whether any partition has still to be brought up to date."""
        return bool(self._silent_until)

    def changed(self, model: str) -> None:
        """A model has had events."""
        self._changed.add(model)

    def unrepeatable(self, model: str | None = None) -> None:
        """Save with the next commit: the log does not tell what happened (to this model)."""
        self._save_now = True
        if model is not None:
            self._changed.add(model)

    def moved(self, model: str) -> None:
        """The events of a model come from another partition: its state moves there."""
        self._book.write_again(model)

    def windows_ended(self, version: VersionKey, monitor: VersionMonitor) -> None:
        """The windows of a version were dropped."""
        self._book.windows_ended(version, monitor)

    def was_committed(self, record: Record) -> bool:
        """Whether a record was taken before the restart."""
        return record.offset < self._silent_until.get((record.topic, record.partition), 0)

    def ready(self, offsets: Mapping[Partition, int]) -> dict[int, int]:
        """The predictions partitions that are up to date with their own commit, with their offset.

        Only of these may the state be saved, and only there does anything act that people decided.
        """
        until = self._silent_until
        return {
            number: offset
            for (topic, number), offset in offsets.items()
            if topic == self._topic
            and offset >= until.get((topic, number), 0)
            and offsets.get((self._labels, number), 0) >= until.get((self._labels, number), 0)
        }

    def advance(self, offsets: Mapping[Partition, int]) -> dict[Partition, int]:
        """The offsets to commit: never behind those that are committed already."""
        reached = self._silent_until
        self._silent_until = {p: n for p, n in reached.items() if offsets.get(p, n - 1) < n}
        return {p: max(n, reached.get(p, 0)) for p, n in offsets.items()}

    def due(self, offsets: Mapping[Partition, int]) -> bool:
        """Whether this commit must save the state."""
        unsaved = any(
            topic == self._topic and number not in self._saved for topic, number in offsets
        )
        return self._save_now or unsaved

    def records(
        self, ready: Mapping[int, int], offsets: Mapping[Partition, int], work: Work
    ) -> list[Outgoing]:
        """The state of the ready partitions, and what of `work` is published with it."""
        records: list[Outgoing] = []
        models = self._census.models
        saved = {model for model in self._changed if models[model].partition in ready}
        for model in sorted(saved):
            state = models[model]
            at = ready[state.partition]
            records += self._book.model_records(
                model, state, at, self._roster, self._judge, self._labelled.state(model)
            )
        for number, offset in sorted(ready.items()):
            records += self._book.partition_records(
                number,
                (offset, offsets.get((self._labels, number), 0)),
                self._labelled.partition_state(number),
                [move for move in work.all_moves() if move.finding.span.partition == number],
                [one for one in work.boundaries if one.partition == number],
                [one for one in work.rulings if one.place.partition == number],
                [one for one in work.baselines if one.accepted.partition == number],
            )
        self._saved |= ready.keys()
        self._changed -= saved
        self._save_now = bool(self._changed) and self._save_now
        return records

    def restore(self, committed: Mapping[Partition, int], saved: Mapping[int, Saved]) -> Recovered:
        """Take up the state of these partitions; see `Pipeline.restore`."""
        found = Recovered(dict(committed))
        known: dict[int, int] = {}
        """Partitions whose state is taken up, with its offset."""
        for number, entries in saved.items():
            partition = (self._topic, number)
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
            known[number] = at
        moved = left_behind(saved, known)
        for number, at in known.items():
            entries, partition = saved[number], (self._topic, number)
            models = self._book.restore(
                number, entries, at, self._roster, self._judge, moved.get(number, ())
            )
            found.models |= models
            self._restore_labelled(number, entries, committed, found, models)
            found.said.append(self._book.said(entries))
            found.begin[partition] = at
            self._saved.add(number)
            self._silent_until[partition] = committed[partition]
        return found

    def _restore_labelled(
        self,
        number: int,
        entries: Saved,
        committed: Mapping[Partition, int],
        found: Recovered,
        models: Mapping[str, ModelState],
    ) -> None:
        """Take up what labels said up to the labels offset of a state."""
        partition = (self._labels, number)
        at = self._book.labels_offset_of(entries)
        until = committed.get(partition)
        if at is None or until is None or at > until:
            if until:
                log.warning("what labels said on partition %d starts anew", number)
            return
        clock, watches = self._book.labelled(entries, models)
        self._labelled.restore_partition(number, clock)
        for model, saved in watches.items():
            self._labelled.restore(model, number, saved)
        found.begin[partition] = at
        self._silent_until[partition] = until

    def forget(self) -> None:
        """Save everything again: the partitions are not ours now."""
        self._book.forget()
        self._changed.clear()
        self._save_now = False
        self._saved.clear()
        self._silent_until.clear()

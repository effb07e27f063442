"""What a worker must know to go on as if it had never stopped, as records of the state topic.

In: the roster's streams and cards, the judge's open alerts, the memory of ids. Out: compact records
under ring keys, each below the broker's limit. Never: an object that the bytes would have to name:
MessagePack, plain values and arrays of three known types (`restoring` reads them back).

Records of a partition (key = MessagePack list):
  ["at"]                               predictions and labels offset that all the others belong to
  ["head", model, part]                open panes, detectors, alerts, newest ids of one model
  ["card", model, version, part]       the card that acts for a version
  ["pane", model, version, slot, part] a closed pane; `slot` is its index in the ring
  ["ids", model, slot, part]           a full block of event ids; ring as well
  ["performance", model, part]         what labels say of one model: open cohorts, running tests
  ["labels", part]                     the clock of the labels partition
  ["said", part]                       what the commit that wrote this published and ruled

A snapshot is written with a commit, but more rarely: the events between the two are taken again
in silence after a restart.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from monitor.alerts import AlertMove
from monitor.census import ModelState
from monitor.config import KafkaSettings
from monitor.decisions import AcceptedTurn, Boundary, Ruling, card_hash
from monitor.intake.follower import TopicFollower
from monitor.judging.judge import Judge
from monitor.judging.record import saved_finding, saved_move
from monitor.packing import pack
from monitor.publishing.outgoing import Outgoing
from monitor.rebasing import saved_accepted
from monitor.restoring import (
    FORMAT,
    Restored,
    Said,
    Saved,
    labelled,
    labels_offset_of,
    offset_of,
    restore,
    said,
    seal,
)
from monitor.roster import Roster, VersionKey
from monitor.version_monitor import VersionMonitor
from monitor.windows.panes import Pane
from schemas import ModelCard

PART_BYTES: Final = 400_000
"""Longer values are cut: no record over 512 kB."""


class StateBook:
    """Writes snapshots and reads them back; remembers what it has written already."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._panes_written: dict[VersionKey, int] = {}
        self._pane_parts: dict[VersionKey, int] = {}
        """Records a pane of a version, where it needs more than one."""
        self._cards_written: dict[VersionKey, tuple[ModelCard | None, str]] = {}
        """The card and its hash."""
        self._blocks_written: dict[str, int] = {}
        self._at_written: dict[int, tuple[tuple[int, int], bool]] = {}
        self._ended: defaultdict[str, list[tuple[VersionKey, int]]] = defaultdict(list)
        """Model to the versions whose panes are of no use any more, with the size of their ring."""

    def partition_records(
        self,
        partition: int,
        offsets: tuple[int, int],
        labels_clock: Mapping[str, Any],
        moves: Sequence[AlertMove],
        boundaries: Sequence[Boundary],
        rulings: Sequence[Ruling],
        baselines: Sequence[AcceptedTurn],
    ) -> list[Outgoing]:
        """To which offsets (of predictions, labels) a state belongs, and what it published with it.

        The rows of these are stored after the commit: a crash between the two cuts them off.
        """
        anything = bool(moves or boundaries or rulings or baselines)
        if self._at_written.get(partition) == (offsets, False) and not anything:
            return []
        self._at_written[partition] = (offsets, anything)
        offset, labels_offset = offsets
        place = {
            "format": FORMAT,
            "offset": offset,
            "labels": labels_offset,
            "seal": seal(b"at", pack([offset, labels_offset])),
        }
        at = self._record(partition, ["at"], pack(place))
        told = {
            "moves": [saved_move(move) for move in moves],
            "boundaries": [asdict(boundary) for boundary in boundaries],
            "rulings": [_saved_ruling(ruling) for ruling in rulings],
        }
        if baselines:
            told["baselines"] = [_saved_turn(turn) for turn in baselines]
        clock = self._parts(partition, ["labels"], labels_clock)
        return [*clock, *self._parts(partition, ["said"], told), at]

    def model_records(
        self,
        model: str,
        state: ModelState,
        offset: int,
        roster: Roster,
        judge: Judge,
        labelled: Mapping[str, Any] | None,
    ) -> list[Outgoing]:
        """The records of one model that has changed since it was last written."""
        partition = state.partition
        records = [
            tombstone
            for version, ring in self._ended.pop(model, [])
            for tombstone in self._tombstones(partition, version, ring)
        ]
        versions, standings = [], []
        for version, standing in state.versions.items():
            mark, written = self._card_records(partition, (model, version), roster)
            records += written
            trouble = saved_finding(standing.trouble) if standing.trouble else None
            standings.append([version, trouble, standing.replaced, standing.since, mark])
            monitor = roster.awake().get((model, version))
            if monitor is not None:
                versions.append(_version_state(version, monitor))
                records += self._pane_records(partition, (model, version), monitor)
            elif (asleep := roster.asleep(model).get(version)) is not None:
                versions.append(dict(asleep.state))  # its panes are on the topic
        recent = roster.recent(model)
        first = self._blocks_written.get(model, 0)
        for number, block in recent.blocks_since(first):
            key = ["ids", model, number % recent.ring]
            records += self._parts(partition, key, {"number": number, "ids": block})
        self._blocks_written[model] = recent.merged
        if labelled is not None:
            records += self._parts(partition, ["performance", model], labelled)
        head = {
            "format": FORMAT,
            "offset": offset,
            "model": model,
            "versions": versions,
            "standings": standings,
            "ids": {"merged": recent.merged, "fresh": recent.fresh()},
            "alerts": judge.state(model),
            "commands": list(state.commands),
            "last_version": state.last_version,
            "last_span": asdict(state.last_span) if state.last_span else None,
            "silent": state.silent,
        }
        return [*records, *self._parts(partition, ["head", model], head)]

    def windows_ended(self, version: VersionKey, monitor: VersionMonitor) -> None:
        """The windows of a version are dropped: its panes leave the topic at the next snapshot."""
        self._panes_written.pop(version, None)
        self._ended[version[0]].append((version, monitor.stream.ring))

    def offset_of(self, saved: Saved) -> int | None:
        """The predictions offset that a partition's state belongs to; None where there is none."""
        return offset_of(saved, f"state on {self._topic}")

    def labels_offset_of(self, saved: Saved) -> int | None:
        """The labels offset that a partition's state belongs to; None where it has none."""
        return labels_offset_of(saved)

    def labelled(
        self, saved: Saved, models: Collection[str]
    ) -> tuple[Mapping[str, Any], dict[str, Mapping[str, Any]]]:
        """The saved clock of a labels partition, and what labels say of these models."""
        return labelled(saved, models)

    def said(self, saved: Saved) -> Said:
        """What was published with the newest state of a partition."""
        return said(saved)

    def restore(
        self,
        partition: int,
        saved: Saved,
        at: int,
        roster: Roster,
        judge: Judge,
        elsewhere: Collection[str],
    ) -> dict[str, ModelState]:
        """Bring one partition's models back, whose state is of predictions offset `at`.

        Not those whose newer state is `elsewhere`.
        """
        restored: Restored = restore(partition, saved, at, roster, judge, elsewhere)
        self._panes_written |= restored.panes
        self._blocks_written |= restored.blocks
        for version, mark in restored.cards.items():
            self._cards_written[version] = (roster.acting(*version), mark)
        for model, name in restored.panes:
            for raw in [*roster.asleep(model)[name].panes.values()][:1]:
                self._pane_parts[model, name] = _part_count(raw)
        return restored.models

    def write_again(self, model: str) -> None:
        """Write all panes, cards and ids of a model at its next snapshot."""
        self._blocks_written.pop(model, None)
        for version in [known for known in self._panes_written if known[0] == model]:
            del self._panes_written[version]
        for version in [known for known in self._cards_written if known[0] == model]:
            del self._cards_written[version]

    def forget(self) -> None:
        """Write everything again at the next snapshot."""
        self._panes_written.clear()
        self._pane_parts.clear()
        self._cards_written.clear()
        self._blocks_written.clear()
        self._at_written.clear()
        self._ended.clear()

    def _card_records(
        self, partition: int, version: VersionKey, roster: Roster
    ) -> tuple[str, list[Outgoing]]:
        """The hash of the card that acts for a version, and the card if it is another one."""
        card = roster.acting(*version)
        written, mark = self._cards_written.get(version, (None, ""))
        if card is None or card is written:
            return mark if card else "", []
        mark = card_hash(card)
        self._cards_written[version] = (card, mark)
        saved = {"hash": mark, "card": card.to_json()}
        return mark, self._parts(partition, ["card", *version], saved)

    def _pane_records(
        self, partition: int, version: VersionKey, monitor: VersionMonitor
    ) -> list[Outgoing]:
        first = self._panes_written.get(version, 0)
        records: list[Outgoing] = []
        for pane in monitor.stream.panes_since(first):
            slot = pane.index % monitor.stream.ring
            parts = self._parts(partition, ["pane", *version, slot], _pane_state(pane))
            self._pane_parts[version] = max(self._pane_parts.get(version, 1), len(parts))
            self._panes_written[version] = pane.index + 1
            records += parts
        return records

    def _tombstones(self, partition: int, version: VersionKey, ring: int) -> list[Outgoing]:
        return [
            Outgoing(self._topic, pack(["pane", *version, slot, part]), None, partition=partition)
            for slot in range(ring)
            for part in range(self._pane_parts.get(version, 1))
        ]

    def _parts(self, partition: int, key: Sequence[Any], value: Any) -> list[Outgoing]:
        packed = pack(value)
        count = _part_count(packed)
        return [
            self._record(
                partition,
                [*key, part],
                _sealed([*key, part], count, packed[part * PART_BYTES : (part + 1) * PART_BYTES]),
            )
            for part in range(count)
        ]

    def _record(self, partition: int, key: Sequence[Any], value: bytes) -> Outgoing:
        return Outgoing(self._topic, pack(list(key)), value, partition=partition)


def saved_state(kafka: KafkaSettings, partitions: Sequence[int]) -> dict[int, dict[bytes, bytes]]:
    """What the state topic holds of each of these partitions; raises BrokerError."""
    pairs: dict[int, list[tuple[bytes | None, bytes | None]]] = {n: [] for n in partitions}
    if partitions:
        follower = TopicFollower(kafka, kafka.topics.state, partitions)
        try:
            for record in follower.read_all():
                pairs[record.partition].append((record.key, record.value))
        finally:
            follower.close()
    return {number: newest(some) for number, some in pairs.items()}


def newest(records: Iterable[tuple[bytes | None, bytes | None]]) -> dict[bytes, bytes]:
    """What compaction would leave of (key, value) pairs in log order."""
    kept: dict[bytes, bytes] = {}
    for key, value in records:
        if key is None:
            continue
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value
    return kept


def _sealed(key: Sequence[Any], count: int, piece: bytes) -> bytes:
    return pack([count, piece, seal(pack(list(key)), piece)])


def _part_count(packed: bytes) -> int:
    return max(1, -(-len(packed) // PART_BYTES))


def _version_state(version: str, monitor: VersionMonitor) -> dict[str, Any]:
    accepted = [saved_accepted(one) for one in monitor.rebased.accepted.values()]
    return {
        "version": version,
        "events": monitor.stream.events,
        "open": monitor.stream.open_part(),
        "battery": monitor.battery.state(),
        "checks": monitor.checks.state(),
        "resends": monitor.resends,
        "faults": [list(fault) for fault in monitor.faults],
        "attributions": monitor.attributions.state(),
        **({"accepted": accepted} if accepted else {}),
    }


def _pane_state(pane: Pane) -> dict[str, Any]:
    return {
        "index": pane.index,
        "span": asdict(pane.span),
        "codes": pane.codes,
        "offsets": pane.offsets,
        "occurred_us": pane.occurred_us,
    }


def _saved_turn(turn: AcceptedTurn) -> dict[str, Any]:
    return {
        "accepted": saved_accepted(turn.accepted),
        "turn": turn.turn.value,
        "offset": turn.offset,
        "at_us": turn.at_us,
        "reason": turn.reason,
    }


def _saved_ruling(ruling: Ruling) -> dict[str, Any]:
    return {
        "command": ruling.command.to_json(),
        "place": asdict(ruling.place),
        "done": ruling.done,
        "effect": ruling.effect,
        "acts_from": ruling.acts_from,
    }

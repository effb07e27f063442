"""What a worker must know to go on as if it had never stopped, as records of the state topic.

In: the roster's streams, the judge's open alerts, the memory of ids; or the records of one
partition read back. Out: compact records under ring keys, each below the broker's limit; or the
same streams again. Never: an object built from what the bytes name: MessagePack, plain values and
arrays of three known types.

Records of a partition (key = MessagePack list):
  ["at"]                               predictions offset that all the others belong to
  ["head", model, part]                open pane, detectors, alerts, newest ids of one model
  ["pane", model, version, slot, part] a closed pane; `slot` is its index in the ring
  ["ids", model, slot, part]           a full block of event ids; ring as well
  ["moves", part]                      alert moves of the commit that wrote this state

A snapshot is written with a commit, but more rarely: the events between the two are taken again
in silence after a restart.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from monitor.alerts import AlertMove, AlertState
from monitor.errors import StateError
from monitor.findings import Finding, Measurement, Span, Verdict
from monitor.judging.judge import Judge
from monitor.packing import pack, unpack
from monitor.publishing.outgoing import Outgoing
from monitor.roster import UNTESTABLE, Roster, VersionKey, VersionMonitor
from monitor.windows.duplicates import RecentIds
from monitor.windows.panes import Pane

FORMAT: Final = 1
PART_BYTES: Final = 400_000
"""Longer values are cut: no record over 512 kB."""
_MALFORMED: Final = (KeyError, IndexError, TypeError, ValueError, AttributeError, StateError)
"""What reading a value raises that is not of the form that was written."""

log = logging.getLogger(__name__)

Saved = Mapping[bytes, bytes]
"""The newest value of every key of one partition."""


@dataclass(slots=True)
class ModelState:
    """What is kept of a model beside its streams."""

    untested: dict[VersionKey, Finding] = field(default_factory=dict)
    """Versions raised as unregistered or without profile."""
    last_version: str = ""
    last_span: Span | None = None
    silent: bool = False
    partition: int = 0
    """Where its events lie; every record of a partition's state lies on the same number."""


class StateBook:
    """Writes snapshots and reads them back; remembers what it has written already."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._panes_written: dict[VersionKey, int] = {}
        self._blocks_written: dict[str, int] = {}
        self._at_written: dict[int, tuple[int, bool]] = {}

    def partition_records(
        self, partition: int, offset: int, moves: Sequence[AlertMove]
    ) -> list[Outgoing]:
        """To which predictions offset a partition's state belongs, and what it published with it.

        The rows of these moves are stored after the commit: a crash between the two cuts them off.
        """
        if self._at_written.get(partition) == (offset, False) and not moves:
            return []
        self._at_written[partition] = (offset, bool(moves))
        at = self._record(partition, ["at"], pack({"format": FORMAT, "offset": offset}))
        return [*self._parts(partition, ["moves"], [asdict(move) for move in moves]), at]

    def model_records(
        self, model: str, state: ModelState, offset: int, roster: Roster, judge: Judge
    ) -> list[Outgoing]:
        """The records of one model that has changed since it was last written."""
        partition = state.partition
        records: list[Outgoing] = []
        versions = []
        for (name, version), monitor in roster.active().items():
            if name == model:
                versions.append(_version_state(version, monitor))
                records += self._pane_records(partition, (model, version), monitor)
        recent = roster.recent(model)
        first = self._blocks_written.get(model, 0)
        for number, block in recent.blocks_since(first):
            key = ["ids", model, number % recent.ring]
            records += self._parts(partition, key, {"number": number, "ids": block})
        self._blocks_written[model] = recent.merged
        head = {
            "format": FORMAT,
            "offset": offset,
            "model": model,
            "versions": versions,
            "ids": {"merged": recent.merged, "fresh": recent.fresh()},
            "alerts": judge.state(model),
            "untested": [asdict(finding) for finding in state.untested.values()],
            "last_version": state.last_version,
            "last_span": asdict(state.last_span) if state.last_span else None,
            "silent": state.silent,
        }
        return [*records, *self._parts(partition, ["head", model], head)]

    def offset_of(self, saved: Saved) -> int | None:
        """The predictions offset that a partition's state belongs to; None where there is none."""
        raw = saved.get(pack(["at"]))
        if raw is None:
            return None
        at = unpack(raw)
        _check_format(at, f"state on {self._topic}")
        return int(at["offset"])

    def moves(self, saved: Saved) -> list[AlertMove]:
        """The moves published with the newest state of a partition."""
        try:
            own = {key: value for key, value in saved.items() if key.startswith(_MOVES_KEY)}
            return [_move_of(move) for move in _joined(own).get(("moves",), [])]
        except _MALFORMED as error:
            log.error("the moves of a state are unreadable (%s): their rows may be missing", error)
            return []

    def restore(
        self, partition: int, saved: Saved, roster: Roster, judge: Judge
    ) -> dict[str, ModelState]:
        """Bring one partition's models back.

        What is not whole, and a version whose card or profile has changed since, starts anew; it
        is logged, and stops no other model. Raises StateError for a state of another format,
        StorageError where a profile cannot be read now.
        """
        entries = _joined(saved)
        at = self.offset_of(saved)
        models = {}
        for key, head in entries.items():
            if len(key) != 2 or key[0] != "head" or at is None:
                continue
            model = str(key[1])
            try:
                if head["offset"] > at:  # of a time before the group's offsets were set back
                    continue
                state = self._restore_model(model, head, entries, roster, judge)
            except _MALFORMED as error:
                log.error("state of %s is unusable, it starts anew: %r", model, error)
                roster.drop_model(model)
                self.write_again(model)
                continue
            state.partition = partition
            models[model] = state
        return models

    def write_again(self, model: str) -> None:
        """Write all panes and ids of a model at its next snapshot."""
        self._blocks_written.pop(model, None)
        for version in [known for known in self._panes_written if known[0] == model]:
            del self._panes_written[version]

    def forget(self) -> None:
        """Write everything again at the next snapshot."""
        self._panes_written.clear()
        self._blocks_written.clear()
        self._at_written.clear()

    def _pane_records(
        self, partition: int, version: VersionKey, monitor: VersionMonitor
    ) -> list[Outgoing]:
        first = self._panes_written.get(version, 0)
        records: list[Outgoing] = []
        for pane in monitor.stream.panes_since(first):
            slot = pane.index % monitor.stream.ring
            key = ["pane", *version, slot]
            records += self._parts(partition, key, _pane_state(pane))
            self._panes_written[version] = pane.index + 1
        return records

    def _restore_model(
        self,
        model: str,
        head: Mapping[str, Any],
        entries: Mapping[tuple[Any, ...], Any],
        roster: Roster,
        judge: Judge,
    ) -> ModelState:
        _check_format(head, f"state of {model}")
        for saved in head["versions"]:
            version = str(saved["version"])
            try:
                self._restore_version(model, version, saved, entries, roster)
            except _MALFORMED as error:
                log.error("state of %s %s is unusable, it starts anew: %r", model, version, error)
                roster.drop(model, version)
                self._panes_written.pop((model, version), None)
        recent = roster.recent(model)
        self._restore_ids(recent, model, head["ids"], entries)
        span = head["last_span"]
        untested = [_finding_of(raised) for raised in head["untested"]]
        state = ModelState(
            untested={(one.model, one.model_version): one for one in untested},
            last_version=str(head["last_version"]),
            last_span=Span(**span) if span else None,
            silent=bool(head["silent"]),
        )
        judge.restore(head["alerts"])
        return state

    def _restore_version(
        self,
        model: str,
        version: str,
        saved: Mapping[str, Any],
        entries: Mapping[tuple[Any, ...], Any],
        roster: Roster,
    ) -> None:
        monitor = self._monitor(model, version, saved, roster)
        if monitor is None:
            return
        events = int(saved["events"])
        closed = events // monitor.card.monitoring.pane_events
        panes = []
        for index in range(max(0, closed - monitor.stream.ring), closed):
            pane = entries.get(("pane", model, version, index % monitor.stream.ring))
            if pane is None or pane["index"] != index:
                raise StateError(f"pane {index} is missing")
            panes.append(_pane_of(pane))
        monitor.stream.restore(events, panes, saved["open"])
        memory = monitor.stream.last_codes(monitor.battery.memory_events)
        monitor.battery.restore(saved["battery"], memory)
        monitor.checks.restore(saved["checks"])
        monitor.resends = int(saved["resends"])
        monitor.faults.extend((int(n), str(f), str(r), value) for n, f, r, value in saved["faults"])
        self._panes_written[model, version] = closed

    def _monitor(
        self, model: str, version: str, saved: Mapping[str, Any], roster: Roster
    ) -> VersionMonitor | None:
        try:
            monitor = roster.monitor(model, version)
        except UNTESTABLE:
            return None
        if monitor is None or _tests_of(monitor) == saved["tests"]:
            return monitor
        roster.drop(model, version)
        return None

    def _restore_ids(
        self,
        recent: RecentIds,
        model: str,
        saved: Mapping[str, Any],
        entries: Mapping[tuple[Any, ...], Any],
    ) -> None:
        merged = int(saved["merged"])
        blocks = []
        for number in range(max(0, merged - recent.ring), merged):
            block = entries.get(("ids", model, number % recent.ring))
            if block is not None and block["number"] == number:
                blocks.append(block["ids"])
        recent.restore(merged, blocks, saved["fresh"])
        self._blocks_written[model] = merged

    def _parts(self, partition: int, key: Sequence[Any], value: Any) -> list[Outgoing]:
        packed = pack(value)
        count = max(1, -(-len(packed) // PART_BYTES))
        return [
            self._record(
                partition,
                [*key, part],
                pack([count, packed[part * PART_BYTES : (part + 1) * PART_BYTES]]),
            )
            for part in range(count)
        ]

    def _record(self, partition: int, key: Sequence[Any], value: bytes) -> Outgoing:
        return Outgoing(self._topic, pack(list(key)), value, partition=partition)


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


def _joined(saved: Saved) -> dict[tuple[Any, ...], Any]:
    """Values by key, their parts put together again; what is not whole is logged and left out."""
    parts: dict[tuple[Any, ...], dict[int, tuple[int, bytes]]] = {}
    for raw_key, raw in saved.items():
        try:
            *key, part = unpack(raw_key)
            if key:
                count, piece = unpack(raw)
                parts.setdefault(tuple(key), {})[int(part)] = (int(count), bytes(piece))
        except _MALFORMED as error:
            log.error("a state record under key %r is unreadable: %s", raw_key[:200], error)
    entries: dict[tuple[Any, ...], Any] = {}
    for name, pieces in parts.items():
        try:
            pack = b"".join(pieces[part][1] for part in range(pieces[0][0]))
            entries[name] = unpack(pack)
        except _MALFORMED as error:
            log.error("state record %r is not whole: %r", name, error)
    return entries


def _version_state(version: str, monitor: VersionMonitor) -> dict[str, Any]:
    return {
        "version": version,
        "tests": _tests_of(monitor),
        "events": monitor.stream.events,
        "open": monitor.stream.open_part(),
        "battery": monitor.battery.state(),
        "checks": monitor.checks.state(),
        "resends": monitor.resends,
        "faults": [list(fault) for fault in monitor.faults],
    }


def _tests_of(monitor: VersionMonitor) -> str:
    """What the windows depend on: state of other tests is of no use."""
    return f"{monitor.card.profile_hash} {monitor.card.monitoring.model_dump_json()}"


def _pane_state(pane: Pane) -> dict[str, Any]:
    return {
        "index": pane.index,
        "span": asdict(pane.span),
        "codes": pane.codes,
        "offsets": pane.offsets,
        "occurred_us": pane.occurred_us,
    }


def _pane_of(saved: Mapping[str, Any]) -> Pane:
    return Pane(
        index=int(saved["index"]),
        span=Span(**saved["span"]),
        codes=saved["codes"],
        offsets=saved["offsets"],
        occurred_us=saved["occurred_us"],
    )


def _finding_of(saved: Mapping[str, Any]) -> Finding:
    measurement = dict(saved["measurement"])
    measurement["verdict"] = Verdict(measurement["verdict"])
    return Finding(
        **{
            **saved,
            "span": Span(**saved["span"]),
            "measurement": Measurement(**measurement),
        }
    )


def _move_of(saved: Mapping[str, Any]) -> AlertMove:
    previous = saved["previous"]
    return AlertMove(
        **{
            **saved,
            "state": AlertState(saved["state"]),
            "previous": AlertState(previous) if previous else None,
            "finding": _finding_of(saved["finding"]),
        }
    )


def _check_format(document: Any, what: str) -> None:
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise StateError(
            f"{what} has format {found!r}, this release reads {FORMAT}: stop the workers and "
            "delete the records of the state topic; windows then start anew"
        )


_MOVES_KEY: Final = pack(["moves", 0])[:-1]
"""With what the keys of a partition's moves begin, whatever their part."""

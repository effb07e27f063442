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

A snapshot is written with a commit, but more rarely: the events between the two are taken again
in silence after a restart.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import msgpack
import numpy as np

from monitor.errors import ProfileError, StateError
from monitor.findings import Finding, Measurement, Span, Verdict
from monitor.judging.judge import Judge
from monitor.publishing.outgoing import Outgoing
from monitor.roster import Roster, VersionKey, VersionMonitor
from monitor.windows.duplicates import RecentIds
from monitor.windows.panes import Pane

FORMAT: Final = 1
PART_BYTES: Final = 400_000
"""Longer values are cut: no record over 512 kB."""
_ARRAY: Final = 1
_DTYPES: Final = frozenset({"<i8", "<f8", "<u2", "<u8"})

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

    def at(self, partition: int, offset: int) -> Outgoing:
        """The record that says to which predictions offset a partition's state belongs."""
        return self._record(partition, ["at"], _pack({"format": FORMAT, "offset": offset}))

    def model_records(
        self, model: str, state: ModelState, roster: Roster, judge: Judge
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
        raw = saved.get(_pack(["at"]))
        if raw is None:
            return None
        at = _unpack(raw)
        _check_format(at, "state")
        return int(at["offset"])

    def restore(
        self, partition: int, saved: Saved, roster: Roster, judge: Judge
    ) -> dict[str, ModelState]:
        """Bring one partition's models back.

        A version whose card or profile has changed since starts its windows anew. Raises
        StateError for a state that is not whole or not of this format, StorageError where a
        profile cannot be read now.
        """
        entries = _joined(saved)
        models = {}
        for key, head in entries.items():
            if key[0] == "head":
                _check_format(head, f"state of {key[1]}")
                model = str(key[1])
                models[model] = self._restore_model(head, entries, roster, judge)
                models[model].partition = partition
        return models

    def forget(self) -> None:
        """Write everything again at the next snapshot."""
        self._panes_written.clear()
        self._blocks_written.clear()

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
        head: Mapping[str, Any],
        entries: Mapping[tuple[Any, ...], Any],
        roster: Roster,
        judge: Judge,
    ) -> ModelState:
        model = str(head["model"])
        for saved in head["versions"]:
            version = str(saved["version"])
            monitor = self._monitor(model, version, saved, roster)
            if monitor is None:
                continue
            closed = int(saved["events"]) // monitor.card.monitoring.pane_events
            panes = []
            for index in range(max(0, closed - monitor.stream.ring), closed):
                pane = entries.get(("pane", model, version, index % monitor.stream.ring))
                if pane is None or pane["index"] != index:
                    raise StateError(
                        f"state of {model} {version} lacks pane {index}: delete the records of "
                        "this model from the state topic to start its windows anew"
                    )
                panes.append(_pane_of(pane))
            monitor.stream.restore(int(saved["events"]), panes, saved["open"])
            monitor.battery.restore(
                saved["battery"], monitor.stream.last_codes(monitor.battery.memory_events)
            )
            monitor.faults.extend((int(n), str(f), str(r)) for n, f, r in saved["faults"])
            self._panes_written[model, version] = closed
        recent = roster.recent(model)
        self._restore_ids(recent, model, head["ids"], entries)
        judge.restore(head["alerts"])
        span = head["last_span"]
        untested = [_finding_of(raised) for raised in head["untested"]]
        return ModelState(
            untested={(one.model, one.model_version): one for one in untested},
            last_version=str(head["last_version"]),
            last_span=Span(**span) if span else None,
            silent=bool(head["silent"]),
        )

    def _monitor(
        self, model: str, version: str, saved: Mapping[str, Any], roster: Roster
    ) -> VersionMonitor | None:
        try:
            monitor = roster.monitor(model, version)
        except ProfileError:
            return None
        if monitor is None or _tests_of(monitor) != saved["tests"]:
            return None
        return monitor

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
        packed = _pack(value)
        count = max(1, -(-len(packed) // PART_BYTES))
        return [
            self._record(
                partition,
                [*key, part],
                _pack([count, packed[part * PART_BYTES : (part + 1) * PART_BYTES]]),
            )
            for part in range(count)
        ]

    def _record(self, partition: int, key: Sequence[Any], value: bytes) -> Outgoing:
        return Outgoing(self._topic, _pack(list(key)), value, partition=partition)


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
    """Values by key, their parts put together again."""
    entries: dict[tuple[Any, ...], Any] = {}
    parts: dict[tuple[Any, ...], dict[int, tuple[int, bytes]]] = {}
    for raw_key, raw in saved.items():
        key = tuple(_unpack(raw_key))
        if key == ("at",):
            entries[key] = _unpack(raw)
        else:
            count, piece = _unpack(raw)
            parts.setdefault(key[:-1], {})[int(key[-1])] = (int(count), piece)
    for key, pieces in parts.items():
        count = pieces[0][0] if 0 in pieces else -1
        if any(part not in pieces for part in range(count)) or count < 1:
            raise StateError(f"state record {key} is not whole: delete it to start anew")
        entries[key] = _unpack(b"".join(pieces[part][1] for part in range(count)))
    return entries


def _version_state(version: str, monitor: VersionMonitor) -> dict[str, Any]:
    return {
        "version": version,
        "tests": _tests_of(monitor),
        "events": monitor.stream.events,
        "open": monitor.stream.open_part(),
        "battery": monitor.battery.state(),
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


def _check_format(document: Any, what: str) -> None:
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise StateError(
            f"{what} has format {found!r}, this release reads {FORMAT}: stop the workers and "
            "delete the records of the state topic; windows then start anew"
        )


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, default=_pack_array, use_bin_type=True)
    return packed


def _pack_array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
        body = msgpack.packb([little.dtype.str, list(little.shape), little.tobytes()])
        return msgpack.ExtType(_ARRAY, body)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"state cannot hold a {type(value).__name__}")


def _unpack(raw: bytes) -> Any:
    try:
        return msgpack.unpackb(raw, ext_hook=_unpack_array, strict_map_key=True, raw=False)
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise StateError(
            f"a state record of {len(raw)} bytes is unreadable: {error}; delete it to start anew"
        ) from None


def _unpack_array(code: int, body: bytes) -> Any:
    dtype, shape, data = msgpack.unpackb(body, raw=False)
    if code != _ARRAY or dtype not in _DTYPES:
        raise ValueError(f"type {code} of {dtype!r} is not one of {sorted(_DTYPES)}")
    return np.frombuffer(data, dtype).reshape(shape).copy()

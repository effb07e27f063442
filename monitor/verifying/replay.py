"""Stored events of one model version through its windows, tests and checks once more.

In: a stretch of the log. Out: a `Replayed`: what was measured at the moments that are asked for,
and where the stored rows are not those that were tested. Never: a test of its own; rows become
columns, and `VersionMonitor` does with them what it did in the worker.

Stored summaries of panes say which events each pane had. Where rows are missing or too many, their
pane is left out and a new monitor goes on behind it, so that windows that lie behind are computed
all the same; what remembers more than its window (a sequential test, a check with a history) is
then not what it was.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import numpy as np
import xxhash

from monitor.attribution.root_cause import with_cause
from monitor.clock import to_us
from monitor.decisions import Change, Turn
from monitor.events import Int64, PaneSummary, PredictionColumns
from monitor.findings import Finding
from monitor.sketches.kll import K
from monitor.storage.baseline_rows import accepted_of_row
from monitor.storage.evidence import Evidence, Log, Row
from monitor.verifying.rows import stored_columns
from monitor.verifying.standing import Standing, Standings, Trouble
from monitor.version_monitor import VersionMonitor

CHUNK_OFFSETS: Final = 50_000
"""Rows are read by so many offsets at a time."""
_BEGINS: Final = (Change.BEGUN, Change.WINDOWS)
_COMPARED: Final = (
    ("missing", "missing"),
    ("means", "mean"),
    ("minima", "minimum"),
    ("maxima", "maximum"),
    ("counts", "counts"),
    ("faults", "faults"),
)
"""What a summary has of each column, and the column of the table."""

Key = tuple[str, str, int, str, int]
"""(check, feature, scale, segment, last offset): by what a measurement is found again."""


def key_of(finding: Finding) -> Key:
    """By what a finding is found again."""
    measured, last = finding.measurement, finding.span.last_offset
    return measured.check, measured.feature, measured.scale, finding.segment, last


@dataclass(frozen=True, slots=True)
class Damage:
    """Stored rows that are not those that were tested."""

    first_offset: int
    last_offset: int
    words: str
    missing: int = 0
    """Rows that are not there."""


@dataclass(slots=True)
class Replayed:
    """What a replay found."""

    findings: defaultdict[Key, list[Finding]] = field(default_factory=lambda: defaultdict(list))
    damage: list[Damage] = field(default_factory=list)
    events: int = 0
    """Events that were tested again."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A pane, or what lies between two panes."""

    first: int
    last: int
    pane: Sequence[Row] = ()
    """Its stored summaries, one a column."""


class Replay:
    """One pass over the events of a version, from an offset to another."""

    def __init__(self, evidence: Evidence, standings: Standings, log: Log) -> None:
        self._evidence = evidence
        self._standings = standings
        self._log = log
        self._monitor: VersionMonitor | None = None
        self._acted = 0
        """How many changes lie before the next step."""
        self._begun = False
        """Whether the windows of the version begin with its next event."""
        self._whole = False
        self._found = Replayed()
        self._wanted: Collection[Key] = ()
        self._accepted = _Accepted(evidence.baselines(log))

    def run(self, first: int, last: int, wanted: Collection[Key], *, whole: bool) -> Replayed:
        """Everything from the offset `first` to `last`.

        `whole`: from the beginning of the log; else from the first pane that begins there.
        """
        self._wanted, self._whole = wanted, whole
        panes = [
            list(rows)
            for _, rows in groupby(
                self._evidence.panes(self._log, first, last), key=lambda row: row["last_offset"]
            )
        ]
        since_us = 0
        if not whole:
            panes = [rows for rows in panes if rows[0]["first_offset"] >= first]
            if not panes:
                return self._found
            first = panes[0][0]["first_offset"]
            since_us = min(to_us(rows[0]["started_at"]) for rows in panes)
        for steps in _chunks(self._steps(panes, first, last)):
            self._play(steps, since_us)
        return self._found

    def _steps(self, panes: Sequence[Sequence[Row]], first: int, last: int) -> Iterator[_Step]:
        at = first
        for rows in panes:
            begins, ends = int(rows[0]["first_offset"]), int(rows[0]["last_offset"])
            yield from self._between(at, begins - 1)
            yield _Step(begins, ends, rows)
            at = ends + 1
        yield from self._between(at, last)

    def _between(self, first: int, last: int) -> Iterator[_Step]:
        """What lies between two panes, cut where another card acts and into chunks."""
        cuts = [offset for offset, _ in self._standings.changes if first < offset <= last]
        for begin, end in zip([first, *cuts], [*(cut - 1 for cut in cuts), last], strict=True):
            for start in range(begin, end + 1, CHUNK_OFFSETS):
                yield _Step(start, min(start + CHUNK_OFFSETS - 1, end))

    def _play(self, steps: Sequence[_Step], since_us: int) -> None:
        first, last = steps[0].first, steps[-1].last
        rows = self._evidence.predictions(self._log, first, last, since_us=since_us)
        offsets: Int64 = rows["offset"].to_numpy()
        read: tuple[Standing, PredictionColumns] | None = None
        for step in steps:
            standing = self._turned(step)
            if isinstance(standing, Trouble):
                self._monitor = None
                continue
            if rows.num_rows == 0:
                self._missing(step, 0)
                continue
            if read is None or read[0] is not standing:
                read = (standing, stored_columns(rows, self._log, standing.card))
            begin, end = np.searchsorted(offsets, [step.first, step.last + 1]).tolist()
            columns = read[1].rows(np.arange(begin, end))
            if step.pane:
                self._pane(step, columns, standing)
            else:
                self._rest(columns, standing)

    def _turned(self, step: _Step) -> Standing | Trouble:
        """What stands behind a step, after the changes up to its beginning acted."""
        changes = self._standings.changes
        while self._acted < len(changes) and changes[self._acted][0] <= step.first:
            change = changes[self._acted][1]
            self._acted += 1
            if change is not Change.CARD:
                self._monitor = None
                self._begun = change in _BEGINS
        return self._standings.at(step.first)

    def _pane(self, step: _Step, columns: PredictionColumns, standing: Standing) -> None:
        first_event = int(step.pane[0]["first_event"])
        if self._missing(step, int(np.count_nonzero(~columns.repeated))):
            self._monitor = None
            return
        known = 0 if self._monitor is None else self._monitor.stream.events
        if known != first_event and first_event and self._whole:
            self._found.damage.append(_hole(step, known, first_event))
        if self._monitor is None or known != first_event:
            self._monitor = standing.monitor()
            self._monitor.go_on_at(first_event)
            self._accepted.begin(self._monitor, step.first)
        self._begun = False
        for pane in self._feed(columns, self._monitor):
            changed = _changes(pane, step.pane)
            if changed:
                words = f"rows changed: offsets {step.first} to {step.last}: {changed}"
                self._found.damage.append(Damage(step.first, step.last, words))

    def _missing(self, step: _Step, n: int) -> bool:
        """Note that a pane has other rows than it had."""
        if not step.pane:
            return False
        expected = int(step.pane[0]["n"])
        if n == expected:
            return False
        kind = "missing" if n < expected else "added"
        words = (
            f"rows {kind}: offsets {step.first} to {step.last} hold {n} of {expected} tested events"
            if n < expected
            else f"rows {kind}: offsets {step.first} to {step.last} hold {n} tested events, "
            f"{expected} were tested"
        )
        lost = max(expected - n, 0)
        self._found.damage.append(Damage(step.first, step.last, words, lost))
        return True

    def _rest(self, columns: PredictionColumns, standing: Standing) -> None:
        """Events of no closed pane: resends, and those of a pane that was never full."""
        if self._monitor is None and self._begun and len(columns):
            self._monitor = standing.monitor()
            self._accepted.begin(self._monitor, int(columns.offsets[0]))
        if self._monitor is not None and len(columns):
            for _ in self._feed(columns, self._monitor):
                pass

    def _feed(self, columns: PredictionColumns, monitor: VersionMonitor) -> Iterator[PaneSummary]:
        self._found.events += len(columns)
        for part in self._accepted.parts(columns, monitor):
            for chunk in monitor.windowed(part):
                pane = monitor.summary(chunk)
                if pane is not None:
                    yield pane
                asked = [one for one in monitor.tested(chunk) if key_of(one) in self._wanted]
                for finding in asked:
                    ours = (finding, with_cause(finding, monitor.cause(finding)))
                    self._found.findings[key_of(finding)] += ours
                monitor.closed(chunk)


class _Accepted:
    """What people accepted as normal along the log, from the rows of `baselines`."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._ended = {
            (row["column"], row["command_id"]): int(row["offset"])
            for row in rows
            if row["turn"] == Turn.ENDED
        }
        self._acts = [accepted_of_row(row) for row in rows if row["turn"] == Turn.ACTS]
        self._next = 0
        """How many of these act already."""

    def begin(self, monitor: VersionMonitor, offset: int) -> None:
        """A monitor begins at an offset: what acts there acts."""
        self._next = sum(one.offset <= offset for one in self._acts)
        acting = {
            one.column: one
            for one in self._acts[: self._next]
            if self._ended.get((one.column, one.command_id), offset + 1) > offset
        }
        if acting:
            monitor.rebased.put([*acting.values()], monitor.stream)

    def parts(
        self, columns: PredictionColumns, monitor: VersionMonitor
    ) -> Iterator[PredictionColumns]:
        """Events in stretches, between which something was accepted."""
        offsets, begin = columns.offsets, 0
        while self._next < len(self._acts) and len(columns):
            offset = self._acts[self._next].offset
            end = int(np.searchsorted(offsets, offset))
            if end == len(columns):
                break
            if end > begin:
                yield columns.rows(np.arange(begin, end))
            begin = end
            together = [one for one in self._acts[self._next :] if one.offset == offset]
            self._next += len(together)
            monitor.rebased.put(together, monitor.stream)
        yield columns.rows(np.arange(begin, len(columns))) if begin else columns


def _hole(step: _Step, known: int, first_event: int) -> Damage:
    if known < first_event:
        lost = first_event - known
        words = f"rows missing: {lost} tested events before offset {step.first} are not stored"
        return Damage(step.first - 1, step.first - 1, words, lost)
    words = f"rows added: {known - first_event} events before offset {step.first} were never tested"
    return Damage(step.first - 1, step.first - 1, words)


def _chunks(steps: Iterator[_Step]) -> Iterator[list[_Step]]:
    chunk: list[_Step] = []
    for step in steps:
        if chunk and step.last - chunk[0].first >= CHUNK_OFFSETS:
            yield chunk
            chunk = []
        chunk.append(step)
    if chunk:
        yield chunk


def _changes(ours: PaneSummary, stored: Sequence[Row]) -> str:
    """In which columns a pane is not what it was, in words; empty where it is."""
    by_column = {row["column"]: row for row in stored}
    changed = []
    for place, column in enumerate(ours.columns):
        row = by_column.get(column)
        if row is None:
            continue
        equal = ours.n == row["n"] and all(
            same(getattr(ours, name)[place], row[stored_as]) for name, stored_as in _COMPARED
        )
        if ours.n <= K:  # then the sketch holds every value, and the same bytes each time
            equal &= xxhash.xxh3_64_intdigest(ours.sketches[place]) == row["sketch_hash"]
        if not equal:
            changed.append(column)
        moved = (ours.started_us, ours.ended_us, ours.last_offset) != (
            to_us(row["started_at"]),
            to_us(row["ended_at"]),
            row["last_offset"],
        )
        if moved and "event times" not in changed:
            changed.append("event times")
    return ", ".join(changed)


def same(ours: Any, stored: Any) -> bool:
    """Whether two numbers, texts or mappings are equal, no value being equal to none.

    >>> same(math.nan, math.nan), same({"a": 1}, {"a": 1.0}), same(1.0, 1.0 + 1e-15)
    (True, True, False)
    """
    if isinstance(ours, Mapping) and isinstance(stored, Mapping):
        return ours.keys() == stored.keys() and all(same(ours[n], stored[n]) for n in ours)
    if isinstance(ours, float) and isinstance(stored, float) and math.isnan(ours):
        return math.isnan(stored)
    return bool(ours == stored)

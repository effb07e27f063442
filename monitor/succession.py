"""Versions that are replaced: when a newer version of a model has taken over.

In: the batches of a model's versions, each in offset order. Out: the offsets at which a version is
replaced. Never: anything but the log: not the batches it came in, not the clock.

A card names the `previous_version` that its own replaces. That one is replaced once the newer
version has had live events for `WINDOWS` of its smallest windows since the last live event of the
older one: long enough not to end a version that still answers some of the requests. Shadow events
do not count. A replaced version that answers live again, a roll-back, starts anew.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.census import ModelState
from monitor.events import Bool, Int64, PredictionColumns
from monitor.findings import Span, span_of_event
from schemas import ModelCard

WINDOWS = 4
"""So many of the smallest windows of live events make a version the one that has taken over."""

CardOf = Callable[[str, str], ModelCard | None]
"""The card that acts for a (model, version)."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """At the event of `span`, `by` has taken over."""

    by: str
    span: Span
    events: int

    @property
    def reason(self) -> str:
        """In words."""
        return f"version {self.by} has taken over: {self.events} live events of it and none of this"


def takeovers(
    state: ModelState, groups: Sequence[PredictionColumns], card_of: CardOf
) -> dict[str, list[Takeover]]:
    """Replaced version to the takeovers of it within a batch of one model, in order."""
    found: dict[str, list[Takeover]] = {}
    by_version = {columns.model_version: columns for columns in groups}
    model = groups[0].model
    for version, standing in state.versions.items():
        card = card_of(model, version)
        previous = card.previous_version if card else None
        if card is None or previous not in state.versions or previous == version:
            continue
        newer, older = by_version.get(version), by_version.get(previous)
        if newer is None and older is None:
            continue
        needed = WINDOWS * min(card.monitoring.scales)
        offsets, standing.since = _reached(
            _live_offsets(older), _live_offsets(newer), standing.since, needed
        )
        if newer is not None and offsets.size:
            rows = np.searchsorted(newer.offsets, offsets).tolist()
            found.setdefault(previous, []).extend(
                Takeover(version, span_of_event(newer, row), needed) for row in rows
            )
    for several in found.values():
        several.sort(key=lambda takeover: takeover.span.last_offset)
    return found


def parts(
    columns: PredictionColumns, of_version: Sequence[Takeover]
) -> Iterator[tuple[PredictionColumns | None, Takeover | None]]:
    """The events of a version up to each takeover, and the rest."""
    start, n = 0, len(columns)
    for takeover in (*of_version, None):
        stop = n
        if takeover is not None:
            stop = int(np.searchsorted(columns.offsets, takeover.span.last_offset))
        part = None
        if stop > start:
            part = columns if stop - start == n else columns.rows(np.arange(start, stop))
        yield part, takeover
        start = stop


def live(columns: PredictionColumns) -> Bool:
    """Which events were answered to somebody, resends left out."""
    shadow = [event.get("role") == "shadow" for event in columns.events]
    return ~(np.array(shadow, dtype=np.bool_) | columns.repeated)


def _live_offsets(columns: PredictionColumns | None) -> Int64:
    return np.empty(0, np.int64) if columns is None else columns.offsets[live(columns)]


def _reached(old: Int64, new: Int64, since: int, needed: int) -> tuple[Int64, int]:
    """Offsets in `new` at which `needed` have come since the last in `old`; the count after."""
    starts = np.concatenate([[0], np.searchsorted(new, old)])
    ends = np.append(starts[1:], len(new))
    carried = np.zeros(len(starts), np.int64)
    carried[0] = since
    counts = carried + ends - starts
    reached = np.flatnonzero((carried < needed) & (counts >= needed))
    return new[starts[reached] + needed - carried[reached] - 1], int(counts[-1])

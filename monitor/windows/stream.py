"""The stream of one model version, cut into panes and windows by event count.

In: codes and values of consecutive events, in any batches. Out: chunks, each ending at most at
the end of a pane. Never: a cut that depends on how the events were batched, or a look at the clock.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.events import Float64, Int64
from monitor.findings import Span
from monitor.sketches.codes import Codes
from monitor.windows.panes import Chunk, Pane, Window, join_spans

Value = TypeVar("Value", bound=np.generic)

LOOKS_PER_WINDOW = 4
"""A window of W events is tested every W / 4 events."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of the open pane."""

    span: Span
    codes: Codes
    offsets: Int64
    occurred_us: Int64
    values: Float64


class WindowedStream:
    """Cuts the events of one model version into panes of `pane_events` and windows of `scales`.

    Keeps the closed panes of the largest window: `max(scales)` x (2 x columns + 16) bytes.
    """

    def __init__(self, pane_events: int, scales: Sequence[int]) -> None:
        self._pane_events = pane_events
        self._scales = tuple(scales)
        self._ring: deque[Pane] = deque(maxlen=max(max(scales, default=0) // pane_events, 1))
        self._open: list[_Part] = []
        self._open_events = 0
        self.events = 0
        """Events taken so far: the index of the next one."""

    def add(
        self,
        topic: str,
        partition: int,
        offsets: Int64,
        occurred_us: Int64,
        codes: Codes,
        values: Float64,
    ) -> Iterator[Chunk]:
        """Take n events; yield chunks in order, the last one possibly of an unfinished pane.

        Shapes: offsets and occurred_us (n,), codes (columns, n), values (rows, n).
        """
        n, size = len(offsets), self._pane_events
        if not n:
            return
        starts = [0, *range(size - self._open_events, n, size)]
        stops = [*starts[1:], n]
        first_offsets = offsets[starts].tolist()
        last_offsets = offsets[[stop - 1 for stop in stops]].tolist()
        started_us = np.minimum.reduceat(occurred_us, starts).tolist()
        ended_us = np.maximum.reduceat(occurred_us, starts).tolist()
        for at, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            span = Span(
                topic=topic,
                partition=partition,
                first_event=self.events,
                last_event=self.events + stop - start - 1,
                first_offset=first_offsets[at],
                last_offset=last_offsets[at],
                started_us=started_us[at],
                ended_us=ended_us[at],
            )
            inside = slice(start, stop)
            part = _Part(
                span, codes[:, inside], offsets[inside], occurred_us[inside], values[:, inside]
            )
            self.events += stop - start
            self._open_events += stop - start
            self._open.append(part)
            closed, closed_values = None, None
            if self._open_events == size:
                closed_values = _joined([part.values for part in self._open])
                closed = self._close()
            yield Chunk(
                span=span,
                codes=part.codes,
                closed=closed,
                closed_values=closed_values,
                windows=self._due() if closed else (),
            )

    def closing(
        self, codes: Codes, values: Float64, occurred_us: Int64
    ) -> tuple[Codes, Float64, Int64]:
        """The events of the panes that these next ones would close, those of the open one first.

        Shapes as of `add`; nothing is taken.
        """
        parts = self._open
        return (
            _joined([*(part.codes for part in parts), codes]),
            _joined([*(part.values for part in parts), values]),
            _joined([*(part.occurred_us for part in parts), occurred_us]),
        )

    def looks(self, panes: int) -> list[tuple[int, int]]:
        """(scale, last event) of the windows that the next so many panes would close, in order."""
        first = self.open_since
        ends = [first + (place + 1) * self._pane_events for place in range(panes)]
        return [
            (scale, end - 1)
            for place, end in enumerate(ends)
            for scale in self._scales
            if (len(self._ring) + place + 1) * self._pane_events >= scale
            and end % (scale // LOOKS_PER_WINDOW) == 0
        ]

    def span_of_last(self, count: int, until_event: int) -> Span:
        """The span of the `count` events that end with `until_event`, as far back as is kept.

        As if the pane of `until_event` were closed: how events were batched must not matter.
        """
        parts: list[Pane | _Part] = [*self._ring, *self._open]
        kept = (until_event // self._pane_events + 1 - self.ring) * self._pane_events
        first_event = max(until_event - count + 1, parts[0].span.first_event, kept)
        offsets, times = [], []
        for part in parts:
            span = part.span
            if span.last_event < first_event or span.first_event > until_event:
                continue
            inside = slice(
                max(0, first_event - span.first_event), until_event - span.first_event + 1
            )
            offsets.append(part.offsets[inside])
            times.append(part.occurred_us[inside])
        occurred_us = np.concatenate(times)
        return Span(
            topic=parts[-1].span.topic,
            partition=parts[-1].span.partition,
            first_event=first_event,
            last_event=until_event,
            first_offset=int(offsets[0][0]),
            last_offset=int(offsets[-1][-1]),
            started_us=int(occurred_us.min()),
            ended_us=int(occurred_us.max()),
        )

    def begin_at(self, event: int) -> None:
        """Take the next event for this one, the first of a pane."""
        self.restore(event, (), dict.fromkeys(self.open_part(), ()))

    @property
    def open_since(self) -> int:
        """The first event of the open pane."""
        return self.events - self._open_events

    @property
    def ring(self) -> int:
        """How many closed panes are kept."""
        return self._ring.maxlen or 1

    def panes_since(self, index: int) -> list[Pane]:
        """The kept closed panes from `index` on."""
        return [pane for pane in self._ring if pane.index >= index]

    def last_codes(self, count: int) -> Codes:
        """Codes of the last `count` events, as far back as is kept."""
        parts = [pane.codes for pane in self._ring] + [part.codes for part in self._open]
        if not parts:
            return np.zeros((0, 0), np.uint16)
        codes = np.concatenate(parts, axis=1)
        return codes[:, max(0, codes.shape[1] - count) :]

    def codes_of(self, span: Span) -> Codes:
        """Codes of the events of a span, as far back as is kept; the newest are."""
        parts: list[Pane | _Part] = [*self._ring, *self._open]
        inside = [
            part.codes[
                :,
                max(0, span.first_event - part.span.first_event) : span.last_event
                - part.span.first_event
                + 1,
            ]
            for part in parts
            if part.span.last_event >= span.first_event and part.span.first_event <= span.last_event
        ]
        return np.concatenate(inside, axis=1)

    def open_part(self) -> dict[str, Any]:
        """The unfinished pane as plain values and arrays."""
        return {
            "spans": [asdict(part.span) for part in self._open],
            "codes": [part.codes for part in self._open],
            "offsets": [part.offsets for part in self._open],
            "occurred_us": [part.occurred_us for part in self._open],
            "values": [part.values for part in self._open],
        }

    def restore(self, events: int, panes: Sequence[Pane], open_part: Mapping[str, Any]) -> None:
        """Take up after `events` events with the closed `panes` and what `open_part` gave."""
        self.events = events
        self._ring.clear()
        self._ring.extend(panes)
        self._open = [
            _Part(Span(**span), codes, offsets, occurred_us, values)
            for span, codes, offsets, occurred_us, values in zip(
                open_part["spans"],
                open_part["codes"],
                open_part["offsets"],
                open_part["occurred_us"],
                open_part["values"],
                strict=True,
            )
        ]
        self._open_events = sum(part.codes.shape[1] for part in self._open)

    def _close(self) -> Pane:
        spans = [part.span for part in self._open]
        pane = Pane(
            index=spans[-1].last_event // self._pane_events,
            span=join_spans(
                spans[0],
                spans[-1],
                min(span.started_us for span in spans),
                max(span.ended_us for span in spans),
            ),
            codes=np.concatenate([part.codes for part in self._open], axis=1),
            offsets=np.concatenate([part.offsets for part in self._open]),
            occurred_us=np.concatenate([part.occurred_us for part in self._open]),
        )
        self._open = []
        self._open_events = 0
        self._ring.append(pane)
        return pane

    def _due(self) -> tuple[Window, ...]:
        return tuple(
            self._window(scale)
            for scale in self._scales
            if len(self._ring) * self._pane_events >= scale
            and self.events % (scale // LOOKS_PER_WINDOW) == 0
        )

    def _window(self, scale: int) -> Window:
        count = scale // self._pane_events
        panes = [self._ring[i] for i in range(len(self._ring) - count, len(self._ring))]
        return Window(
            scale=scale,
            span=join_spans(
                panes[0].span,
                panes[-1].span,
                min(pane.span.started_us for pane in panes),
                max(pane.span.ended_us for pane in panes),
            ),
            codes=np.concatenate([pane.codes for pane in panes], axis=1),
        )


def _joined(parts: Sequence[NDArray[Value]]) -> NDArray[Value]:
    """Consecutive stretches as one; a single one is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

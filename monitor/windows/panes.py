"""Panes and windows: consecutive events of one model version, as codes against its reference."""

from dataclasses import dataclass

from monitor.events import Float64, Int64
from monitor.findings import Span
from monitor.sketches.codes import Codes


@dataclass(frozen=True, slots=True)
class Pane:
    """A closed pane: exactly `pane_events` consecutive events. Immutable."""

    index: int
    span: Span
    codes: Codes
    offsets: Int64
    occurred_us: Int64


@dataclass(frozen=True, slots=True)
class Window:
    """The last `scale` events, oldest first."""

    scale: int
    span: Span
    codes: Codes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive events that lie in one pane, and what their last event closed."""

    span: Span
    codes: Codes
    closed: Pane | None
    closed_values: Float64 | None
    """The closed pane's numbers and signals, float64[rows, events], as they were added."""
    windows: tuple[Window, ...]


def join_spans(first: Span, last: Span, started_us: int, ended_us: int) -> Span:
    """The span from the beginning of `first` to the end of `last`."""
    return Span(
        topic=first.topic,
        partition=first.partition,
        first_event=first.first_event,
        last_event=last.last_event,
        first_offset=first.first_offset,
        last_offset=last.last_offset,
        started_us=started_us,
        ended_us=ended_us,
    )

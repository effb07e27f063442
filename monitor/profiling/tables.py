"""The audit and the windows as tables and words for a terminal.

In: an `Audit`, the notes of `Battery.explain`. Out: things that rich can print. Never: a number
that the records do not have.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from monitor.detectors.battery import ScaleNote
from monitor.profiling.audit import Audit, ColumnAudit
from monitor.profiling.timeline import TimeAudit
from schemas.model import Monitoring

CANNOT_TELL: Final = "cannot tell"
"""How the words of a note begin that sees nothing."""

_STYLES: Final = {"warning": "yellow", "note": "cyan"}


def audit_parts(audit: Audit) -> Iterator[RenderableType]:
    """The data set, its columns, and what to look at."""
    yield Text(f"{audit.source}: {audit.n_rows:,} rows, {len(audit.columns)} columns", style="bold")
    yield Text(f"data set {audit.dataset_fingerprint}")
    if audit.time is not None:
        yield Text(_time_words(audit.time))
    yield Text(
        f"duplicates: {audit.duplicate_rows:,} rows, {audit.duplicate_event_ids:,} event ids"
    )
    yield _columns_table(audit.columns)
    if not audit.remarks:
        yield Text("nothing to remark", style="green")
    for remark in audit.remarks:
        words = f"{remark.column} {remark.text}" if remark.column else remark.text
        yield Text.assemble((f"{remark.weight:<8}", _STYLES[remark.weight]), words)


def window_parts(notes: Sequence[ScaleNote], monitoring: Monitoring) -> Iterator[RenderableType]:
    """What windows of each size are worth and can see, as a table and in words."""
    yield Text(
        "\nWhat a window is worth in independent events, and the smallest shift it sees",
        style="bold",
    )
    yield Text(
        f"budget for false alarms: {monitoring.false_alarms_per_30_days:g} in 30 days over all "
        f"tests; shifts below {monitoring.effect_floor:g} are left alone"
    )
    scales = sorted({note.scale for note in notes})
    table = Table("column", *(f"{scale:,} events" for scale in scales))
    for column in dict.fromkeys(note.column for note in notes):
        found = {note.scale: note for note in notes if note.column == column}
        table.add_row(column, *(_cell(found[scale]) for scale in scales))
    yield table
    for scale in scales:
        yield from _words([note for note in notes if note.scale == scale])


def _words(notes: Sequence[ScaleNote]) -> Iterator[Text]:
    """What windows of one size see, in one sentence; then each reason why they cannot tell."""
    seeing = sorted((n for n in notes if not _blind(n)), key=lambda n: n.smallest_visible)
    if seeing:
        sharpest, dullest = seeing[0], seeing[-1]
        most = max(seeing, key=lambda note: note.independent)
        least = min(seeing, key=lambda note: note.independent)
        smallest = f"{sharpest.smallest_visible:.2f} ({sharpest.column})"
        largest = f"{dullest.smallest_visible:.2f} ({dullest.column})"
        same = f"{sharpest.smallest_visible:.2f}" == f"{dullest.smallest_visible:.2f}"
        sees = f"{sharpest.smallest_visible:.2f}" if same else f"{smallest} to {largest}"
        yield Text(
            f"{sharpest.scale:,} events are worth {least.independent:,.0f} ({least.column}) to "
            f"{most.independent:,.0f} ({most.column}) independent ones; the smallest shift they "
            f"show is {sees}"
        )
    for words in dict.fromkeys(note.words for note in notes if _blind(note)):
        yield Text(words, style="yellow")


def _blind(note: ScaleNote) -> bool:
    return note.words.startswith(CANNOT_TELL)


def _cell(note: ScaleNote) -> str:
    if _blind(note):
        return CANNOT_TELL
    return f"worth {note.independent:,.0f}, sees {note.smallest_visible:.2f}"


def _time_words(time: TimeAudit) -> str:
    words = f"from {time.started} to {time.ended}, {time.events_per_day:,.0f} events a day"
    if not time.gaps:
        return words
    gaps = ", ".join(f"{gap.seconds / 3600:,.1f} h after {gap.started}" for gap in time.gaps)
    return f"{words}\nlongest gaps: {gaps}"


def _columns_table(columns: Sequence[ColumnAudit]) -> Table:
    table = Table("column", "role", "type")
    for name in ("nulls", "null %", "hidden", "unique"):
        table.add_column(name, justify="right")
    table.add_column("most frequent")
    for name in ("share", "label AUC"):
        table.add_column(name, justify="right")
    for column in columns:
        power = "" if column.label_power is None else f"{column.label_power:.3f}"
        table.add_row(
            column.name,
            column.role,
            column.type,
            f"{column.nulls:,}",
            f"{column.null_share:.1%}",
            f"{column.hidden_nulls:,}",
            f"{column.unique:,}",
            column.top_value,
            f"{column.top_share:.1%}",
            power,
        )
    return table

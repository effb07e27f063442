"""`plumbline top`: all models in the terminal, live.

In: the overview of the web pages, and of each model its rate, its nearest drift and its newest
loss. Out: a table. Never: a row of a single event, a question without bound.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from monitor.storage.reader import Reader

Order = Literal["health", "events", "drift", "loss"]
ORDERS: Final[tuple[Order, ...]] = ("health", "events", "drift", "loss")
_STYLES: Final = {"critical": "bold red", "warning": "yellow", "silent": "magenta", "ok": "green"}
_LOST: Final = 10.0
"""Seconds between two tries while ClickHouse is away."""
_HEAD_LINES: Final = 6
"""Lines of the screen that are no models."""


@dataclass(frozen=True, slots=True)
class TopRow:
    """One model."""

    model: str
    health: str
    words: str
    events_per_s: float
    """Stored in the last minute."""
    last_at: datetime | None
    lag_s: float | None
    """How long after its own time the newest event was stored: of replayed events, years."""
    critical: int
    warnings: int
    drift: tuple[str, float, float] | None
    """Column, its newest effect, and the effect from which it is drift."""
    loss: float | None
    baseline: float | None
    owner: str

    @property
    def share(self) -> float:
        """The nearest drift as a share of its limit."""
        return self.drift[1] / self.drift[2] if self.drift and self.drift[2] > 0 else 0.0

    @property
    def worse(self) -> float:
        """The loss as a share of the baseline's; 0 where nothing is known."""
        known = self.loss is not None and self.baseline is not None and self.baseline > 0
        return self.loss / self.baseline if known and self.loss and self.baseline else 0.0


@click.command("top")
@click.option("--once", is_flag=True, help="Print the table once and end.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.5, max=3_600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--search", default="", help="Only models whose name or owner contains this text.")
@click.option(
    "--sort",
    "order",
    type=click.Choice(ORDERS),
    default="health",
    show_default=True,
    help="What stands first.",
)
@click.pass_context
def top_command(ctx: click.Context, once: bool, interval: float, search: str, order: Order) -> None:
    """Show all models, those with trouble first: a table that renews itself.

    Events a second are those stored in the last minute; lag is how long after its own time the
    newest event was stored (of replayed events: years). Drift is the column nearest to its limit,
    its newest effect and that limit; loss is that of the newest cohort with labels beside the
    trivial baseline's. Everything is read from ClickHouse with the reader's account.

    \b
    q  end            s  sort by the next of health, events, drift, loss
    r  look now       j, k  down, up
    """
    from monitor.cli.console import console
    from monitor.storage.reader import Reader

    screen = console()
    with Reader(current_settings(ctx).clickhouse) as reader:
        if once or not screen.is_terminal:
            screen.print(table_of(sorted_rows(rows_of(reader, search), order)))
        else:
            _live(reader, screen, interval, search, order)


def rows_of(reader: "Reader", search: str = "") -> list[TopRow]:
    """Every model that matches, those with trouble first; none where none is known."""
    from monitor.dashboard.overview import overview
    from monitor.dashboard.panel import NothingToShowError
    from monitor.dashboard.sources import Sources
    from monitor.storage.top_queries import NEAREST_DRIFT, NEWEST_LOSSES, STORED_LATELY

    try:
        known = overview(Sources(reader), "1d", None, None, search).models
    except NothingToShowError:
        return []
    lately = {row["model"]: row for row in reader.rows(STORED_LATELY)}
    drifts = {row["model"]: row for row in reader.rows(NEAREST_DRIFT)}
    losses = {row["model"]: row for row in reader.rows(NEWEST_LOSSES)}
    found = []
    for one in known:
        rate, drift, loss = (told.get(one.model) for told in (lately, drifts, losses))
        found.append(
            TopRow(
                model=one.model,
                health=one.health,
                words=one.words,
                events_per_s=rate["events"] / 60 if rate else 0.0,
                last_at=one.last_at,
                lag_s=rate["lag_s"] if rate else None,
                critical=one.critical,
                warnings=one.warnings,
                drift=(drift["column"], drift["largest"], drift["limit"]) if drift else None,
                loss=loss["loss"] if loss else None,
                baseline=loss["baseline"] if loss else None,
                owner=one.owner,
            )
        )
    return found


def sorted_rows(rows: Sequence[TopRow], order: Order) -> list[TopRow]:
    """The rows in an order; `health` is theirs already."""
    by: dict[str, Callable[[TopRow], float]] = {
        "events": lambda row: -row.events_per_s,
        "drift": lambda row: -row.share,
        "loss": lambda row: -row.worse,
    }
    return list(rows) if order == "health" else sorted(rows, key=by[order])


def table_of(rows: Sequence[TopRow], first: int = 0, most: int | None = None) -> "Table":
    """The rows from `first` on, at most `most` of them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    told = Table(box=SIMPLE_HEAD, title_justify="left", title=f"{len(rows)} models")
    for name in ("model", "health", "events/s", "last event", "lag", "alerts", "drift", "loss"):
        whole = name not in ("health", "alerts", "drift")
        right = name in ("events/s", "lag")
        told.add_column(name, justify="right" if right else "left", no_wrap=whole)
    told.add_column("owner")
    for row in rows[first : None if most is None else first + most]:
        told.add_row(
            Text(row.model),
            Text(row.words, style=_STYLES.get(row.health, "")),
            f"{row.events_per_s:,.1f}",
            f"{row.last_at:%Y-%m-%d %H:%M}" if row.last_at else "",
            "" if row.lag_s is None else lag_words(row.lag_s),
            Text(_alert_words(row)),
            _drift_words(row),
            _loss_words(row),
            Text(row.owner),
        )
    if not rows:
        told.caption = "no model is registered and none has sent events"
    return told


def lag_words(seconds: float) -> str:
    """A time in the largest unit that has passed twice.

    >>> lag_words(3), lag_words(150), lag_words(-1), lag_words(86_400 * 4_000)
    ('3 s', '2 min', '0 s', '4,000 d')
    """
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _alert_words(row: TopRow) -> str:
    counts = ((row.critical, "critical"), (row.warnings, "warning"))
    return ", ".join(f"{n} {name}" for n, name in counts if n)


def _drift_words(row: TopRow) -> "Text":
    from rich.text import Text

    if row.drift is None:
        return Text("")
    column, effect, limit = row.drift
    return Text(f"{column} {effect:.2f}/{limit:.2f}", style="red" if row.share >= 1 else "")


def _loss_words(row: TopRow) -> "Text":
    from rich.text import Text

    if row.loss is None or row.baseline is None:
        return Text("")
    return Text(f"{row.loss:.3f}/{row.baseline:.3f}", style="red" if row.worse > 1 else "")


def _live(reader: "Reader", screen: "Console", interval: float, search: str, order: Order) -> None:
    """Renew the table until `q` or Ctrl-C."""
    from rich.live import Live

    from monitor.errors import StorageError

    rows: list[TopRow] = []
    first, problem, due = 0, "", True
    with _keys() as key_within, Live(console=screen, screen=True, auto_refresh=False) as live:
        try:
            while True:
                if due:
                    try:
                        rows, problem = rows_of(reader, search), ""
                    except StorageError as error:
                        if not error.retryable:
                            raise
                        problem = str(error)
                most = max(screen.size.height - _HEAD_LINES, 1)
                first = max(min(first, len(rows) - most), 0)
                shown = table_of(sorted_rows(rows, order), first, most)
                shown.title = f"{len(rows)} models by {order}   q end  s sort  r now  j k move"
                shown.caption = problem or shown.caption
                live.update(shown, refresh=True)
                key = key_within(_LOST if problem else interval)
                if key == "q":
                    return
                if key == "s":
                    order = ORDERS[(ORDERS.index(order) + 1) % len(ORDERS)]
                first += {"j": 1, "k": -1}.get(key, 0)
                due = key in ("", "r")
        except KeyboardInterrupt:
            return


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A question for the key pressed within so many seconds, empty for none; no Enter needed."""
    import select
    import termios
    import threading
    import tty

    if not sys.stdin.isatty():
        never = threading.Event()
        yield lambda seconds: "x" if never.wait(seconds) else ""
        return
    before = termios.tcgetattr(sys.stdin)

    def key_within(seconds: float) -> str:
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        return os.read(sys.stdin.fileno(), 1).decode("ascii", "replace") if ready else ""

    try:
        tty.setcbreak(sys.stdin)
        yield key_within
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

"""A backtest as tables and words for a terminal.

In: one `BacktestResult`, or those of a sweep. Out: things that rich can print. Never: a number that
the results do not have.
"""

import math
from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from monitor.backtest.alerts import event_of
from monitor.backtest.result import BacktestResult
from monitor.backtest.sweep import Sweep
from monitor.backtest.words import blind_words, budget_words, read_words
from monitor.clock import to_datetime
from monitor.performance.period import PeriodPerformance


def result_parts(result: BacktestResult) -> Iterator[RenderableType]:
    """What was read, every alert with its moves, the budget, and what cannot tell."""
    for words, warning in read_words(result):
        yield Text(words, style="yellow" if warning else "")
    yield Text("")
    if result.alerts:
        yield _alerts_table(result)
    else:
        yield Text("no alert fired", style="green")
    if result.unconfirmed:
        yield Text(f"{result.unconfirmed} more were pending and not confirmed")
    if result.months:
        yield months_table(result.months)
    share = result.under_alert / result.events
    yield Text(f"rows while an alert was firing: {result.under_alert:,} ({share:.1%})")
    yield Text(f"\n{budget_words(result)}", style="bold")
    table = Table("tests", "how many", "false alarms per million events")
    for part in result.battery.spent.values():
        if part.tests:
            rate = f"{part.false_alarms_per_event * 1e6:.3g}"
            table.add_row(part.family, f"{part.tests:,}", rate)
    yield table
    for words in blind_words(result):
        yield Text(words, style="yellow")


def months_table(months: Sequence[PeriodPerformance]) -> Table:
    """What labels say, month by month, beside the baseline and the estimate without labels."""
    table = Table(title="performance by month (UTC)", title_justify="left")
    known = [name for name in ("log_loss", "auc", "mae", "rmse") if name in months[-1].metrics]
    for name in ("month", "labelled", "coverage", *known, "baseline", *known):
        table.add_column(name, justify="left" if name == "month" else "right")
    for place, column in enumerate(table.columns):
        if place > 3 + len(known):
            column.header = f"{column.header}, estimated"
    for month in months:
        measured = [month.metrics.get(name, math.nan) for name in known]
        estimated = [month.estimated.get(name, math.nan) for name in known]
        numbers = (*measured, month.baseline_loss, *estimated)
        cells = ("" if math.isnan(number) else f"{number:.4f}" for number in numbers)
        table.add_row(month.period, f"{month.labelled:,}", f"{month.coverage:.1%}", *cells)
    return table


def sweep_table(sweep: Sweep, results: Sequence[BacktestResult]) -> Table:
    """One column for each value: alerts, rows under alert, the row where each alert fired first."""
    firsts = [_first_firings(result) for result in results]
    table = Table(title=f"sweep of {sweep.setting}", title_justify="left")
    table.add_column(sweep.setting)
    for text in sweep.texts:
        table.add_column(text, justify="right")
    table.add_row("alerts that fired", *(f"{len(result.alerts):,}" for result in results))
    table.add_row("rows under alert", *(f"{result.under_alert:,}" for result in results))
    for name in sorted({name for first in firsts for name in first}):
        rows = (f"{first[name]:,}" if name in first else "" for first in firsts)
        table.add_row(Text(f"first {name}, row"), *rows)
    return table


def _first_firings(result: BacktestResult) -> dict[str, int]:
    """The row of the first firing of each kind of alert."""
    found: dict[str, int] = {}
    for alert in result.alerts:
        found.setdefault(alert.name, alert.firing_event)
    return found


def _alerts_table(result: BacktestResult) -> Table:
    table = Table(title="alerts, in the order of firing", title_justify="left")
    table.add_column("alert")
    table.add_column("move")
    table.add_column("row", justify="right")
    if result.time is not None:
        table.add_column("event time (UTC)", no_wrap=True)
    table.add_column("why", overflow="fold")
    for alert in result.alerts:
        for place, move in enumerate(alert.moves):
            cells = [alert.name if place == 0 else "", move.state.value, f"{event_of(move):,}"]
            if result.time is not None:
                cells.append(f"{to_datetime(move.moved_us):%Y-%m-%d %H:%M}")
            table.add_row(*map(Text, [*cells, move.reason]))
        table.add_section()
    return table

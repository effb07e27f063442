"""A backtest as tables and words for a terminal.

In: a `BacktestResult`. Out: things that rich can print. Never: a number that the result does not
have.
"""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from monitor.backtest.alerts import BacktestAlert, event_of
from monitor.backtest.result import BacktestResult
from monitor.clock import to_datetime
from monitor.profiling.tables import CANNOT_TELL


def result_parts(result: BacktestResult) -> Iterator[RenderableType]:
    """What was read, every alert with its moves, the budget, and what cannot tell."""
    yield from _read(result)
    yield Text("")
    if result.alerts:
        yield _alerts_table(result)
    else:
        yield Text("no alert fired", style="green")
    if result.unconfirmed:
        yield Text(f"{result.unconfirmed} more were pending and not confirmed")
    if result.tested:
        share = result.under_alert / result.events
        yield Text(f"events while an alert was firing: {result.under_alert:,} ({share:.1%})")
    yield from _budget(result)
    yield from _blind(result)


def _read(result: BacktestResult) -> Iterator[Text]:
    card = result.card
    who = f"{card.model} {card.model_version}"
    yield Text(
        f"{result.source}: {result.events:,} rows, {result.tested:,} tested as {who}", style="bold"
    )
    if result.time is None:
        yield Text("the file has no column occurred_at: alerts are told by their rows", "yellow")
    else:
        yield Text(f"from {result.time.started} to {result.time.ended}")
        if result.time.backward_steps:
            yield Text(
                f"event time goes backwards {result.time.backward_steps:,} times, first at row "
                f"{(result.time.first_backward_row or 1) - 1}, by at most "
                f"{result.time.largest_step_back_seconds:,.0f} s: the rows are taken in the order "
                "of the file, as they would have come",
                style="yellow",
            )
    for version, n in result.other_versions.items():
        yield Text(f"{n:,} rows of version {version} are not of the card: not tested", "yellow")
    for reason, n in result.refused.items():
        yield Text(f"{n:,} rows are no predictions ({reason}): not tested", style="yellow")
    if result.repeated:
        yield Text(f"{result.repeated:,} rows repeat an event id: not tested", style="yellow")
    for (feature, reason), n in sorted(result.faults.items(), key=lambda item: -item[1])[:10]:
        yield Text(f"{n:,} values of {feature}: {reason}")


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
            cells = [_name(alert) if place == 0 else "", move.state.value, f"{event_of(move):,}"]
            if result.time is not None:
                cells.append(to_datetime(move.moved_us).strftime("%Y-%m-%d %H:%M"))
            table.add_row(*map(Text, [*cells, move.reason]))
        table.add_section()
    return table


def _name(alert: BacktestAlert) -> str:
    return " ".join(part for part in (alert.labels["alertname"], alert.feature) if part)


def _budget(result: BacktestResult) -> Iterator[RenderableType]:
    monitoring = result.card.monitoring
    yield Text(
        f"\nbudget: {monitoring.false_alarms_per_30_days:g} false alarms in 30 days, which allows "
        f"{result.expected_false_alarms:.2g} in these {result.tested:,} events",
        style="bold",
    )
    table = Table("tests", "how many", "false alarms per million events")
    for share in result.battery.spent.values():
        if share.tests:
            rate = f"{share.false_alarms_per_event * 1e6:.3g}"
            table.add_row(share.family, f"{share.tests:,}", rate)
    yield table


def _blind(result: BacktestResult) -> Iterator[Text]:
    windows = [note.words for note in result.battery.explain()]
    blind = [words for words in windows if words.startswith(CANNOT_TELL)]
    blind += [note.words for note in result.battery.explain_events() if not note.on]
    for words in dict.fromkeys(blind):
        yield Text(words, style="yellow")

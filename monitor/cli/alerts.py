"""`plumbline alerts`: the alert topic for people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from schemas import AlertEvent


@click.group("alerts")
def alerts_command() -> None:
    """Look at alerts."""


@alerts_command.command("tail")
@click.option("--from-beginning", is_flag=True, help="Show the moves of the past first.")
@click.option(
    "--follow/--no-follow",
    default=True,
    help="Wait for more (Ctrl-C ends it), or print every move so far and end.  [default: follow]",
)
@click.option("--model", help="Only the model of this name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as published.")
@click.pass_context
def tail(
    ctx: click.Context, from_beginning: bool, follow: bool, model: str | None, as_json: bool
) -> None:
    """Print alert moves as they are published, one a line.

    A line is: event time of the move (UTC), state, severity, model and version, alert and feature,
    and the reason of the move.
    """
    from monitor.intake.alerts import read_alerts, tail_alerts

    settings = current_settings(ctx)
    events: Iterator[AlertEvent] = (
        tail_alerts(settings, from_beginning=from_beginning) if follow else read_alerts(settings)
    )
    try:
        for event in events:
            if model is None or event.model == model:
                click.echo(event.to_json() if as_json else line(event))
    except KeyboardInterrupt:
        return


def line(event: "AlertEvent") -> str:
    """One move for a person."""
    labels = event.data.alerts[0].labels
    what = " ".join(
        part for part in (labels["alertname"], labels.get("feature"), labels.get("segment")) if part
    )
    who = f"{labels['model']} {labels['model_version']}"
    return (
        f"{event.time:%Y-%m-%d %H:%M}  {event.state:<10}  {labels['severity']:<8}  "
        f"{who}  {what}: {event.reason}"
    )

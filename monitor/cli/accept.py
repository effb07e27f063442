"""`plumbline accept`: what an alert shows is normal from here on, until a date."""

import click

from monitor.cli.alerts import ALERT_TEXT, send


@click.command("accept", epilog=ALERT_TEXT)
@click.argument("alert", metavar="ALERT")
@click.option("--model", help="Only the model of this name.")
@click.option("--who", help="Who decides.  [default: $USER]")
@click.option("--why", required=True, help="The reason, for those who come after.")
@click.option(
    "--until",
    "until_text",
    required=True,
    help="End, in event time: 2026-03-01 or 2026-03-01T12:00:00Z.",
)
@click.option("--incident", is_flag=True, help="All alerts of its incident that are on.")
@click.pass_context
def accept_command(
    ctx: click.Context,
    alert: str,
    model: str | None,
    who: str | None,
    why: str,
    until_text: str,
    incident: bool,
) -> None:
    """Take what an alert shows as normal until a date: its drift is measured against that.

    The alert ends. The events since it began become the reference of its column (of a JointDrift:
    of all columns) for that model version; a second shift is a new alert. After the date the
    original reference acts again. An alert that compares no distribution (a check, a loss) does
    not come back before the date.
    """
    send(ctx, "accept", alert, model, who, why, until_text, incident=incident)

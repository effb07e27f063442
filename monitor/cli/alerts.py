"""`plumbline alerts`: what is on, what became of it, and what people decide about it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from monitor.config import Settings
    from schemas import AlertEvent
    from schemas.command import Action

_NONE_UNTIL: Final = datetime(1970, 1, 1, tzinfo=UTC)


@click.group("alerts")
def alerts_command() -> None:
    """Look at alerts, and say what is to become of them."""


@alerts_command.command("tail")
@click.option("--from-beginning", is_flag=True, help="Show the moves of the past first.")
@click.option(
    "--follow/--no-follow",
    default=True,
    help="Wait for more (Ctrl-C ends it), or print every move so far and end.  [default: follow]",
)
@click.option("--owner", help="Only alerts of models that this team owns.")
@click.option("--model", help="Only the model of this name.")
@click.option("--severity", type=click.Choice(["critical", "warning", "info"]))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, as published.")
@click.pass_context
def tail(
    ctx: click.Context,
    from_beginning: bool,
    follow: bool,
    owner: str | None,
    model: str | None,
    severity: str | None,
    as_json: bool,
) -> None:
    """Print alert moves as they are published, one a line.

    A line is: event time of the move (UTC), state, severity, model and version, alert and feature,
    and the reason of the move.
    """
    from monitor.intake.subscriber import AlertSubscriber

    with AlertSubscriber(
        current_settings(ctx),
        group=None,
        from_beginning=from_beginning or not follow,
        owner=owner,
        model=model,
        severity=severity,
    ) as alerts:
        try:
            for event in alerts if follow else alerts.so_far():
                click.echo(event.to_json() if as_json else line(event))
        except KeyboardInterrupt:
            return


@alerts_command.command("list")
@click.option("--model", help="Only the model of this name.")
@click.pass_context
def list_(ctx: click.Context, model: str | None) -> None:
    """Print the alerts that are on, the newest first.

    A line is: fingerprint, event time since when, state, severity, model and version, alert and
    feature, and the reason of its last move.
    """
    for row in _open_alerts(current_settings(ctx)):
        if model is None or row["model"] == model:
            click.echo(
                f"{row['fingerprint']}  {row['starts_at']:%Y-%m-%d %H:%M}  {row['state']:<10}  "
                f"{row['severity']:<8}  {row['model']} {row['model_version']}  {name_of(row)}: "
                f"{row['reason']}"
            )


@alerts_command.command("show")
@click.argument("alert", metavar="ALERT")
@click.option("--model", help="Only the model of this name.")
@click.pass_context
def show(ctx: click.Context, alert: str, model: str | None) -> None:
    """Print one alert: its moves, its evidence, its owner, what people decided.

    ALERT is a fingerprint or its beginning (also of an alert that has ended), or the name of one
    that is on: `FeatureDrift`, `FeatureDrift temp`.
    """
    from monitor.storage.connection import Connection
    from monitor.storage.queries import (
        BASELINES_OF_MODEL,
        COMMANDS_OF_ALERT,
        MOVES_OF_ALERT,
        ask,
    )

    settings = current_settings(ctx)
    fingerprint = alert if _is_fingerprint(alert) else None
    if fingerprint is None:
        fingerprint = str(chosen(_open_alerts(settings), alert, model)["fingerprint"])
    connection = Connection(settings.clickhouse, reader=True)
    try:
        moves = ask(connection, MOVES_OF_ALERT, {"fingerprint": fingerprint})
        commands = ask(connection, COMMANDS_OF_ALERT, {"fingerprint": fingerprint})
        accepted = ask(
            connection, BASELINES_OF_MODEL, {"model": moves[-1]["model"] if moves else ""}
        )
    finally:
        connection.close()
    if not moves:
        raise click.ClickException(f"no alert with fingerprint {fingerprint} was ever published")
    last = moves[-1]
    click.echo(f"{last['model']} {last['model_version']}  {name_of(last)}  {fingerprint}")
    for label, value in sorted(last["annotations"].items()):
        click.echo(f"  {label:<12} {value}")
    for move in moves:
        click.echo(
            f"{move['moved_at']:%Y-%m-%d %H:%M}  {move['state']:<10}  {move['reason']}  "
            f"[{move['topic']}:{move['partition']}:{move['first_offset']}-{move['last_offset']}]"
        )
    for command in commands:
        until = command["until"]
        end = "" if until <= _NONE_UNTIL else f" until {until:%Y-%m-%d %H:%M}"
        click.echo(
            f"{command['issued_at']:%Y-%m-%d %H:%M}  {command['action']}{end} by {command['who']}: "
            f"{command['why']} -> {command['effect']}"
        )
    for one in accepted:
        if one["fingerprint"] == fingerprint:
            click.echo(accepted_line(one))


def _decision(
    action: "Action", name: str, text: str, *, until: bool = False
) -> Callable[..., None]:
    """One command that decides about an alert."""

    def decide(
        ctx: click.Context,
        alert: str,
        model: str | None,
        who: str | None,
        why: str,
        until_text: str | None = None,
    ) -> None:
        send(ctx, action, alert, model, who, why, until_text)

    decide.__doc__ = text
    command: Callable[..., None] = click.pass_context(decide)
    if until:
        command = click.option(
            "--until",
            "until_text",
            required=True,
            help="End, in event time: 2026-03-01 or 2026-03-01T12:00:00Z.",
        )(command)
    command = click.option("--why", required=True, help="The reason, for those who come after.")(
        command
    )
    command = click.option("--who", help="Who decides.  [default: $USER]")(command)
    command = click.option("--model", help="Only the model of this name.")(command)
    command = click.argument("alert", metavar="ALERT")(command)
    return alerts_command.command(name)(command)


ALERT_TEXT: Final = (
    "ALERT is the beginning of a fingerprint, or a name: `FeatureDrift`, `FeatureDrift temp`."
)

ack = _decision(
    "acknowledge",
    "ack",
    f"Say that somebody is at it: the alert stays on, and says who.\n\n{ALERT_TEXT}",
)
silence = _decision(
    "silence",
    "silence",
    "Let nobody be told of an alert for a while: it goes on, and says so.\n\n" + ALERT_TEXT,
    until=True,
)
close = _decision(
    "close",
    "close",
    f"End an alert: drift that goes on must be seen and confirmed anew.\n\n{ALERT_TEXT}",
)


def line(event: "AlertEvent") -> str:
    """One move for a person."""
    labels = event.data.alerts[0].labels
    who = f"{labels['model']} {labels['model_version']}"
    return (
        f"{event.time:%Y-%m-%d %H:%M}  {event.state:<10}  {labels['severity']:<8}  "
        f"{who}  {name_of(labels)}: {event.reason}"
    )


def accepted_line(row: Mapping[str, Any]) -> str:
    """What was accepted as normal for a column, for a person.

    >>> accepted_line({"column": "temp", "model_version": "1", "acts_from": 9, "ended": False,
    ...     "until": moment("2026-03-01"), "first_offset": 4, "last_offset": 8, "n_rows": 5,
    ...     "ended_at": moment("1970-01-01"), "end_reason": "", "profile_hash": "sha256:0"})
    ... # doctest: +ELLIPSIS
    'accepted    temp of 1 from offset 9 until 2026-03-01 00:00: offsets 4-8, 5 events, ...; acts'
    """
    ended = f"ended {row['ended_at']:%Y-%m-%d %H:%M}: {row['end_reason']}"
    return (
        f"accepted    {row['column']} of {row['model_version']} from offset {row['acts_from']} "
        f"until {row['until']:%Y-%m-%d %H:%M}: offsets {row['first_offset']}-{row['last_offset']}, "
        f"{row['n_rows']} events, instead of {row['profile_hash']}; "
        + (ended if row["ended"] else "acts")
    )


def name_of(labels: Any) -> str:
    """What a person calls an alert.

    >>> name_of({"alertname": "FeatureDrift", "feature": "temp"})
    'FeatureDrift temp'
    """
    parts = (labels["alertname"], labels.get("feature"), labels.get("segment"))
    return " ".join(part for part in parts if part)


def chosen(rows: list[dict[str, Any]], alert: str, model: str | None) -> dict[str, Any]:
    """The one open alert that a person means; UsageError where there is none, or several."""
    meant = [
        row
        for row in rows
        if (model is None or row["model"] == model)
        and (row["fingerprint"].startswith(alert) or alert in (name_of(row), row["alertname"]))
    ]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise click.UsageError(f"no open alert is {alert!r}: see `plumbline alerts list`")
    several = ", ".join(f"{row['fingerprint']} ({row['model']} {name_of(row)})" for row in meant)
    raise click.UsageError(f"{alert!r} may be any of {several}: give one fingerprint")


def moment(text: str) -> datetime:
    """A date (its midnight in UTC) or a time with its offset.

    >>> moment("2026-03-01").isoformat(), moment("2026-03-01T12:00:00+01:00").isoformat()
    ('2026-03-01T00:00:00+00:00', '2026-03-01T12:00:00+01:00')
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no date or time: 2026-03-01 or 2026-03-01T12:00:00Z",
            param_hint="--until",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def send(
    ctx: click.Context,
    action: "Action",
    alert: str,
    model: str | None,
    who: str | None,
    why: str,
    until_text: str | None,
    *,
    incident: bool = False,
) -> None:
    """Put a decision about an alert on the commands topic."""
    import getpass
    from uuid import uuid4

    from pydantic import ValidationError

    from monitor.clock import SystemClock, to_datetime
    from monitor.publishing.command import send_command
    from schemas.command import Command

    settings = current_settings(ctx)
    until = moment(until_text) if until_text else None
    row = chosen(_open_alerts(settings), alert, model)
    try:
        command = Command(
            command_id=uuid4().hex,
            model=row["model"],
            action=action,
            fingerprint=row["fingerprint"],
            who=who or getpass.getuser(),
            why=why,
            issued_at=to_datetime(SystemClock().now_us()),
            until=until,
            incident=incident,
        )
    except ValidationError as error:
        raise click.UsageError(str(error.errors(include_url=False)[0]["msg"])) from None
    placed = send_command(settings, command)
    click.echo(
        f"{action}  {row['model']} {name_of(row)} {row['fingerprint']} -> "
        f"{settings.kafka.topics.commands}[{placed.partition}] offset {placed.offset}; "
        f"`plumbline alerts show {row['fingerprint']}` says what it did"
    )


def _open_alerts(settings: "Settings") -> list[dict[str, Any]]:
    from monitor.storage.connection import Connection
    from monitor.storage.queries import FIRING_ALERTS, ask

    connection = Connection(settings.clickhouse, reader=True)
    try:
        return ask(connection, FIRING_ALERTS)
    finally:
        connection.close()


def _is_fingerprint(text: str) -> bool:
    return len(text) == 16 and all(letter in "0123456789abcdef" for letter in text)

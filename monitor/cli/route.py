"""`plumbline route` and `plumbline route-config`: alerts to people, by way of an Alertmanager."""

import signal
import threading

import click

from monitor.cli.logs import start_logging
from monitor.cli.settings import current_settings


@click.command("route")
@click.pass_context
def route_command(ctx: click.Context) -> None:
    """Keep an Alertmanager told of the alerts that are on, until stopped.

    Alertmanager (`routing.alertmanager_url`) does the notifying, grouping, inhibiting and
    silencing. A silence made there shows in Plumbline, and one made with `plumbline alerts silence`
    shows there.
    """
    settings = current_settings(ctx)
    start_logging("INFO", form=settings.logs.format)
    from monitor.clock import SystemClock
    from monitor.publishing.command import send_command
    from monitor.routing.router import Router

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    router = Router(settings, SystemClock(), lambda command: send_command(settings, command))
    try:
        router.run(stop.is_set)
    finally:
        router.close()


@click.command("route-config")
@click.option("--smarthost", default="localhost:25", show_default=True, help="Mail server.")
@click.option("--sender", default="plumbline@localhost", show_default=True, help="Mail sender.")
@click.pass_context
def route_config_command(ctx: click.Context, smarthost: str, sender: str) -> None:
    """Print an alertmanager.yml made from the owners of the registered models.

    A contact may be an e-mail address, a webhook's URL or a Slack channel (`#name`, with the API
    URL in the file `slack_api_url` beside the configuration).
    """
    from monitor.intake.follower import CardFollower
    from monitor.routing.config import alertmanager_config, to_yaml
    from monitor.validation.cards import parse_card
    from schemas.model import ModelCard

    settings = current_settings(ctx)
    follower = CardFollower(settings.kafka)
    try:
        values = [record.value for record in follower.read_all()]
    finally:
        follower.close()
    cards = [parse_card(value) for value in values if value is not None]
    known = [card for card in cards if isinstance(card, ModelCard)]
    config = alertmanager_config(
        known,
        smarthost=smarthost,
        sender=sender,
        escalation=settings.escalation.contact,
        dead_mans_switch=settings.routing.dead_mans_switch_url,
    )
    click.echo(to_yaml(config), nl=False)
    nobody = sorted({card.model for card in known} - {c.model for c in known if c.owner})
    if nobody:
        click.echo(f"no owner, so nobody is told: {', '.join(nobody)}", err=True)

"""`plumbline run`: the worker."""

import signal
import threading
from typing import TYPE_CHECKING

import click

from monitor.cli.logs import start_logging
from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from monitor.config import Settings


@click.command("run")
@click.option("--slot", help="Name of this worker's slot in the group. Default: worker.slot.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
    help="What goes to standard error.",
)
@click.pass_context
def run_command(ctx: click.Context, slot: str | None, log_level: str) -> None:
    """Consume, test, store and alert until stopped (SIGTERM or Ctrl-C).

    Every worker of a group needs a slot of its own: start a second one with `--slot worker-1`.
    """
    start_logging(log_level)
    from monitor.clock import SystemClock
    from monitor.worker import Worker

    settings = current_settings(ctx)
    if slot is not None:
        settings = _with_slot(settings, slot)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Worker(settings, SystemClock()).run(stop.is_set)


def _with_slot(settings: "Settings", slot: str) -> "Settings":
    from pydantic import ValidationError

    try:
        worker = settings.worker.model_validate({**settings.worker.model_dump(), "slot": slot})
    except ValidationError:
        raise click.BadParameter(
            f"{slot!r}: 1 to 64 letters, digits, '.', '_' or '-' are allowed", param_hint="--slot"
        ) from None
    return settings.model_copy(update={"worker": worker})

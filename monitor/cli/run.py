"""`plumbline run`: the worker."""

import signal
import threading

import click

from monitor.cli.logs import start_logging
from monitor.cli.settings import current_settings


@click.command("run")
@click.option("--slot", help="Name of this worker's slot in the group. Default: worker.slot.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
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
        worker_settings = settings.worker.model_validate(
            {**settings.worker.model_dump(), "slot": slot}
        )
        settings = settings.model_copy(update={"worker": worker_settings})
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    Worker(settings, SystemClock()).run(stop.is_set)

"""`plumbline run`: one worker, or a parent that keeps N of them running."""

import gc
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from monitor.cli.logs import start_logging
from monitor.cli.settings import CONFIG_KEY, current_settings

if TYPE_CHECKING:
    from monitor.config import Settings, WorkerSettings

OVERDUE: Final = 75
"""Exit code (EX_TEMPFAIL) of a worker that could not commit and leave in time."""


@click.command("run")
@click.option("--slot", help="Name of this worker's slot in the group. Default: worker.slot.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="Keep so many workers running, in the slots SLOT-0, SLOT-1, ...",
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]),
    default="INFO",
    show_default=True,
    help="What goes to standard error.",
)
@click.option("--parent", type=int, hidden=True)
@click.pass_context
def run_command(
    ctx: click.Context, slot: str | None, workers: int | None, log_level: str, parent: int | None
) -> None:
    """Consume, test, store and alert until stopped (SIGTERM or Ctrl-C).

    Stopping commits what was taken and takes 10 seconds at most; a second signal ends at once, and
    the next start takes the last events again.

    Every worker of a group needs a slot of its own. On one machine `--workers N` names them:
    worker-0, worker-1, ... On several machines give each a name: `--slot $(hostname) --workers 4`.
    """
    settings = current_settings(ctx)
    if slot is not None:
        settings = _with_worker(settings, "--slot", slot=slot)
    if workers is not None:
        start_logging(log_level, form=settings.logs.format)
        sys.exit(_supervise(settings, workers, log_level, ctx.meta.get(CONFIG_KEY)))
    told_by_json = settings.logs.format == "json"
    slot_named = settings.worker.slot if parent is not None or told_by_json else ""
    start_logging(log_level, slot_named, settings.logs.format)
    _work(settings, parent)


def _work(settings: "Settings", parent: int | None) -> None:
    """One worker, until a signal, or until the parent that started it is gone."""
    gc.disable()  # what is imported stays: to look for garbage in it takes an eighth of the time
    from monitor.clock import SystemClock
    from monitor.supervisor import DRAIN_S, StopSignals
    from monitor.worker import Worker

    gc.enable()

    class Ending(StopSignals):
        def heard(self, number: int, frame: object = None) -> None:
            super().heard(number, frame)
            if self.count > 1:
                os._exit(128 + number)
            overdue = threading.Timer(DRAIN_S - 0.5, _overdue)
            overdue.daemon = True
            overdue.start()

    signals = Ending()
    signals.install()

    def stopping() -> bool:
        return signals.count > 0 or (parent is not None and os.getppid() != parent)

    Worker(settings, SystemClock()).run(stopping)


def _overdue() -> None:
    sys.stderr.write(
        "not drained in time: leaving; nothing is lost, the last events are taken again at the "
        "next start\n"
    )
    sys.stderr.flush()
    os._exit(OVERDUE)


def _supervise(settings: "Settings", workers: int, log_level: str, config: Path | None) -> int:
    import logging

    import monitor
    from monitor.clock import SystemClock
    from monitor.config import WorkerSettings
    from monitor.errors import BrokerError
    from monitor.intake.topics import require_topics
    from monitor.supervisor import StopSignals, Supervisor, slot_names

    signals = StopSignals()
    signals.install()
    log = logging.getLogger(__name__)
    try:
        require_topics(settings)
    except BrokerError as error:
        log.warning("%s; the workers wait for it", error)
    if workers > settings.kafka.partitions:
        log.warning(
            "%d workers for %d partitions: the group leaves some without work",
            workers,
            settings.kafka.partitions,
        )
    default = WorkerSettings().slot
    slots = slot_names(settings.worker.slot, workers, default)
    # The children run this very package, wherever it is, and nothing of the folder they run in.
    root = str(Path(monitor.__file__).resolve().parents[1])
    python_path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", "monitor.cli"]
    if config is not None:
        command += ["--config", str(config)]
    command += ["run", "--log-level", log_level, "--parent", str(os.getpid()), "--slot"]
    commands, envs = {}, {}
    for number, slot in enumerate(slots):
        port = settings.worker.http_port and settings.worker.http_port + number
        _with_worker(settings, "--workers", slot=slot, http_port=port)  # refuses what is too long
        commands[slot] = [*command, slot]
        envs[slot] = os.environ | {
            "PYTHONPATH": python_path,
            "PLUMBLINE_WORKER__HTTP_PORT": str(port),
        }
    return Supervisor(commands, envs, SystemClock()).run(signals)


def _with_worker(settings: "Settings", hint: str, **changed: Any) -> "Settings":
    from pydantic import ValidationError

    try:
        worker: WorkerSettings = settings.worker.model_validate(
            {**settings.worker.model_dump(), **changed}
        )
    except ValidationError as error:
        [problem] = error.errors(include_url=False)
        if problem["loc"] == ("slot",):
            text = f"{changed['slot']!r}: 1 to 64 letters, digits, '.', '_' or '-' are allowed"
        else:
            text = f"{problem['loc'][0]} = {problem['input']}: {problem['msg']}"
        raise click.BadParameter(text, param_hint=hint) from None
    return settings.model_copy(update={"worker": worker})

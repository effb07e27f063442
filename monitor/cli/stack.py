"""`plumbline stack`: Kafka and ClickHouse on this machine, without Docker."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from devstack.stack import StackInfo

DIRECTORY: Final = Path(".plumbline/stack")
_OPTION = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=DIRECTORY,
    show_default=True,
    help="Where its data, logs and ports are kept.",
)


@click.group("stack")
def stack_command() -> None:
    """Start, stop and look at the local Kafka and ClickHouse.

    They listen on loopback, on free ports, and keep their data between runs. Other commands run
    from the same folder find them by themselves.
    """


@stack_command.command("up")
@_OPTION
def up(directory: Path) -> None:
    """Start what does not run yet, create topics and tables."""
    settings_file = start(directory)
    click.echo(f"settings for this stack: {settings_file}")
    if directory != DIRECTORY:
        click.echo(f"commands find it by: plumbline --config {settings_file}")
    click.echo(f"stop it with: {_command('down', directory)}")


@stack_command.command("down")
@_OPTION
def down(directory: Path) -> None:
    """End what `up` started; the data stays."""
    stop(directory)
    click.echo("stopped; the data stays in " + str(directory / "data"))


@stack_command.command("status")
@_OPTION
def status(directory: Path) -> None:
    """Say what runs; exit code 1 if not both do."""
    from devstack import stack

    state = stack.status(directory)
    if state.info is None:
        raise click.ClickException(
            f"no stack was ever started in {directory}: {_command('up', directory)}"
        )
    kafka, house = state.info.kafka_bootstrap, state.info.clickhouse_port
    click.echo(f"kafka       {_state(state.kafka_pid)}  {kafka}")
    click.echo(f"clickhouse  {_state(state.clickhouse_pid)}  http://127.0.0.1:{house}")
    click.echo(f"logs        {directory / 'logs'}")
    if not state.running:
        raise click.ClickException(f"not everything runs: {_command('up', directory)}")


def start(directory: Path) -> Path:
    """Start the stack with topics and tables; gives the settings file that points to it."""
    from devstack import stack
    from devstack.errors import StackError
    from monitor.config import load_settings
    from monitor.intake.topics import ensure_topics
    from monitor.storage.clickhouse import ClickHouseStore
    from monitor.storage.retention import apply_retention

    try:
        info = stack.up(directory)
    except StackError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"kafka {info.kafka_bootstrap} and clickhouse 127.0.0.1:{info.clickhouse_port} run")
    settings_file = _write_settings(directory, info)
    settings = load_settings(settings_file)
    for topic in ensure_topics(settings):
        click.echo(f"created topic {topic}")
    with ClickHouseStore(settings.clickhouse) as store:
        for migration in store.migrate():
            click.echo(f"applied migration {migration}")
        for change in apply_retention(store.connection, settings.retention.by_table()):
            click.echo(f"rows kept: {change}")
    return settings_file


def stop(directory: Path) -> None:
    """End what `start` started."""
    from devstack import stack
    from devstack.errors import StackError

    try:
        stack.down(directory)
    except StackError as error:
        raise click.ClickException(str(error)) from error


def _write_settings(directory: Path, info: "StackInfo") -> Path:
    import yaml

    settings = {
        "kafka": {"bootstrap_servers": info.kafka_bootstrap},
        "clickhouse": {
            "host": info.clickhouse_host,
            "port": info.clickhouse_port,
            "username": info.writer_user,
            "password": info.writer_password,
            "reader_username": info.reader_user,
            "reader_password": info.reader_password,
        },
    }
    file = directory / "settings.yaml"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write("# Written by `plumbline stack up`.\n")
        yaml.safe_dump(settings, handle, sort_keys=False)
    return file


def _command(name: str, directory: Path) -> str:
    """The command to type for this stack.

    >>> _command("up", DIRECTORY)
    'plumbline stack up'
    >>> _command("down", Path("other"))
    'plumbline stack down --directory other'
    """
    return f"plumbline stack {name}" + (
        "" if directory == DIRECTORY else f" --directory {directory}"
    )


def _state(pid: int | None) -> str:
    return "down          " if pid is None else f"up (pid {pid})".ljust(14)

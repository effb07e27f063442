"""`plumbline export`: rows as files."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from monitor.audit.export import Format

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_SUFFIXES: Final = {".parquet": "parquet", ".csv": "csv"}
_MOMENT: Final = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])


@click.command("export")
@click.argument("what", type=click.Choice(["predictions", "outcomes", "alerts", "rejections"]))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--model", required=True, help="Rows of this model.")
@click.option("--since", type=_MOMENT, help="From this moment on (UTC).  [default: the first]")
@click.option("--until", type=_MOMENT, help="Before this moment (UTC).  [default: the last]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["parquet", "csv"]),
    help="Of the file.  [default: by its name's end]",
)
@click.pass_context
def export_command(
    ctx: click.Context,
    what: str,
    file: Path,
    model: str,
    since: datetime | None,
    until: datetime | None,
    form: "Format | None",
) -> None:
    """Write a model's rows of a stretch of event time to a Parquet or CSV file.

    outcomes are predictions with their labels and losses. rejections go by the time at which the
    broker took them, and those whose model could not be read are among them.
    """
    from monitor.audit.export import export
    from monitor.cli.console import progress
    from monitor.storage.reader import Reader

    chosen = form or _SUFFIXES.get(file.suffix)
    if chosen is None:
        raise click.UsageError(f"{file} ends in neither .parquet nor .csv: give --format")
    with (
        Reader(current_settings(ctx).clickhouse) as reader,
        progress(f"{what} of {model}") as job,
    ):
        rows = export(
            reader,
            what,
            file,
            model=model,
            since=_utc(since) or _FIRST,
            until=_utc(until) or _LAST,
            form="csv" if chosen == "csv" else "parquet",
            on_rows=lambda n: job.now(f"{n:,} rows"),
        )
    click.echo(f"{rows:,} {what} of {model} -> {file} ({file.stat().st_size:,} bytes)")


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)

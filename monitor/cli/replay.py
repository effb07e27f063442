"""`plumbline replay`: a file of predictions or labels into the topics."""

from pathlib import Path

import click

from monitor.broker import client_options
from monitor.cli.console import progress
from monitor.cli.settings import current_settings
from monitor.clock import to_datetime
from monitor.profiling.card import load_card
from producers.errors import ProducerError
from producers.replay import Progress, replay_file
from producers.timeline import Columns


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--card",
    "card_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Model card (YAML) that names the features.",
)
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Where a field lies in a column of another name; may be repeated.",
)
@click.option(
    "--speed", type=float, help="Recorded seconds in a second. Default: as fast as it goes."
)
@click.pass_context
def replay_command(
    ctx: click.Context, file: Path, card_file: Path, mapping: tuple[str, ...], speed: float | None
) -> None:
    """Send the rows of FILE (CSV, Parquet or NDJSON) to the topics, in their order.

    Rows with a `prediction` become predictions; where they have a `label` and `observed_at`, the
    label follows at that time. A file without `prediction` is one of labels.
    """
    settings = current_settings(ctx)
    names = {}
    for pair in mapping:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise click.BadParameter(f"{pair!r} is not FIELD=COLUMN", param_hint="--map")
        names[field] = column
    options = client_options(settings.kafka)
    servers = ",".join(options.pop("bootstrap_servers"))
    try:
        with progress(f"replay of {file.name}") as job:

            def show(now: Progress) -> None:
                at = f"{to_datetime(now.at_us):%Y-%m-%d}"
                job.now(f"{now.predictions:,} predictions, {now.labels:,} labels, {at}")

            result = replay_file(
                file,
                load_card(card_file),
                servers,
                columns=Columns(names),
                speed=speed,
                on_progress=show,
                predictions_topic=settings.kafka.topics.predictions,
                labels_topic=settings.kafka.topics.labels,
                kafka=options,
            )
    except ProducerError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{result.predictions:,} predictions and {result.labels:,} labels in {result.seconds:.1f} s"
    )
    if result.failed:
        raise click.ClickException(f"{result.failed} records were not taken: {result.error}")

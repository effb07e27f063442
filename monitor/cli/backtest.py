"""`plumbline backtest`: what would have fired on past events."""

from pathlib import Path

import click


@click.command("backtest")
@click.argument("events_file", metavar="EVENTS", type=click.Path(path_type=Path))
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    required=True,
    help="Data file that the events are compared with.",
)
@click.option(
    "--card",
    "card_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Model card (YAML) that says what the columns are.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the alerts to this file as JSON.",
)
def backtest_command(
    events_file: Path, reference: Path, card_file: Path, json_file: Path | None
) -> None:
    """Run the monitor over EVENTS (CSV, Parquet or NDJSON), with no broker and no server.

    The rows are taken in the order of the file. Columns: event_id, occurred_at, model_version,
    prediction, score or score_<class>, and the features of the card.
    """
    from monitor.backtest.run import as_profile, run_backtest
    from monitor.backtest.tables import result_parts
    from monitor.cli.console import console
    from monitor.profiling.card import load_card
    from monitor.profiling.dataset import read_dataset

    card = load_card(card_file)
    profile = as_profile(read_dataset(reference, card), card)
    result = run_backtest(read_dataset(events_file, card), card, profile)
    screen = console()
    for part in result_parts(result):
        screen.print(part)
    if json_file is not None:
        _write(json_file, _json(result.to_json()))


def _json(values: object) -> str:
    import json

    return json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def _write(file: Path, text: str) -> None:
    from monitor.errors import ConfigError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error}: name another file") from None
    click.echo(f"written to {file}")

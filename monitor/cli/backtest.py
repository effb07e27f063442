"""`plumbline backtest`: what would have fired on past events."""

from pathlib import Path

import click

from monitor.cli.fault_options import fault_option, seed_option
from monitor.cli.settings import current_settings

_FILE = click.Path(path_type=Path)
_NEW_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("backtest")
@click.argument("events_file", metavar="EVENTS", type=_FILE)
@click.option(
    "--reference", type=_FILE, required=True, help="Data file that the events are compared with."
)
@click.option(
    "--card",
    "card_file",
    type=_FILE,
    required=True,
    help="Model card (YAML) that says what the columns are.",
)
@click.option(
    "--labels",
    "labels_file",
    type=_FILE,
    help="Data file with event_id, label and observed_at: says how many events got a label, when.",
)
@click.option("--json", "json_file", type=_NEW_FILE, help="Write the alerts to this file as JSON.")
@click.option("--html", "html_file", type=_NEW_FILE, help="Write a page with charts to this file.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="SETTING=VALUES",
    help="Compare values of one setting: budget=0.5,1,2, floor=0.05,0.1 or "
    "window=1000,4000,1000+4000 (sizes joined by + run together). Can be given more than once; "
    "each sweep changes its setting alone.",
)
@fault_option
@seed_option
@click.option(
    "--onset",
    type=click.IntRange(min=0),
    metavar="ROW",
    help="First row that the fault touches. Default: the middle.",
)
@click.pass_context
def backtest_command(
    ctx: click.Context,
    events_file: Path,
    reference: Path,
    card_file: Path,
    labels_file: Path | None,
    json_file: Path | None,
    html_file: Path | None,
    sweeps: tuple[str, ...],
    faults: tuple[str, ...],
    seed: int,
    onset: int | None,
) -> None:
    """Run the monitor over EVENTS (CSV, Parquet or NDJSON), with no broker and no server.

    Prints every alert with its moves, the budget for false alarms, and what cannot tell. Columns
    of EVENTS: event_id, occurred_at, model_version, prediction, score or score_<class>, and the
    features of the card. Rows are taken in the order of the file and numbered from 0.

    With `--fault` the events are broken on purpose from a row on; the report says what was done,
    and whether, when and by which alert it was caught.
    """
    from rich.text import Text

    from monitor.backtest.labels import label_coverage
    from monitor.backtest.report import html_report
    from monitor.backtest.run import as_profile, run_backtest
    from monitor.backtest.sweep import Sweep, run_sweep
    from monitor.backtest.tables import result_parts, sweep_table
    from monitor.cli.console import console, progress
    from monitor.cli.faults import broken_backtest
    from monitor.profiling.card import load_card
    from monitor.profiling.dataset import read_dataset

    asked = [Sweep.parse(text) for text in sweeps]
    card = load_card(card_file)
    compared = read_dataset(reference, card)
    events = read_dataset(events_file, card)
    labels = None if labels_file is None else read_dataset(labels_file)
    key = current_settings(ctx).sensitivity.key() if card.sensitive else None
    screen = console()
    verdict = None
    if faults:
        if sweeps:
            raise click.UsageError("--fault and --sweep exclude each other")
        coverage = None if labels is None else label_coverage(events, labels)
        with progress(f"backtest of {events_file.name} with a fault"):
            verdict, result = broken_backtest(
                events, compared, card, faults, seed=seed, onset=onset, key=key, labels=coverage
            )
        for words, style in verdict.lines():
            screen.print(Text(words, style=style))
        screen.print()
    else:
        with progress(f"profile of {reference.name}"):
            profile = as_profile(compared, card, key)
        with progress(f"backtest of {events_file.name}", events.n_rows) as job:
            result = run_backtest(events, card, profile, labels=labels, key=key, on_rows=job.at)
    for part in result_parts(result):
        screen.print(part)
    for sweep in asked:
        with progress(f"sweep of {sweep.setting}", events.n_rows) as job:
            swept = run_sweep(sweep, events, card, compared, profile, key, job.at)
        screen.print(sweep_table(sweep, swept))
    if json_file is not None:
        told = {} if verdict is None else {"drill": verdict.to_json()}
        _write(json_file, _json(result.to_json() | told))
    if html_file is not None:
        _write(html_file, html_report(result))


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

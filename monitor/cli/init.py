"""`plumbline init`: a first model card from a data file."""

from pathlib import Path

import click


@click.command("init")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("card.yaml"),
    show_default=True,
    help="Where to write the card.",
)
def init_command(data: Path, out: Path) -> None:
    """Write a model card from DATA (CSV, Parquet or NDJSON).

    Types, ranges, categories and hidden nulls are guessed from the values; every guess is marked
    with a comment, for you to correct.
    """
    from monitor.errors import ConfigError
    from monitor.profiling.card import parse_card
    from monitor.profiling.dataset import read_dataset
    from monitor.profiling.guess import guess_card

    if out.exists():
        raise ConfigError(f"{out} is there already: delete it or name another file with --out")
    text = guess_card(read_dataset(data))
    card = parse_card(text, str(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    guesses = text.count("# guess")
    click.echo(
        f"{out}: {card.model} {card.model_version}, {card.task}, {len(card.features)} features"
    )
    click.echo(f"{guesses} guesses are marked with `# guess`: look at them")
    click.echo(f"next: plumbline profile {data} --card {out}")

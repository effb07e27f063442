"""`plumbline retrains`: every retraining, and whether it helped."""

import math
from typing import Any

import click

from monitor.cli.settings import current_settings


@click.group("retrains")
def retrains_command() -> None:
    """Look at retrainings: what they were made of, why, and what came of them."""


@retrains_command.command("list")
@click.option("--model", default="", help="Only the model of this name.")
@click.pass_context
def list_(ctx: click.Context, model: str) -> None:
    """Print every version whose card names a previous one, the newest first.

    A line is: when its card was registered (UTC), model, old -> new version, the result of their
    comparison with its interval, the fingerprint of the data set, and why it was retrained.
    """
    from monitor.storage.connection import Connection
    from monitor.storage.queries import ask
    from monitor.storage.retrain_queries import RETRAINS_OF_MODEL

    connection = Connection(current_settings(ctx).clickhouse, reader=True)
    try:
        rows = ask(connection, RETRAINS_OF_MODEL, {"model": model})
    finally:
        connection.close()
    for row in rows:
        click.echo(line(row))


def line(row: dict[str, Any]) -> str:
    """One retraining for a terminal."""
    result = str(row["result"]).replace("_", " ")
    if row["rollback_recommended"]:
        result += ", rollback recommended"
    elif not row["final"] and row["labels"]:
        result += ", so far"
    if math.isfinite(row["difference"]):
        result += (
            f" ({row['difference']:+.4f} a prediction, {row['lower']:+.4f} to {row['upper']:+.4f}, "
            f"{row['labels']:,} labels)"
        )
    data = str(row["dataset_fingerprint"]).removeprefix("sha256:")[:12] or "no fingerprint"
    return (
        f"{row['registered_at']:%Y-%m-%d %H:%M}  {row['model']} {row['old_version']} -> "
        f"{row['new_version']}  {result}  data {data}  {row['reason'] or 'no reason given'}"
    )

"""`plumbline forget`: erase a person's rows, and prove it."""

import click

from monitor.cli.settings import current_settings


@click.command("forget")
@click.option("--entity", required=True, help="The person: `entity_id` of the predictions.")
@click.option("--model", default="", help="Erase from this model alone. Default: from all.")
@click.pass_context
def forget_command(ctx: click.Context, entity: str, model: str) -> None:
    """Delete a person's predictions, their labels and what was rejected of them.

    Rows are found by the id and by its hash, counted, deleted, and counted again; the table
    `erasures` keeps a record that names the person by a hash alone. Kafka keeps its records until
    their retention ends: docs/operations.md says what that means.
    """
    from monitor.clock import SystemClock
    from monitor.storage.connection import Connection
    from monitor.storage.erasure import forget

    if not entity:
        raise click.BadParameter("names nobody", param_hint="--entity")
    settings = current_settings(ctx)
    connection = Connection(settings.clickhouse)
    try:
        erasure = forget(
            connection, entity, SystemClock(), model=model, key=settings.sensitivity.key()
        )
    finally:
        connection.close()
    click.echo(f"entity       {erasure.entity_hash}")
    for table, found in erasure.found.items():
        click.echo(f"{table:<12} {found:,} found, {erasure.remaining[table]:,} left")
    if not erasure.complete:
        raise click.ClickException(
            "rows of this person still come in: stop what sends them, let the workers catch up "
            "(`plumbline doctor`), then run the same command again"
        )
    topics = settings.kafka.topics
    click.echo(
        f"recorded in {settings.clickhouse.database}.erasures; Kafka still has the records on "
        f"{topics.predictions}, {topics.labels} and {topics.rejections} until their retention ends"
    )

"""`plumbline dashboard`: the web pages."""

import click

from monitor.cli.settings import current_settings


@click.command("dashboard")
@click.option("--host", help="Interface to listen on.  [default: dashboard.host, 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Port; 0: any free one.  [default: dashboard.port, 8118]",
)
@click.pass_context
def dashboard_command(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Serve the web pages until Ctrl-C.

    They read ClickHouse with the reader's account. Decisions about alerts need a sign-in
    (`dashboard.users`) and go to the commands topic. On any interface but loopback reading needs
    a sign-in, too.
    """
    from monitor.dashboard.server import serve

    settings = current_settings(ctx)
    changed = {"host": host, "port": port}
    own = settings.dashboard.model_copy(
        update={name: value for name, value in changed.items() if value is not None}
    )
    serve(settings.model_copy(update={"dashboard": own}), click.echo)

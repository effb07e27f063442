"""`plumbline verify`: are an alert's numbers what the stored rows give?"""

from typing import TYPE_CHECKING, Final

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.verifying.verify import Verified

DIFFERS: Final = 3
CANNOT: Final = 4
"""Exit codes beside 0 (all verified), 1 (ClickHouse could not be asked) and 2 (wrong usage)."""
_MOST_WORDS: Final = 5
"""Lines about one alert."""


@click.command("verify")
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--all", "every", is_flag=True, help="Every alert there is, instead of one.")
@click.option("--model", default="", help="With --all: the alerts of this model alone.")
@click.pass_context
def verify_command(ctx: click.Context, id_: str | None, every: bool, model: str) -> None:
    """Compute the numbers behind an alert again, from the rows in ClickHouse.

    ID is the fingerprint of an alert, or the id of one of its moves. The stored events go through
    the same windows, tests and checks, against the reference that the alert names, and every
    number must be equal to the last digit.

    \b
    verified  rows, reference, settings and numbers are those of the alert
    differs   rows were changed or are missing, or the reference or the card was changed
    cannot    it cannot be said, and why: retention, erasure, an alert that the clock raised

    Exit codes: 0 all verified, 1 ClickHouse could not be asked, 2 wrong usage, 3 something
    differs, 4 nothing differs but of some alert it cannot be said.
    """
    from monitor.cli.console import progress
    from monitor.errors import NotFoundError
    from monitor.storage.clickhouse import ClickHouseStore
    from monitor.storage.evidence import Evidence
    from monitor.verifying.verify import Stored, verify

    if every == (id_ is not None):
        raise click.UsageError("name one alert by its ID, or all of them by --all")
    if model and not every:
        raise click.UsageError("--model goes with --all")
    settings = current_settings(ctx)
    what = f"alert {id_}" if id_ else f"alerts of {model or 'all models'}"
    with (
        ClickHouseStore(settings.clickhouse, reader=True) as store,
        progress(f"verifying {what}") as job,
    ):
        stored = Stored(
            Evidence(store.connection),
            store,
            settings.kafka.topics,
            settings.retention.predictions_days,
        )
        found = verify(
            stored,
            model=model,
            id=id_ or "",
            on_moves=lambda done, of: job.at(done, f"{done:,} of {of:,} moves", total=of),
        )
    if not found and id_ is not None:
        raise NotFoundError(
            f"no alert has the fingerprint or move id {id_}: `plumbline alerts list` shows them"
        )
    ctx.exit(_told(found))


def _told(found: "Sequence[Verified]") -> int:
    """Print what came of each alert and of all; gives the exit code."""
    counts = dict.fromkeys(("verified", "differs", "cannot"), 0)
    for one in found:
        counts[one.verdict.value] += 1
        click.echo(f"{one.verdict.value:<9} {one.fingerprint}  {one.name} ({one.moves} moves)")
        for words in one.words[:_MOST_WORDS]:
            click.echo(f"          {words}")
        if len(one.words) > _MOST_WORDS:
            click.echo(f"          and {len(one.words) - _MOST_WORDS} more")
    others = [f"{counts[name]} {name}" for name in ("differs", "cannot") if counts[name]]
    click.echo(", ".join([f"{counts['verified']} alerts verified", *others]))
    return DIFFERS if counts["differs"] else CANNOT if counts["cannot"] else 0

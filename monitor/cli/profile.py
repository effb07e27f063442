"""`plumbline profile`: from a reference data set to what the stream is compared with."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from monitor.profiling.audit import Audit
    from monitor.sketches.profile import Profile
    from schemas.model import ModelCard


@click.command("profile")
@click.argument("reference", type=click.Path(path_type=Path))
@click.option(
    "--card",
    "card_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Model card (YAML) that says what the columns are.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File or folder for the profile. Default: next to the card.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
@click.pass_context
def profile_command(
    ctx: click.Context, reference: Path, card_file: Path, out: Path | None, as_json: bool
) -> None:
    """Audit REFERENCE (CSV, Parquet or NDJSON) and build its profile.

    Prints what is odd about the data, what a window of each size is worth in independent events,
    and the smallest shift it can see. The profile is written to a file for `plumbline register`,
    the audit beside it.
    """
    from monitor.cli.console import progress
    from monitor.profiling.build import build_profile
    from monitor.profiling.card import load_card
    from monitor.profiling.dataset import read_dataset
    from monitor.profiling.files import profile_file, save_files

    card = load_card(card_file)
    key = current_settings(ctx).sensitivity.key() if card.sensitive else None
    with progress(f"profile of {reference.name}"):
        profile, audit = build_profile(read_dataset(reference, card), card, key=key)
    file = profile_file(card_file, out)
    save_files(file, profile, audit)
    if as_json:
        click.echo(_as_json(file, profile, audit, card))
        return
    _print(profile, audit, card)
    click.echo(f"\nprofile {profile.hash}\nwritten to {file}, the audit beside it")
    click.echo(f"next: plumbline register {card_file}" + (f" --profile {file}" if out else ""))


def _print(profile: "Profile", audit: "Audit", card: "ModelCard") -> None:
    from monitor.cli.console import console
    from monitor.detectors.battery import Battery
    from monitor.profiling.tables import audit_parts, window_parts

    screen = console()
    for part in audit_parts(audit):
        screen.print(part)
    for part in window_parts(Battery(profile, card.monitoring).explain(), card.monitoring):
        screen.print(part)


def _as_json(file: Path, profile: "Profile", audit: "Audit", card: "ModelCard") -> str:
    import json
    from dataclasses import asdict

    from monitor.detectors.battery import Battery

    return json.dumps(
        {
            "profile": str(file),
            "profile_hash": profile.hash,
            "dataset_fingerprint": profile.dataset_fingerprint,
            "audit": json.loads(audit.to_json()),
            "windows": [asdict(note) for note in Battery(profile, card.monitoring).explain()],
        },
        ensure_ascii=False,
        indent=2,
    )

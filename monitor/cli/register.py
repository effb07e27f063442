"""`plumbline register`: a model version goes live in the monitor."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.settings import current_settings

if TYPE_CHECKING:
    from monitor.sketches.profile import Profile
    from schemas.model import ModelCard
    from schemas.values import HashKey


@click.command("register")
@click.argument("card_file", metavar="CARD", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    "profile_path",
    type=click.Path(path_type=Path),
    help="Profile written by `plumbline profile`. Default: the one next to the card.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="Reference data set to build the profile from now, instead.",
)
@click.pass_context
def register_command(
    ctx: click.Context, card_file: Path, profile_path: Path | None, reference: Path | None
) -> None:
    """Publish the model card CARD with its profile.

    The profile and its audit go to ClickHouse first, then the card to the models topic, so that a
    worker that reads the card finds the profile. Workers take the card without a restart; to
    change a card, register it again.
    """
    from monitor.clock import SystemClock, to_datetime
    from monitor.intake.topics import ensure_topics
    from monitor.profiling.card import load_card
    from monitor.profiling.files import check_fit, profile_file
    from monitor.publishing.card import publish_card
    from monitor.storage.clickhouse import ClickHouseStore
    from monitor.validation.sensitivity import CardMasks

    if profile_path is not None and reference is not None:
        raise click.UsageError("--profile and --reference exclude each other: give one of them")
    settings = current_settings(ctx)
    card = load_card(card_file)
    key = settings.sensitivity.key()
    CardMasks.of([card], key)  # refuses a card whose hashes no worker could make
    profile, audit = _profile(card, profile_file(card_file, profile_path), reference, key)
    check_fit(profile, card)
    registered_at = card.registered_at or to_datetime(SystemClock().now_us())
    card = card.model_copy(
        update={
            "profile_hash": profile.hash,
            "dataset_fingerprint": profile.dataset_fingerprint,
            "registered_at": registered_at,
            "hash_key_id": key.id if key is not None and card.hashes else None,
        }
    )
    ensure_topics(settings)
    house = settings.clickhouse
    with ClickHouseStore(house) as store:
        store.migrate()
        store.save_profile(profile.hash, profile.to_bytes())
        store.save_audit(profile.hash, profile.dataset_fingerprint, audit)
        click.echo(f"profile  {profile.hash} -> ClickHouse {house.host}:{house.port}")
        placed = publish_card(settings, card)
        store.save_card(card, appended_us=placed.appended_us)
    click.echo(
        f"card     {card.model} {card.model_version} -> {settings.kafka.topics.models} "
        f"offset {placed.offset}"
    )
    if card.owner is None:
        click.echo("owner    none: the card names nobody who would get an alert of this model")
    else:
        click.echo(f"owner    {card.owner.team}, {card.owner.contact}")


def _profile(
    card: "ModelCard", file: Path, reference: Path | None, key: "HashKey | None"
) -> "tuple[Profile, str]":
    """The profile and its audit (JSON), from its file or built now."""
    if reference is None:
        from monitor.profiling.files import load_files

        return load_files(file)
    from monitor.profiling.build import build_profile
    from monitor.profiling.dataset import read_dataset

    profile, audit = build_profile(read_dataset(reference, card), card, key=key)
    for remark in audit.remarks:
        click.echo(f"{remark.weight:<8} {remark.column} {remark.text}")
    return profile, audit.to_json()

"""Which card acted on one prediction, its profile, and the line of its versions.

In: a `Reader` and the stored prediction. Out: a `Registered`. Never: a card that came later, where
one is known that acted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.audit.explanation import Ancestor, CardFact
from monitor.clock import to_datetime
from monitor.errors import ProfileError
from monitor.sketches.profile import Profile
from monitor.storage.audit_queries import BOUNDARY_BEFORE, PROFILE_CONTENT, REGISTRATIONS
from monitor.storage.reader import Reader
from schemas.model import ModelCard

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Registered:
    """What was known of a model version when it answered."""

    card: ModelCard | None
    profile: Profile | None
    fact: CardFact | None
    registrations: Sequence[Row]
    """Of the model, the newest first."""
    notes: tuple[str, ...]


def registered_for(reader: Reader, prediction: Row) -> Registered:
    """The card that acted at the prediction's place in the log, with its profile."""
    registrations = reader.rows(REGISTRATIONS, {"model": prediction["model"]})
    place = ("model", "model_version", "topic", "partition", "offset")
    boundaries = reader.rows(BOUNDARY_BEFORE, {name: prediction[name] for name in place})
    boundary = boundaries[0] if boundaries else None
    row, note = _acting(registrations, boundary, prediction)
    if row is None:
        return Registered(None, None, None, registrations, (note,))
    card = ModelCard.model_validate_json(row["card"])
    profile, problem = _profile(reader, card.profile_hash)
    notes = tuple(words for words in (note, problem) if words)
    return Registered(card, profile, _fact(row, boundary, card, profile), registrations, notes)


def lineage(registrations: Sequence[Row], version: str, at: datetime) -> tuple[Ancestor, ...]:
    """The version and the ones it came from, as they were registered at a moment (or first)."""
    line: dict[str, Ancestor] = {}
    while version and version not in line:
        own = [row for row in registrations if row["model_version"] == version]
        row = _newest_before(own, at)
        line[version] = Ancestor(
            model_version=version,
            registered_at=own[-1]["appended_at"] if own else None,
            owner_team=row["owner_team"] if row else "",
            retrain_reason=row["retrain_reason"] if row else "",
            dataset_fingerprint=row["dataset_fingerprint"] if row else "",
            previous_version=row["previous_version"] if row else "",
        )
        version = line[version].previous_version
    return tuple(line.values())


def _acting(
    registrations: Sequence[Row], boundary: Row | None, prediction: Row
) -> tuple[Row | None, str]:
    """The registration that acted, and what must be said of it."""
    version = prediction["model_version"]
    own = [row for row in registrations if row["model_version"] == version]
    if boundary is not None and not boundary["card_hash"]:
        since = f"from offset {boundary['offset']} on there was none"
        return None, f"no card acted on it: {since} ({boundary['reason']})"
    if boundary is not None:
        named = [row for row in registrations if row["card_hash"] == boundary["card_hash"]]
        if named:
            return named[0], ""
    row = _newest_before(own, prediction["appended_at"])
    if row is None:
        return None, f"version {version} was never registered: its events are stored, not tested"
    return row, "which card acted is not recorded: the newest one registered before it is shown"


def _newest_before(own: Sequence[Row], at: datetime) -> Row | None:
    """Of registrations (the newest first) the last one before a moment, else the first ever."""
    before = [row for row in own if row["appended_at"] <= at]
    return before[0] if before else (own[-1] if own else None)


def _profile(reader: Reader, profile_hash: str | None) -> tuple[Profile | None, str]:
    if profile_hash is None:
        return None, "its card names no profile: there is no reference to compare with"
    found = reader.rows(PROFILE_CONTENT, {"profile_hash": profile_hash})
    if not found:
        return None, f"profile {profile_hash} is not stored: register the version again"
    try:
        return Profile.from_bytes(found[0]["content"]), ""
    except ProfileError as error:
        return None, f"its profile cannot be read: {error}"


def _fact(row: Row, boundary: Row | None, card: ModelCard, profile: Profile | None) -> CardFact:
    timed = profile is not None and profile.ended_us > 0
    return CardFact(
        card_hash=row["card_hash"],
        acts_from=boundary["offset"] if boundary else None,
        reason=boundary["reason"] if boundary else "",
        registered_at=row["appended_at"],
        description=card.description or "",
        task=card.task,
        owner_team=row["owner_team"],
        owner_contact=row["owner_contact"],
        runbook=(card.owner.runbook if card.owner else None) or "",
        dataset_fingerprint=row["dataset_fingerprint"],
        profile_hash=row["profile_hash"],
        reference_started_at=to_datetime(profile.started_us) if profile and timed else None,
        reference_ended_at=to_datetime(profile.ended_us) if profile and timed else None,
        reference_rows=profile.n_rows if profile else None,
    )

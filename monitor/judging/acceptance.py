"""Which alerts a command is about, and which of them an accepted distribution ends.

In: a command, the lives, the open incidents. Out: alerts; the columns whose distribution is
accepted, and since when. Never: a move.
"""

from dataclasses import dataclass
from typing import Final

from monitor.findings import Finding
from monitor.judging.identity import AlertKey
from monitor.judging.incidents import Incidents
from monitor.judging.life import AlertLife
from monitor.judging.lives import Lives
from schemas.command import Command

OF_DISTRIBUTIONS: Final = ("FeatureDrift", "PredictionDrift", "JointDrift")
"""Alerts that compare distributions of columns: these, a window can stand in for."""

Meant = tuple[AlertKey, AlertLife, Finding]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What a command accepts of the columns of one version."""

    model_version: str
    columns: frozenset[str]
    """None: all of them."""
    since_us: int
    """Event time at which the last of its alerts began."""
    keys: frozenset[AlertKey]
    """The alerts that it ends."""


def meant(command: Command, lives: Lives, incidents: Incidents) -> list[Meant]:
    """The alert that a command names, with `incident` all that are on of its incident.

    Those of the same trouble that are less grave are among them. Raises ContractError where there
    is none.
    """
    found = {one[0]: one for one in lives.named(command)}
    place = incidents.of(command.fingerprint) if command.incident else None
    for member in () if place is None else place.members:
        named = command.model_copy(update={"fingerprint": member.fingerprint})
        found |= {one[0]: one for one in lives.named(named) if one[0] not in found}
    return list(found.values())


def acceptance(command: Command, lives: Lives, incidents: Incidents) -> Acceptance | None:
    """Of which columns a command accepts the distribution; None where of none.

    Raises ContractError where it names no open alert.
    """
    if command.action != "accept":
        return None
    keys = [key for key, _, _ in meant(command, lives, incidents) if key[0] in OF_DISTRIBUTIONS]
    if not keys:
        return None
    joint = any(not key[3] for key in keys)
    columns = frozenset() if joint else frozenset(key[3] for key in keys)
    ended = {
        key: life
        for key, life in lives.items()
        if life.open
        and life.last is not None
        and key[1:3] == keys[0][1:3]
        and key[0] in OF_DISTRIBUTIONS
        and (joint or key[3] in columns)
    }
    since_us = max(life.starts_us for life in ended.values())
    return Acceptance(keys[0][2], columns, since_us, frozenset(ended))

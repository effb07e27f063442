"""Which card and which reference stood behind an event, and whether they still are what they were.

In: boundaries, registrations and profiles as stored. Out: a `Standing` at an offset, or the
`Trouble` with it. Never: a card or a profile whose bytes do not hash to their name.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from monitor.decisions import Change, card_hash, config_hash
from monitor.errors import ProfileError
from monitor.sketches.profile import Profile
from monitor.storage.evidence import Evidence, Log
from monitor.validation.cards import parse_card
from monitor.version_monitor import VersionMonitor, encode
from schemas import ModelCard


class Verdict(StrEnum):
    """What came of computing an alert's numbers again."""

    VERIFIED = "verified"
    DIFFERS = "differs"
    CANNOT = "cannot"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something is not verified."""

    verdict: Verdict
    words: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The card that acted and the reference that it named."""

    card: ModelCard
    profile: Profile
    config_hash: str

    def monitor(self) -> VersionMonitor:
        """A monitor that has seen nothing."""
        return VersionMonitor.build(self.card, self.profile, encode)


class Standings:
    """The cards of one model version along the log."""

    def __init__(self, evidence: Evidence, log: Log) -> None:
        self._evidence = evidence
        rows = evidence.boundaries(log)
        self.changes = [(int(row["offset"]), Change(row["change"])) for row in rows]
        """(offset, change) in order of offset."""
        self._offsets = [offset for offset, _ in self.changes]
        self._hashes = [row["card_hash"] for row in rows]
        self._cards: Mapping[str, bytes] = {
            row["card_hash"]: row["card"] for row in evidence.cards(log)
        }
        self._known: dict[str, Standing | Trouble] = {}

    def at(self, offset: int) -> Standing | Trouble:
        """What stood behind the event at an offset."""
        place = bisect_right(self._offsets, offset) - 1
        if place < 0:
            return Trouble(Verdict.CANNOT, "no boundary says which card acted for these events")
        name = self._hashes[place]
        if name not in self._known:
            self._known[name] = self._standing(name)
        return self._known[name]

    def _standing(self, name: str) -> Standing | Trouble:
        raw = self._cards.get(name)
        if raw is None:
            words = f"config changed: the card that acted ({_short(name)}) is not among the cards"
            return Trouble(Verdict.DIFFERS, words)
        card = parse_card(raw)
        if isinstance(card, tuple):
            words = f"config changed: what is stored as card {_short(name)} is none: {card[0][2]}"
            return Trouble(Verdict.DIFFERS, words)
        found = card_hash(card)
        if found != name:
            words = (
                f"config changed: what is stored as card {_short(name)} hashes to {_short(found)}"
            )
            return Trouble(Verdict.DIFFERS, words)
        profile = self._profile(card)
        if isinstance(profile, Trouble):
            return profile
        return Standing(card, profile, config_hash(card))

    def _profile(self, card: ModelCard) -> Profile | Trouble:
        name = card.profile_hash
        if name is None:
            return Trouble(Verdict.CANNOT, "the card that acted names no reference profile")
        raw = self._evidence.profile(name)
        if raw is None:
            return Trouble(Verdict.CANNOT, f"reference gone: no profile {_short(name)} is stored")
        found = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        if found != name:
            words = (
                f"reference changed: what is stored as profile {_short(name)} hashes to "
                f"{_short(found)}"
            )
            return Trouble(Verdict.DIFFERS, words)
        try:
            return Profile.from_bytes(raw)
        except ProfileError as error:
            words = f"profile {_short(name)} is whole, but this release cannot read it: {error}"
            return Trouble(Verdict.CANNOT, words)


def _short(name: str) -> str:
    """A hash as people compare it.

    >>> _short("sha256:0123456789abcdef0123")
    'sha256:0123456789ab'
    """
    return name[: len("sha256:") + 12]

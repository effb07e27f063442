"""What every page asks first: cards, profiles, and which versions have events.

In: a `Reader`. Out: cards and profiles as objects, versions with their times. Never: a row of a
single event; profiles are kept by their content address, at most `KEPT` of them.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

from pydantic import ValidationError

from monitor.dashboard.panel import NothingToShowError
from monitor.errors import ProfileError
from monitor.sketches.profile import Profile
from monitor.storage.page_queries import PROFILE_CONTENT, TESTED_VERSIONS, VERSIONS_OF_MODEL
from monitor.storage.queries import CARDS_OF_MODEL
from monitor.storage.reader import Reader
from schemas.model import ModelCard, Monitoring

PANE_EVENTS: Final = Monitoring().pane_events
KEPT: Final = 16
"""Profiles held in memory, about 2 MB each."""


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One version of a model as far as its panes tell."""

    model: str
    model_version: str
    events: int
    first_at: datetime
    last_at: datetime
    stored_at: datetime
    """When its newest pane was stored, by the server's clock."""

    @property
    def pane_length(self) -> timedelta:
        """How much event time a pane had on average."""
        return (self.last_at - self.first_at) / max(self.events // PANE_EVENTS, 1)

    def age(self, now: datetime) -> str:
        """What to say where no pane was stored for long; empty while they come as they did.

        Longer than four times what a pane took so far, at least a quarter of an hour.
        """
        silent, usual = now - self.stored_at, self.pane_length
        if silent <= max(4 * usual, timedelta(minutes=15)):
            return ""
        return f"Nothing was stored for {_length(silent)}; usually a pane took {_length(usual)}."


@dataclass(frozen=True, slots=True)
class CardFacts:
    """A registration: the card, and when it came."""

    card: ModelCard
    appended_at: datetime
    card_hash: str


@dataclass(frozen=True, slots=True)
class VersionAsked:
    """The version that a page is about."""

    model: str
    model_version: str
    card: ModelCard | None

    @property
    def task(self) -> str:
        """The card's task, empty without a card."""
        return self.card.task if self.card else ""


class Sources:
    """Asks for cards and profiles; one serves many threads."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._profiles: OrderedDict[str, Profile] = OrderedDict()
        self._lock = Lock()

    def all_versions(self) -> list[VersionFacts]:
        """The tested versions of all models, the oldest of each first."""
        return [VersionFacts(**row) for row in self.reader.rows(TESTED_VERSIONS)]

    def versions(self, model: str) -> list[VersionFacts]:
        """The tested versions of one model, the oldest first."""
        rows = self.reader.rows(VERSIONS_OF_MODEL, {"model": model})
        return [VersionFacts(**row) for row in rows]

    def cards(self, model: str) -> list[CardFacts]:
        """Every registration of a model that can be read, the newest first."""
        found = []
        for row in self.reader.rows(CARDS_OF_MODEL, {"model": model}):
            try:
                card = ModelCard.model_validate_json(row["card"])
            except ValidationError:  # of another release: its events are shown all the same
                continue
            found.append(CardFacts(card, row["appended_at"], row["card_hash"]))
        return found

    def profile(self, card: ModelCard | None) -> Profile:
        """The reference that a card names."""
        if card is None:
            raise NothingToShowError("It has no card: register it with `plumbline register`.")
        address = card.profile_hash
        if address is None:
            raise NothingToShowError(
                f"{card.model} {card.model_version} has no reference profile: build one with "
                "`plumbline profile`."
            )
        with self._lock:
            known = self._profiles.get(address)
            if known is not None:
                self._profiles.move_to_end(address)
                return known
        rows: list[dict[str, Any]] = self.reader.rows(PROFILE_CONTENT, {"profile_hash": address})
        if not rows:
            raise ProfileError(f"profile {address} is not in ClickHouse: register the card again")
        profile = Profile.from_bytes(rows[0]["content"])
        with self._lock:
            self._profiles[address] = profile
            while len(self._profiles) > KEPT:
                self._profiles.popitem(last=False)
        return profile


def _length(time: timedelta) -> str:
    """In the unit that people would use.

    >>> _length(timedelta(minutes=3)), _length(timedelta(hours=30)), _length(timedelta(days=9))
    ('3 min', '30 h', '9 d')
    """
    minutes = time / timedelta(minutes=1)
    if minutes < 90:
        return f"{max(minutes, 1):.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 72 * 60 else f"{minutes / 1_440:.0f} d"

"""Records of what changed between two events: which card acts from where, what a person ordered.

In: nothing. Out: the records that the pipeline makes and the tables `boundaries`, `commands` and
`baselines` keep. Never: a decision.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.command import Command
from schemas.model import ModelCard


def card_hash(card: ModelCard) -> str:
    """By what a card is named wherever one is: SHA-256 of its JSON."""
    return f"sha256:{hashlib.sha256(card.to_json()).hexdigest()}"


def decisive(card: ModelCard) -> dict[str, Any]:
    """What of a card the windows and their tests depend on."""
    return card.model_dump(mode="json", exclude=_WORDS, exclude_defaults=True)


def config_hash(card: ModelCard) -> str:
    """By what an alert names the settings that it was found with; the reference has its own hash.

    >>> from schemas import FeatureSpec, Monitoring
    >>> features = {"x": FeatureSpec(type="number")}
    >>> card = ModelCard(model="m", model_version="1", task="binary", features=features)
    >>> config_hash(card) == config_hash(card.model_copy(update={"description": "words"}))
    True
    >>> other = Monitoring(confirmations=3)
    >>> config_hash(card) == config_hash(card.model_copy(update={"monitoring": other}))
    False
    """
    tests = {name: value for name, value in decisive(card).items() if name != "profile_hash"}
    text = json.dumps(tests, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


_WORDS: Final = {
    "schema_version",
    "description",
    "owner",
    "label_horizon_hours",
    "baseline",
    "segments",
    "protected",
    "previous_version",
    "retrain_reason",
    "registered_at",
    "dataset_fingerprint",
}
"""Fields of a card that may change while the windows go on."""


class Change(StrEnum):
    """What became of a model version at a boundary."""

    BEGUN = "begun"
    """Its first event: from here its card acts."""
    CARD = "card"
    """Another card acts from here; its windows go on."""
    WINDOWS = "windows"
    """Another card acts from here, and its windows start anew."""
    REPLACED = "replaced"
    """Another version has taken over: its alerts end, its windows are dropped."""
    QUARANTINED = "quarantined"
    """Testing it failed: its events are stored and not tested until its card changes."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """From `offset` on, events of a model version are treated in another way."""

    model: str
    model_version: str
    change: Change
    topic: str
    partition: int
    offset: int
    """The first predictions offset behind the boundary."""
    card_hash: str
    """SHA-256 of the card that acts from here, empty where none does."""
    reason: str
    at_us: int
    """Event time of the last event known at the boundary."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command stands in its topic."""

    topic: str
    partition: int
    offset: int
    appended_us: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """A command and what it did."""

    command: Command
    place: Place
    done: bool
    effect: str
    """In words: what changed, or why nothing did."""
    acts_from: int
    """The predictions offset from which it acts."""


@dataclass(frozen=True, slots=True, eq=False)
class Accepted:
    """A distribution that a person has accepted as normal for one column, until a date."""

    model: str
    model_version: str
    column: str
    fingerprint: str
    """The alert that the command named."""
    command_id: str
    who: str
    why: str
    until_us: int
    """Event time; the first closed pane whose newest event is as late ends it."""
    topic: str
    partition: int
    offset: int
    """The predictions offset from which it acts."""
    at_us: int
    """Event time of the last event known there."""
    first_event: int
    """Index of the first of the events that are accepted; they end with a pane."""
    first_offset: int
    last_offset: int
    n_rows: int
    """Events that are accepted, those without a value included."""
    slots: NDArray[np.uint16]
    """Slots of the original reference that occur in them."""
    counts: NDArray[np.int64]
    """How often each does."""
    profile_hash: str
    """The original reference."""


class Turn(StrEnum):
    """What became of an accepted distribution."""

    ACTS = "acts"
    ENDED = "ended"
    """The original reference acts again, or there is nothing left to compare."""


@dataclass(frozen=True, slots=True, eq=False)
class AcceptedTurn:
    """From `offset` on, an accepted distribution acts or no longer does."""

    accepted: Accepted
    turn: Turn
    offset: int
    at_us: int
    reason: str

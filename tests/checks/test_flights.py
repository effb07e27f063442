"""The named causes on the real flights: silent for ten months, loud when something breaks."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.checks.causes import CAUSES
from monitor.checks.pane_view import PaneView
from monitor.checks.suite import CheckSuite
from monitor.findings import Measurement, Verdict
from monitor.profiling.build import build_profile, read_as_stream, reference_panes
from monitor.profiling.card import load_card
from monitor.profiling.dataset import frame_dataset
from monitor.sketches.profile import Profile
from producers import flights

CARD = load_card(Path(__file__).parents[2] / "models" / "flights.yaml")
NAMED = {*CAUSES, "collapsed"}
PER_EVENT = 0.04 / (30 * 930)


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """February and the rest of the year, with a stand-in for the score that needs no training."""
    table = flights.load_flights()
    draws = np.random.default_rng(1).beta(2, 5, len(table))
    table = table.assign(score=draws, prediction=draws >= 0.3)
    months = table["occurred_at"].dt.tz_convert("America/New_York").dt.month
    return table[months == 2].reset_index(drop=True), table[months > 2].reset_index(drop=True)


@pytest.fixture(scope="module")
def profile(tables: tuple[pd.DataFrame, pd.DataFrame]) -> Profile:
    return build_profile(frame_dataset(tables[0], CARD), CARD)[0]


def panes(profile: Profile, table: pd.DataFrame) -> list[PaneView]:
    dataset = frame_dataset(table, CARD)
    columns = read_as_stream(dataset, CARD)
    codes = profile.encode(columns.numbers, columns.categories, dataset.n_rows, dataset.occurred_us)
    return [*reference_panes(profile, dataset, columns, codes, CARD)]


def fired(suite: CheckSuite, views: list[PaneView]) -> list[tuple[int, Measurement]]:
    """(pane, claim) of what would fire: at once, or at the second look in a row."""
    streaks: Counter[tuple[str, str]] = Counter()
    found = []
    for pane in views:
        for m in suite.look(pane):
            if m.check not in NAMED:
                continue
            key = (m.check, m.feature)
            streaks[key] = streaks[key] + 1 if m.verdict is Verdict.DRIFT else 0
            if m.verdict is Verdict.DRIFT and (m.immediate or streaks[key] == 2):
                found.append((pane.index, m))
    return found


def test_ten_months_of_flights_raise_nothing(
    tables: tuple[pd.DataFrame, pd.DataFrame], profile: Profile
) -> None:
    suite = CheckSuite(CARD, profile, PER_EVENT)
    assert fired(suite, panes(profile, tables[1])) == []


@pytest.mark.parametrize("month", [3, 7])
@pytest.mark.parametrize(
    ("check", "feature", "words"),
    [
        ("stuck", "temp", "the same value"),
        ("placeholder", "humid", "-1 stands for"),
        ("unit", "temp", "Celsius"),
        ("unit", "distance", "kilometres"),
        ("swap", "distance", "exchanged"),
        ("time_zone", "sched_min", "+3 h"),
    ],
)
def test_a_fault_in_march_or_july_is_named_within_2000_events(
    tables: tuple[pd.DataFrame, pd.DataFrame],
    profile: Profile,
    month: int,
    check: str,
    feature: str,
    words: str,
) -> None:
    rest = tables[1]
    months = rest["occurred_at"].dt.tz_convert("America/New_York").dt.month
    start = int(np.flatnonzero(months == month)[0])
    table = rest.iloc[start : start + 8_000].reset_index(drop=True)
    hit = table.index >= 5_875
    broken: Callable[[pd.Series], pd.Series] = {
        "stuck": lambda x: x.where(~hit, x[~hit].dropna().iloc[-1]),
        "placeholder": lambda x: x.where(~hit | (table.index % 3 > 0), -1.0),
        "unit": lambda x: x.where(~hit, (x - 32) / 1.8 if feature == "temp" else x * 1.609344),
        "swap": lambda x: x.where(~hit, table["sched_min"]),
        "time_zone": lambda x: x.where(~hit, (x + 180) % 1440),
    }[check]
    changed = table.assign(**{feature: broken(table[feature])})
    if check == "swap":
        changed["sched_min"] = table["sched_min"].where(~hit, table["distance"])
    found = fired(CheckSuite(CARD, profile, PER_EVENT), panes(profile, changed))
    assert found, "nothing fired"
    index, first = found[0]
    assert first.check == check
    assert first.feature in ({feature, "sched_min"} if check == "swap" else {feature})
    assert words in first.reason
    assert 5_875 <= (index + 1) * 250 <= 7_875 + 250

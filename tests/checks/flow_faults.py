"""What can go wrong in the stream of `flow`: each from `ONSET` on, in a share of the events.

In: rows as `flow.frame` makes them. Out: the same with one fault. Never: a row before `ONSET`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tests.checks.flow import CARD, SIZE, frame

ONSET = 20 * SIZE
N = 40 * SIZE
Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def some(rows: pd.DataFrame, rng: np.random.Generator, share: float) -> Any:
    return (np.arange(len(rows)) >= ONSET) & (rng.random(len(rows)) < share)


def fallbacks(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(status=rows["status"].mask(some(rows, rng, 0.3), "fallback"))


def slow_tail(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    tail = some(rows, rng, 0.2)
    return rows.assign(latency_ms=rows["latency_ms"].mask(tail, rows["latency_ms"] * 6))


def ahead(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    ahead = rows["occurred_at"].mask(
        some(rows, rng, 0.05), rows["occurred_at"] + pd.Timedelta(hours=9)
    )
    return rows.assign(occurred_at=ahead)


def late(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    late = some(rows, rng, 0.4)
    return rows.assign(sent_at=rows["sent_at"].mask(late, rows["sent_at"] + pd.Timedelta(hours=3)))


def aged(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    known = rows["feature_time_amount"]
    return rows.assign(
        feature_time_amount=known.mask(some(rows, rng, 0.4), known - pd.Timedelta(days=2))
    )


def features_of_before(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    old = some(rows, rng, 0.3)
    names = list(CARD.features)
    return rows.assign(**{n: rows[n].mask(old, rows[n].shift(6 * SIZE)) for n in names})


def leaking(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    later = some(rows, rng, 0.1)
    known = rows["feature_time_amount"].mask(later, rows["occurred_at"] + pd.Timedelta(hours=2))
    return rows.assign(feature_time_amount=known)


def wrong_side(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    flipped = some(rows, rng, 0.05)
    return rows.assign(prediction=np.where(flipped, 1 - rows["prediction"], rows["prediction"]))


def score_outside(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(score=rows["score"].mask(some(rows, rng, 0.05), 1.7))


def repeated(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    same = some(rows, rng, 0.3)
    names = list(CARD.features)
    return rows.assign(**{name: rows[name].mask(same, rows[name].iloc[ONSET]) for name in names})


def replayed(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    old = some(rows, rng, 0.3)
    names = [*CARD.features, "occurred_at", "score", "prediction"]
    return rows.assign(
        **{name: rows[name].mask(old, rows[name].shift(10 * SIZE)) for name in names}
    )


def thinned(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    kept: pd.DataFrame = rows[~some(rows, rng, 0.5)].reset_index(drop=True)
    return kept


def rng() -> np.random.Generator:
    return np.random.default_rng(9)


def whole(n: int = N) -> pd.DataFrame:
    return frame(n, 9)


def old_as_new() -> pd.DataFrame:
    """Old data, with the times of now."""
    rows = whole()
    return replayed(rows, rng()).assign(occurred_at=rows["occurred_at"])


def very_old() -> pd.DataFrame:
    """Old data from 35 panes before."""
    rows = whole(60 * SIZE)
    old = (rows.index >= 40 * SIZE) & (rng().random(len(rows)) < 0.3)
    names = [*CARD.features, "occurred_at", "score", "prediction"]
    return rows.assign(**{n: rows[n].mask(old, rows[n].shift(35 * SIZE)) for n in names})


def held_back() -> pd.DataFrame:
    """All features are those of six panes ago, in every event."""
    rows = whole()
    names = list(CARD.features)
    held = rows.index >= ONSET
    return rows.assign(**{n: rows[n].mask(held, rows[n].shift(6 * SIZE)) for n in names})


def short_tail() -> pd.DataFrame:
    rows = whole()
    tail = some(rows, rng(), 0.06)
    return rows.assign(latency_ms=rows["latency_ms"].mask(tail, rows["latency_ms"] * 6))


def in_twos() -> pd.DataFrame:
    """Every input comes twice, and never a third time."""
    rows = whole()
    second = (rows.index >= ONSET) & (rows.index % 2 == 1)
    names = list(CARD.features)
    return rows.assign(**{n: rows[n].mask(second, rows[n].shift(1)) for n in names})

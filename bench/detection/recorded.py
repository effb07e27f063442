"""Streams that come as tables: flights, car loans, and constants that start to vary.

In: a seed. Out: a `Recorded`: reference, events, the card, and what is known to change where.
Never: a column renamed to please a contestant, or a row left out but for the random prefix.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from bench.detection.contestants import CACHE, ROOT, run_module
from monitor.profiling.card import load_card
from producers import flights
from schemas import FeatureSpec, ModelCard
from schemas.model import Monitoring

FLIGHT_STABLE: Final = ("distance", "carrier", "origin", "sched_min", "dow")
LOAN_ONSET: Final = 25_000
LOAN_PREFIX: Final = (2_000, 18_000)
"""So many events are cut from the beginning, so that the middle means nothing."""
CONSTANT_ROWS: Final = 20_000
CONSTANT_EVENTS: Final = 12_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """One stream as tables: `occurred_at`, the features, the outputs that the card speaks of."""

    card: ModelCard
    reference: pd.DataFrame
    events: pd.DataFrame
    numbers: tuple[str, ...]
    """Number columns, the score included: what tools for arrays are given."""
    categories: tuple[str, ...]
    onset: int | None
    changed: tuple[str, ...]
    """Columns known to change at the onset; all others are known not to."""
    unclear: tuple[str, ...] = ()
    """Columns that change by less than an alarm is asked for: one on them is neither right nor
    wrong after the onset."""

    def first(self, n: int) -> "Recorded":
        """The same with the first n events."""
        return replace(self, events=self.events.iloc[:n])


def flight_stream() -> Recorded:
    """March to December 2013, reference February, the card of the demo."""
    table = flights.load_flights()
    model = flights.train(table)
    return Recorded(
        card=load_card(ROOT / "models" / "flights.yaml"),
        reference=flights.reference(table, model),
        events=flights.stream(table, model),
        numbers=(*flights.NUMBERS, "score"),
        categories=flights.CATEGORIES,
        onset=None,
        changed=(),
    )


def car_loan(seed: int) -> Recorded:
    """NannyML's data set: at row 25,000 of its analysis set the sellers change.

    KS distance to the reference before and after: car_value .01 and .43, repaid_loan_on_prev_car
    .00 and .25, loan_length .01 and .19, score .00 and .13; salary_range's total variation .00 and
    .09, below Plumbline's default floor; the others at most .01 all along.
    """
    reference, events = _car_loan_tables()
    cut = int(np.random.default_rng(seed).integers(*LOAN_PREFIX))
    numbers = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
    categories = ("salary_range", "size_of_downpayment")
    features = {
        **{name: FeatureSpec(type="number") for name in numbers},
        **{name: FeatureSpec(type="category") for name in categories},
        "repaid_loan_on_prev_car": FeatureSpec(type="boolean"),
    }
    return Recorded(
        card=ModelCard(model="car-loan", model_version="1", task="binary", features=features),
        reference=reference,
        events=events.iloc[cut:].reset_index(drop=True),
        numbers=(*numbers, "repaid_loan_on_prev_car", "score"),
        categories=categories,
        onset=LOAN_ONSET - cut,
        changed=("car_value", "repaid_loan_on_prev_car", "loan_length", "score"),
        unclear=("salary_range",),
    )


def constants(seed: int) -> Recorded:
    """Numbers, a category and a boolean that never moved in the reference, and do from an onset."""
    rng = np.random.default_rng(seed)
    onset = int(rng.integers(3_000, 6_000))
    n = CONSTANT_ROWS + CONSTANT_EVENTS
    age = np.arange(n) - CONSTANT_ROWS - onset
    after = age >= 0
    table = pd.DataFrame(
        {
            "occurred_at": pd.Timestamp("2026-01-05", tz="UTC")
            + pd.to_timedelta(np.arange(n) * 30, unit="s"),
            "zero": np.where(after, rng.normal(size=n), 0.0),
            "price": np.where(after & (rng.random(n) < 0.5), 11.5, 12.5),
            "plan": np.where(after & (rng.random(n) < 0.5), "plus", "basic"),
            "flag": after & (rng.random(n) < 0.5),
            **{f"steady_{i}": rng.normal(size=n) for i in range(4)},
            "fixed": np.full(n, 3.0),
            "prediction": rng.normal(size=n),
        }
    )
    numbers = ("zero", "price", "flag", *(f"steady_{i}" for i in range(4)), "fixed")
    features = {name: FeatureSpec(type="number") for name in numbers if name != "flag"}
    features |= {"plan": FeatureSpec(type="category"), "flag": FeatureSpec(type="boolean")}
    return Recorded(
        card=ModelCard(
            model="constants",
            model_version="1",
            task="regression",
            features=features,
            monitoring=Monitoring(),
        ),
        reference=table.iloc[:CONSTANT_ROWS].reset_index(drop=True),
        events=table.iloc[CONSTANT_ROWS:].reset_index(drop=True),
        numbers=numbers,
        categories=("plan",),
        onset=onset,
        changed=("zero", "price", "plan", "flag"),
    )


def _car_loan_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = CACHE / "car_loan"
    if not (folder / "events.parquet").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            run_module("nannyml", "car_loan", fresh)
            for name in ("reference.parquet", "events.parquet"):
                (Path(fresh) / name).rename(folder / name)
    tables = (pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "events"))
    reference, events = (_as_events(table) for table in tables)
    return reference, events


def _as_events(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that a file of predictions has, by their names in such a file."""
    named = table.rename(columns={"timestamp": "occurred_at", "y_pred_proba": "score"})
    named["occurred_at"] = pd.to_datetime(named["occurred_at"], utc=True)
    named["prediction"] = named["y_pred"].astype(bool)
    return named.drop(columns=["id", "repaid", "y_pred"], errors="ignore")

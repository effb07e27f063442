"""A small model, its reference, and streams of it with known changes."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.sketches.profile import Profile
from schemas.model import FeatureSpec, ModelCard, Monitoring

CARD = ModelCard(
    model="orders",
    model_version="1",
    task="binary",
    features={
        "amount": FeatureSpec(type="number", max=50, hidden_nulls=(-999,), nullable=True),
        "items": FeatureSpec(type="number"),
        "country": FeatureSpec(type="category"),
    },
    monitoring=Monitoring(scales=(1_000, 4_000), events_per_day=1_000_000 / 30),
)


def rows(n: int, seed: int, **columns: Any) -> pd.DataFrame:
    """Independent rows of healthy traffic; `columns` replace or add some."""
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 5, n)
    frame = pd.DataFrame(
        {
            "event_id": [f"{seed}-{i}" for i in range(n)],
            "occurred_at": pd.date_range("2026-01-01", periods=n, freq="s", tz="UTC"),
            "model_version": "1",
            "amount": rng.normal(20, 5, n).round(3),
            "items": rng.poisson(3, n),
            "country": rng.choice(["de", "fr", "it"], n, p=[0.6, 0.3, 0.1]),
            "score": score.round(4),
            "prediction": (score > 0.4).astype(int),
        }
    )
    return frame.assign(**columns)


def shifted(n: int, seed: int, at: int, sigma: float, until: int | None = None) -> pd.DataFrame:
    """Rows whose `items` move by `sigma` standard deviations from row `at` to row `until`."""
    frame = rows(n, seed)
    items = frame["items"].to_numpy(np.float64, copy=True)
    items[at:until] += sigma * np.sqrt(3.0)
    return frame.assign(items=items)


@pytest.fixture(scope="session")
def card() -> ModelCard:
    return CARD


@pytest.fixture(scope="session")
def reference() -> pd.DataFrame:
    return rows(20_000, seed=1)


@pytest.fixture(scope="session")
def profile(reference: pd.DataFrame) -> Profile:
    return build_profile(frame_dataset(reference, CARD), CARD)[0]

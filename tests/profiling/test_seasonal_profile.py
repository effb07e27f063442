"""The card's `seasonality` reaches the profile, and the same rows give the same codes again."""

from pathlib import Path

import numpy as np
import pandas as pd

from monitor.profiling.build import build_profile, read_as_stream, recalibrated
from monitor.profiling.dataset import read_dataset
from monitor.sketches.profile import Profile
from monitor.sketches.seasonal import SeasonalReference
from schemas.model import FeatureSpec, ModelCard, Monitoring

N_ROWS = 7 * 24 * 60
CARD = ModelCard(
    model="load",
    model_version="1",
    task="regression",
    features={"power": FeatureSpec(type="number"), "site": FeatureSpec(type="category")},
    monitoring=Monitoring(seasonality="hour_of_day", scales=(1_000,)),
)


def _write(folder: Path) -> Path:
    rng = np.random.default_rng(8)
    minutes = np.arange(N_ROWS)
    frame = pd.DataFrame(
        {
            "occurred_at": pd.date_range("2026-01-05", periods=N_ROWS, freq="min", tz="UTC"),
            "power": 3 * np.sin(2 * np.pi * minutes / 1_440) + rng.normal(size=N_ROWS),
            "site": rng.choice(["a", "b"], N_ROWS),
            "prediction": rng.normal(size=N_ROWS),
        }
    )
    path = folder / "rows.parquet"
    frame.sample(frac=1.0, random_state=1).to_parquet(path, index=False)
    return path


def test_numbers_are_compared_by_the_hour(tmp_path: Path) -> None:
    dataset = read_dataset(_write(tmp_path), CARD)
    profile, _ = build_profile(dataset, CARD)
    kinds = {column.name: type(column) is SeasonalReference for column in profile.columns}
    assert kinds == {"power": True, "prediction": True, "site": False}
    power = profile.names.index("power")
    assert profile.calibration.design_effect[power, 0] < 4
    assert recalibrated(profile, dataset, CARD).hash == profile.hash
    whole = CARD.model_copy(update={"monitoring": Monitoring(scales=(1_000,))})
    plain, _ = build_profile(dataset, whole)
    assert plain.calibration.sequential_effect[power].max() > 10
    assert profile.calibration.sequential_effect[power].max() < 2


def test_encoding_needs_and_uses_the_times(tmp_path: Path) -> None:
    dataset = read_dataset(_write(tmp_path), CARD)
    profile = Profile.from_bytes(build_profile(dataset, CARD)[0].to_bytes())
    ordered = dataset.in_time_order()
    columns, times = read_as_stream(ordered, CARD), ordered.occurred_us
    assert times is not None
    codes = profile.encode(columns.numbers, columns.categories, N_ROWS, times)
    moved = profile.encode(columns.numbers, columns.categories, N_ROWS, times + 6 * 3_600_000_000)
    power = profile.names.index("power")
    assert (codes[power] != moved[power]).mean() > 0.9
    assert (codes[profile.names.index("site")] == moved[profile.names.index("site")]).all()

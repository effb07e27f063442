"""The flights: every known truth of the data, and a model that drifts as it is known to."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import ks_2samp
from sklearn.metrics import log_loss, roc_auc_score

from producers import flights
from producers.errors import DemoDataMissingError
from schemas import ModelCard
from schemas.values import value_fault

CARD = Path(__file__).parents[2] / "models" / "flights.yaml"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return flights.load_flights()


@pytest.fixture(scope="module")
def model(table: pd.DataFrame) -> Any:
    return flights.train(table)


@pytest.fixture(scope="module")
def february(table: pd.DataFrame, model: Any) -> pd.DataFrame:
    return flights.reference(table, model)


@pytest.fixture(scope="module")
def streamed(table: pd.DataFrame, model: Any) -> pd.DataFrame:
    return flights.stream(table, model)


def by_month(scored: pd.DataFrame) -> dict[int, pd.DataFrame]:
    months = scored["occurred_at"].dt.tz_convert("America/New_York").dt.month
    return {int(str(month)): part for month, part in scored.groupby(months)}


def test_every_flight_once_in_time_order(table: pd.DataFrame) -> None:
    assert len(table) == 336_776
    assert tuple(table.columns) == flights.COLUMNS
    assert table["event_id"].is_unique
    assert table["occurred_at"].is_monotonic_increasing
    first = table.iloc[0]
    # 05:15 in New York in winter; UA 1545 from Newark to Houston arrived at 08:30 Houston time.
    assert first["event_id"] == "2013-01-01-UA-1545-EWR"
    assert first["occurred_at"] == pd.Timestamp("2013-01-01T10:15Z")
    assert first["observed_at"] == pd.Timestamp("2013-01-01T14:30Z")
    assert first["sched_min"] == 5 * 60 + 15
    assert first["dow"] == 1  # a Tuesday


def test_the_weather_is_that_of_the_hour_before(table: pd.DataFrame) -> None:
    # EWR, 1 January 2013, 04:00 local: 39.92 F in weather.csv; 05:00 has 39.02.
    weather = pd.read_csv(flights._data_folder() / "weather.csv")
    at = weather[(weather["origin"] == "EWR") & (weather["time_hour"] == "2013-01-01T09:00:00Z")]
    first = table.iloc[0]
    assert first["temp"] == at["temp"].iloc[0]
    assert first["humid"] == at["humid"].iloc[0]
    late = table[table["occurred_at"] > pd.Timestamp("2013-12-31T06:00Z")]
    assert late["temp"].isna().all()
    missing = table["pressure"].isna().groupby(table["occurred_at"].dt.month).mean()
    assert 0.05 < missing.drop(12).min() < missing.max() < 0.25


def test_labels_come_at_the_true_arrival(table: pd.DataFrame, streamed: pd.DataFrame) -> None:
    never = table["label"].isna()
    assert never.mean() == pytest.approx(0.028, abs=0.0005)
    assert (never == table["observed_at"].isna()).all()
    wait = (table["observed_at"] - table["occurred_at"]).dropna()
    assert wait.min() > pd.Timedelta(0)
    assert wait.max() < pd.Timedelta(hours=33)
    assert wait.median() == pd.Timedelta(hours=2, minutes=50)
    arrived_us = streamed["observed_at"].dropna().astype("int64").to_numpy()
    assert np.mean(arrived_us[1:] < arrived_us[:-1]) == pytest.approx(0.49, abs=0.01)
    ordered = flights.arrivals(streamed)
    assert ordered["observed_at"].is_monotonic_increasing
    assert len(ordered) == streamed["label"].notna().sum()


def test_the_score_drifts_as_known(february: pd.DataFrame, streamed: pd.DataFrame) -> None:
    assert len(february) == 24_951
    assert len(streamed) == 284_821
    months = by_month(streamed)
    known = {3: 0.05, 4: 0.41, 7: 0.74}
    for month, expected in known.items():
        d = ks_2samp(february["score"], months[month]["score"]).statistic
        assert d == pytest.approx(expected, abs=0.01), month


@pytest.mark.parametrize("feature", ["distance", "carrier", "origin"])
def test_what_does_not_drift(february: pd.DataFrame, streamed: pd.DataFrame, feature: str) -> None:
    code = pd.CategoricalDtype(sorted(set(february[feature]) | set(streamed[feature])))
    before = february[feature].astype(code).cat.codes
    for month, part in by_month(streamed).items():
        d = ks_2samp(before, part[feature].astype(code).cat.codes).statistic
        assert d <= 0.05, month


def test_calibration_fails_where_ranking_holds(streamed: pd.DataFrame) -> None:
    known = streamed[streamed["label"].notna()]
    for month, part in by_month(known).items():
        label = part["label"].astype(bool)
        constant = np.full(len(part), label.mean())
        worse = log_loss(label, part["score"]) > log_loss(label, constant)
        if 4 <= month <= 8:
            assert worse, month
        assert 0.58 < roc_auc_score(label, part["score"]) < 0.75, month


def test_the_card_fits_the_stream(february: pd.DataFrame, streamed: pd.DataFrame) -> None:
    card = ModelCard.model_validate(yaml.safe_load(CARD.read_text(encoding="utf-8")))
    assert (card.model, card.model_version) == (flights.MODEL, flights.MODEL_VERSION)
    assert card.threshold == flights.THRESHOLD
    assert tuple(card.features) == flights.FEATURES
    assert card.owner is not None
    for name, spec in card.features.items():
        values = pd.concat([february[name], streamed[name]])
        assert spec.nullable == bool(values.isna().any()), name
        for value in values.dropna().unique().tolist():
            assert value_fault(spec, value) is None, (name, value)


def test_the_same_files_every_time(tmp_path: Path, february: pd.DataFrame) -> None:
    files = flights.write_files(tmp_path / "new")
    read = pd.read_parquet(files.reference)
    pd.testing.assert_frame_equal(read, february)
    assert tuple(read.columns) == flights.SCORED_COLUMNS
    events = pd.read_parquet(files.events)
    labels = pd.read_parquet(files.labels)
    assert len(events) == 284_821
    assert list(labels.columns) == ["event_id", "label", "observed_at"]
    assert set(labels["event_id"]) <= set(events["event_id"])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "events.parquet",
        "labels.parquet",
        "reference.parquet",
    ]


def test_missing_data_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DemoDataMissingError, match=r"pip install 'plumbline\[demo\]'"):
        flights.load_flights()

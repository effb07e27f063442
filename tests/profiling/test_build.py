"""The profile: the same for every format and row order, in the stream's own terms."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.errors import ConfigError
from monitor.performance.reference import PerformanceReference
from monitor.profiling.build import ASSUMED_EVENTS_PER_DAY, build_profile, read_as_stream
from monitor.profiling.dataset import read_dataset
from monitor.sketches.category import CategoryReference
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.validation.columns import column_layout
from producers.flights import FlightFiles
from schemas.model import FeatureSpec, ModelCard, Monitoring

N_ROWS = 6_000
CARD = ModelCard(
    model="churn",
    model_version="1",
    task="regression",
    features={
        "age": FeatureSpec(type="number", hidden_nulls=(-1,)),
        "plan": FeatureSpec(type="category", nullable=True),
        "member": FeatureSpec(type="boolean"),
    },
)


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    age = rng.integers(18, 90, N_ROWS)
    age[:60] = -1
    plan = rng.choice(["a", "b", "c"], N_ROWS).astype(object)
    plan[:30] = None
    return pd.DataFrame(
        {
            "occurred_at": pd.date_range("2026-01-05", periods=N_ROWS, freq="min", tz="UTC"),
            "age": age,
            "plan": plan,
            "member": rng.random(N_ROWS) < 0.25,
            "prediction": rng.normal(size=N_ROWS),
        }
    )


def write(folder: Path, name: str, frame: pd.DataFrame) -> Path:
    path = folder / name
    if ".csv" in name:
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


def test_columns_are_those_of_validation_in_its_order(tmp_path: Path) -> None:
    profile, audit = build_profile(read_dataset(write(tmp_path, "a.parquet", rows()), CARD), CARD)
    layout = column_layout(CARD)
    assert profile.names == layout.numbers + layout.categories
    age, member, prediction, plan = profile.columns
    assert isinstance(age, NumberReference)
    assert isinstance(plan, CategoryReference)
    assert age.missing_rate == pytest.approx(60 / N_ROWS)
    assert age.points[0] == 18
    assert member.n + prediction.n == 2 * N_ROWS
    assert plan.missing_rate == pytest.approx(30 / N_ROWS)
    assert set(plan.names) == {"a", "b", "c"}
    assert profile.dataset_fingerprint == audit.dataset_fingerprint
    assert profile.hourly_counts.sum() == N_ROWS
    assert profile.hourly_counts[:96].tolist() == [60] * 96
    assert profile.events_per_day == pytest.approx(1440, rel=1e-3)
    assert profile.longest_gap_us == 60_000_000


def test_csv_and_parquet_give_one_profile(tmp_path: Path) -> None:
    hashes = {
        build_profile(read_dataset(write(tmp_path, name, rows()), CARD), CARD)[0].hash
        for name in ("a.parquet", "a.csv", "a.csv.gz")
    }
    assert len(hashes) == 1


def test_rows_out_of_order_give_the_same_reference(tmp_path: Path) -> None:
    in_order = build_profile(read_dataset(write(tmp_path, "a.parquet", rows()), CARD), CARD)[0]
    shuffled = rows().sample(frac=1, random_state=1)
    other = build_profile(read_dataset(write(tmp_path, "b.parquet", shuffled), CARD), CARD)[0]
    assert other.dataset_fingerprint != in_order.dataset_fingerprint
    same_name = replace(other, dataset_fingerprint=in_order.dataset_fingerprint)
    assert same_name.hash == in_order.hash


def test_without_times_there_is_no_order(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", rows().drop(columns="occurred_at"))
    profile, _ = build_profile(read_dataset(path, CARD), CARD)
    assert not profile.time_ordered
    assert (profile.started_us, profile.ended_us, profile.longest_gap_us) == (0, 0, 0)
    assert profile.hourly_counts.sum() == 0
    assert profile.events_per_day == ASSUMED_EVENTS_PER_DAY
    busy = CARD.model_copy(update={"monitoring": Monitoring(events_per_day=50)})
    assert build_profile(read_dataset(path, busy), busy)[0].events_per_day == 50


def test_a_file_where_nothing_is_usable_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("age,plan,member,prediction\n-1,,maybe,\n")
    with pytest.raises(ConfigError, match="no column of the card holds a usable value"):
        build_profile(read_dataset(path, CARD), CARD)


def test_batches_do_not_show(
    flight_files: FlightFiles, flight_card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = read_dataset(flight_files.reference, flight_card)
    whole = read_as_stream(dataset, flight_card)
    monkeypatch.setattr("monitor.profiling.build.BATCH_ROWS", 1_000)
    parts = read_as_stream(dataset, flight_card)
    assert parts.faults == whole.faults
    assert parts.categories == whole.categories
    for name, values in whole.numbers.items():
        np.testing.assert_array_equal(parts.numbers[name], values)


def test_labels_of_the_reference_become_part_of_the_profile(tmp_path: Path) -> None:
    """What they tell is there again after the bytes, whatever the order of the file's rows."""
    rng = np.random.default_rng(6)
    frame = rows()
    frame["label"] = frame["prediction"] + rng.normal(0.0, 0.1 + frame["member"], N_ROWS)
    frame.loc[:99, "label"] = None
    shuffled = frame.sample(frac=1, random_state=1)
    found = []
    for name, table in (("a.parquet", frame), ("b.parquet", shuffled)):
        profile, _ = build_profile(read_dataset(write(tmp_path, name, table), CARD), CARD)
        again = Profile.from_bytes(profile.to_bytes())
        found.append(PerformanceReference.of_arrays("regression", again.performance, features=3))
    first, second = found
    assert first.n == second.n == N_ROWS - 100
    np.testing.assert_array_equal(first.outcome, second.outcome)
    member = np.array([[50.0, 1.0, 0.0], [50.0, 0.0, 0.0]])
    nothing = np.full(1, np.nan)
    errors = [
        first.expected(np.zeros(1), nothing, np.zeros((1, 0)), row[None, :])["mae"]
        for row in member[:, [0, 2, 1]]
    ]
    assert errors[0] > 4 * errors[1]
    plain, _ = build_profile(read_dataset(write(tmp_path, "c.parquet", rows()), CARD), CARD)
    assert plain.performance == {}

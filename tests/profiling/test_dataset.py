"""Data files: three formats, one content; errors that name the place."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.errors import ConfigError
from monitor.profiling.dataset import Dataset, read_dataset
from producers.flights import FlightFiles
from schemas.model import FeatureSpec, ModelCard

CARD = ModelCard(
    model="churn",
    model_version="1",
    task="binary",
    features={
        "age": FeatureSpec(type="number", hidden_nulls=("NA",)),
        "plan": FeatureSpec(type="category"),
        "member": FeatureSpec(type="boolean"),
    },
)
CSV = """event_id,occurred_at,model_version,age,plan,member,score,prediction,label
007,2026-01-02T00:00:00Z,1.10,31,01,true,0.5,yes,1
8,2026-01-01T00:00:00+00:00,1.10,NA,"",false,0.25,no,0
9,2026-01-03T00:00:00Z,1.10,2.5,,,1,no,
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


@pytest.fixture
def churn(tmp_path: Path) -> Dataset:
    return read_dataset(write(tmp_path, "churn.csv", CSV), CARD)


def test_rows_become_events_of_the_stream(churn: Dataset) -> None:
    first, second, third = churn.events(CARD)
    assert first == {
        "event_id": "007",
        "model": "churn",
        "model_version": "1.10",
        "occurred_at": datetime(2026, 1, 2, tzinfo=UTC),
        "features": {"age": 31.0, "plan": "01", "member": True},
        "prediction": "yes",
        "score": 0.5,
    }
    assert second["features"] == {"age": "NA", "plan": "", "member": False}
    assert third["features"] == {"age": 2.5, "plan": None, "member": None}
    assert churn.events(CARD, 1, 2) == [second]


def test_time_order_is_stable_and_by_moment(churn: Dataset) -> None:
    assert churn.time_order().tolist() == [1, 0, 2]
    ordered = [event["event_id"] for event in churn.in_time_order().events(CARD)]
    assert ordered == ["8", "007", "9"]


def test_what_a_file_lacks_comes_from_the_card_and_the_row(tmp_path: Path) -> None:
    dataset = read_dataset(write(tmp_path, "x.csv", "age,plan,member\n1,a,true\n"), CARD)
    (event,) = dataset.events(CARD)
    assert (event["event_id"], event["model_version"]) == ("row-0", "1")
    assert (event["prediction"], event["score"]) == (None, None)
    assert dataset.occurred_us is None
    assert dataset.time_order().tolist() == [0]


def test_class_scores_become_scores(tmp_path: Path) -> None:
    text = "age,plan,member,score_a,score_b\n1,a,true,0.25,0.75\n"
    (event,) = read_dataset(write(tmp_path, "x.csv", text), CARD).events(CARD)
    assert event["scores"] == {"a": 0.25, "b": 0.75}


def test_prediction_events_in_ndjson_are_unfolded(tmp_path: Path) -> None:
    line = {
        "event_id": 7,
        "occurred_at": "2026-01-01T00:00:00Z",
        "features": {"age": 3, "plan": "a", "member": True},
        "prediction": "yes",
        "scores": {"yes": 0.75, "no": 0.25},
        "segments": {"region": "eu"},
    }
    path = write(tmp_path, "x.ndjson", json.dumps(line) + "\n\n")
    (event,) = read_dataset(path, CARD).events(CARD)
    assert event["event_id"] == "7"
    assert event["features"] == line["features"]
    assert event["scores"] == line["scores"]


def test_one_fingerprint_for_every_format(flight_files: FlightFiles, tmp_path: Path) -> None:
    flights = pd.read_parquet(flight_files.reference).head(3_000)
    flights.to_parquet(tmp_path / "a.parquet", index=False)
    flights[flights.columns[::-1]].to_csv(tmp_path / "a.csv", index=False)
    flights.to_csv(tmp_path / "a.csv.gz", index=False)
    rows = read_dataset(tmp_path / "a.parquet").columns
    lines = zip(*(column.to_list() for column in rows.values()), strict=True)
    write(
        tmp_path,
        "a.ndjson",
        "".join(
            json.dumps(dict(zip(rows, line, strict=True)), default=str) + "\n" for line in lines
        ),
    )
    names = ("a.parquet", "a.csv", "a.csv.gz", "a.ndjson")
    fingerprints = {read_dataset(tmp_path / name).fingerprint() for name in names}
    assert len(fingerprints) == 1


def test_the_fingerprint_does_not_depend_on_the_card(churn: Dataset) -> None:
    assert read_dataset(Path(churn.source)).fingerprint() == churn.fingerprint()


@pytest.mark.parametrize(
    ("old", "new"),
    [("31,01", "32,01"), ("plan", "plans"), ('NA,""', "NA,"), ("0.25", ""), ("007", "7")],
)
def test_any_change_changes_the_fingerprint(
    churn: Dataset, tmp_path: Path, old: str, new: str
) -> None:
    changed = read_dataset(write(tmp_path, "changed.csv", CSV.replace(old, new)))
    assert changed.fingerprint() != churn.fingerprint()


def test_swapped_rows_change_the_fingerprint(tmp_path: Path) -> None:
    one = read_dataset(write(tmp_path, "one.csv", "x\n1\n2\n"))
    two = read_dataset(write(tmp_path, "two.csv", "x\n2\n1\n"))
    assert one.fingerprint() != two.fingerprint()


def test_nan_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pd.DataFrame({"x": np.array([1.0, np.nan])}).to_parquet(path)
    column = read_dataset(path).columns["x"]
    assert column.to_list() == [1.0, None]


def test_numbers_past_float64_become_infinities(tmp_path: Path) -> None:
    text = '{"x": 1' + "0" * 400 + '}\n{"x": 2.5}\n'
    assert read_dataset(write(tmp_path, "x.ndjson", text)).columns["x"].to_list() == [np.inf, 2.5]


def test_times_without_offset_are_utc_and_say_so(tmp_path: Path) -> None:
    column = read_dataset(write(tmp_path, "x.csv", "occurred_at\n2026-01-01 05:00\n")).columns[
        "occurred_at"
    ]
    assert column.naive
    assert column.to_list() == [datetime(2026, 1, 1, 5, tzinfo=UTC)]


def test_truncated_gzip_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1_000)[:-10])
    with pytest.raises(ConfigError, match=r"x.csv.gz cannot be read"):
        read_dataset(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.xls", "a\n1\n", "x.xls: the suffix says no format"),
        ("x.csv", "a,b\n", "x.csv holds no rows"),
        ("x.csv", "", "x.csv"),
        ("x.csv", "a,a\n1,2\n", "column a stands there twice"),
        ("x.csv", "a,\n1,2\n", "a column has no name"),
        ("x.csv", "a,b\n1\n", "x.csv cannot be read: .*Expected 2 columns, got 1"),
        ("x.parquet", "a\n1\n", "x.parquet cannot be read"),
        ("x.csv", "a,\udce9\n1,2\n", "x.csv cannot be read: .*: save it as UTF-8"),
        ("x.ndjson", '{"a": 1}\n{"a": \n', "x.ndjson, line 2: '{\"a\":' is not JSON"),
        ("x.ndjson", "[1]\n", "x.ndjson, line 1: '\\[1\\]' is not an object"),
        (
            "x.csv",
            "occurred_at\n2026-01-01T00:00:00Z\nyesterday\n",
            "column occurred_at, row 2: 'yesterday' is not a time: write a UTC time such as",
        ),
        ("x.csv", "a,occurred_at\n1,2026-01-01\n2,\n", "row 2: there is no value"),
        ("x.csv", "occurred_at\n1767225600\n", "row 1: 1767225600 is not a time"),
        (
            "x.csv",
            "occurred_at\n2026-01-01T00:00:00Z\n2026-01-01T00:00:00\n",
            "some times have a UTC offset and some have none",
        ),
    ],
)
def test_errors_name_file_place_value_and_fix(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_dataset(write(tmp_path, name, text))


def test_a_missing_feature_is_named_with_its_likely_column(tmp_path: Path) -> None:
    path = write(tmp_path, "x.csv", "Age,plan,member\n1,a,true\n")
    with pytest.raises(ConfigError, match=r"no column age, .* rename column 'Age'"):
        read_dataset(path, CARD)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_dataset(tmp_path / "none.csv")

"""Files as batches: each format gives the same rows, a file that does not fit says why."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from producers.errors import InputFileError
from producers.formats import read_batches
from producers.rows import BATCH_ROWS

START = datetime(2013, 3, 1, 12, tzinfo=UTC)
COLUMNS = ("event_id", "occurred_at", "age", "home", "prediction")


def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "event_id": [f"e{n}" for n in range(rows)],
            "occurred_at": [START + timedelta(seconds=n) for n in range(rows)],
            "age": [None if n % 5 == 4 else n + 0.5 for n in range(rows)],
            "home": [None if n % 7 == 6 else "own" for n in range(rows)],
            "prediction": [n % 2 == 0 for n in range(rows)],
            "unused": 1,
        }
    )


def write_csv(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path.with_suffix(".csv"), index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    return path.with_suffix(".csv")


def write_parquet(path: Path, table: pd.DataFrame) -> Path:
    table.to_parquet(path.with_suffix(".parquet"), index=False)
    return path.with_suffix(".parquet")


def write_ndjson(path: Path, table: pd.DataFrame) -> Path:
    table.to_json(path.with_suffix(".ndjson"), orient="records", lines=True, date_format="iso")
    return path.with_suffix(".ndjson")


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_ndjson])
def test_all_formats_give_the_same(
    tmp_path: Path, write: Callable[[Path, pd.DataFrame], Path]
) -> None:
    rows = BATCH_ROWS + 7
    path = write(tmp_path / "file", frame(rows))
    batches = list(read_batches(path, COLUMNS, ("score",)))
    assert sum(map(len, batches)) == rows
    assert max(map(len, batches)) <= BATCH_ROWS
    assert [batch.first_row for batch in batches][:2] == [1, 1 + len(batches[0])]
    first = batches[0]
    assert set(first.columns) == set(COLUMNS)
    assert first.texts("event_id")[:2] == ["e0", "e1"]
    assert first.numbers("age")[:5] == [0.5, 1.5, 2.5, 3.5, None]
    assert first.texts("home")[5:7] == ["own", None]
    assert first.answers("prediction")[:2] == [True, False]
    start_us = int(START.timestamp() * 1e6)
    assert first.times_us("occurred_at")[:2].tolist() == [start_us, start_us + 1_000_000]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "event_id,age\n1,2\n", r"no column 'occurred_at', 'home', 'prediction': it has"),
        ("a.csv", "", r"a.csv: Empty CSV file"),
        (
            "a.csv",
            "event_id,occurred_at,age,home,prediction\n1,2\n",
            r"Row #2: Expected 5 columns, got 2",
        ),
        ("a.parquet", "no", r"a.parquet: "),
        ("a.ndjson", '{"event_id": 1}\n', r"no column 'occurred_at'"),
        ("a.ndjson", "[1]\n", r"row 1: a JSON object is needed"),
        ("a.ndjson", "\n{broken\n", r"row 2: not JSON"),
        ("a.xlsx", "x", r"ends in '.xlsx': replay reads .csv, .parquet, .ndjson"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputFileError, match=words):
        list(read_batches(path, COLUMNS, ()))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="is not a file"):
        list(read_batches(tmp_path / "none.csv", COLUMNS, ()))


def test_events_of_the_contract_are_rows_too(tmp_path: Path) -> None:
    path = tmp_path / "dump.ndjson"
    event = {"event_id": "e", "occurred_at": "2013-03-01T12:00:00Z", "prediction": 1}
    path.write_text(json.dumps(event | {"features": {"age": 3, "home": "own"}}), encoding="utf-8")
    [batch] = read_batches(path, COLUMNS, ())
    assert (batch.numbers("age"), batch.texts("home")) == ([3], ["own"])


def test_mixed_values_in_ndjson_name_the_row(tmp_path: Path) -> None:
    path = tmp_path / "mixed.ndjson"
    path.write_text('{"age": 1}\n{"age": "x"}\n', encoding="utf-8")
    [batch] = read_batches(path, ("age",), ())
    with pytest.raises(InputFileError, match="row 2, column 'age': 'x' is not a number"):
        batch.numbers("age")

"""The data audit: every oddity that is planted is found, and healthy data stays unremarked."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.profiling.audit import Audit, audit_dataset
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import read_dataset
from producers.flights import FlightFiles
from schemas.model import FeatureSpec, ModelCard

N_ROWS = 2_000
SEED = 5
CARD = ModelCard(
    model="loan",
    model_version="2",
    task="binary",
    features={
        "age": FeatureSpec(type="number", min=0, max=120, hidden_nulls=(-999,)),
        "income": FeatureSpec(type="number"),
        "plan": FeatureSpec(type="category", categories=("a", "b")),
        "flag": FeatureSpec(type="boolean"),
    },
)


def loans() -> pd.DataFrame:
    """Healthy rows in time order."""
    rng = np.random.default_rng(11)
    label = rng.random(N_ROWS) < 0.3
    return pd.DataFrame(
        {
            "event_id": [f"e{i}" for i in range(N_ROWS)],
            "occurred_at": pd.date_range("2026-01-01", periods=N_ROWS, freq="10min", tz="UTC"),
            "age": rng.integers(18, 90, N_ROWS).astype(float),
            "income": rng.lognormal(10, 1, N_ROWS),
            "plan": rng.choice(["a", "b"], N_ROWS),
            "flag": rng.random(N_ROWS) < 0.5,
            "score": np.clip(0.3 + 0.2 * label + rng.normal(0, 0.2, N_ROWS), 0, 1),
            "prediction": rng.random(N_ROWS) < 0.3,
            "label": label,
        }
    )


def audited(folder: Path, rows: pd.DataFrame) -> Audit:
    file = folder / "loans.parquet"
    rows.to_parquet(file, index=False)
    return build_profile(read_dataset(file, CARD), CARD)[1]


def remarks(audit: Audit, column: str) -> str:
    return "\n".join(remark.text for remark in audit.remarks if remark.column == column)


def test_healthy_rows_have_no_remark(tmp_path: Path) -> None:
    audit = audited(tmp_path, loans())
    assert audit.remarks == ()
    assert (audit.n_rows, audit.duplicate_rows, audit.duplicate_event_ids) == (N_ROWS, 0, 0)
    assert audit.time is not None
    assert audit.time.backward_steps == 0
    assert audit.time.events_per_day == pytest.approx(144, rel=0.01)


def test_real_flights_have_no_remark(flight_files: FlightFiles, flight_card: ModelCard) -> None:
    dataset = read_dataset(flight_files.reference, flight_card)
    audit = audit_dataset(dataset, flight_card, (), seed=SEED)
    assert audit.remarks == ()
    pressure = next(column for column in audit.columns if column.name == "pressure")
    assert pressure.nulls == 3_247
    score = next(column for column in audit.columns if column.name == "score")
    assert score.label_power == pytest.approx(0.63, abs=0.005)


def test_nulls_hidden_and_guessed(tmp_path: Path) -> None:
    rows = loans()
    rows.loc[:9, "age"] = np.nan
    rows.loc[10:14, "age"] = -999
    rows.loc[20:26, "income"] = -1
    rows.loc[30:35, "plan"] = "unknown"
    audit = audited(tmp_path, rows)
    columns = {column.name: column for column in audit.columns}
    assert (columns["age"].nulls, columns["age"].hidden_nulls) == (10, 5)
    assert columns["age"].suspected_nulls == ()
    assert [(s.value, s.count) for s in columns["income"].suspected_nulls] == [(-1, 7)]
    assert [(s.value, s.count) for s in columns["plan"].suspected_nulls] == [("unknown", 6)]
    assert "10 nulls, but the card says nullable: false" in remarks(audit, "age")
    assert "'unknown' in 6 rows looks like a null" in remarks(audit, "plan")
    assert "first row 31, 'unknown'" in remarks(audit, "plan")


def test_values_outside_the_card(tmp_path: Path) -> None:
    rows = loans()
    rows.loc[100:102, "age"] = [130, 140, 150]
    assert "3 rows are out of range by the card: first row 101, 130.0" in remarks(
        audited(tmp_path, rows), "age"
    )


@pytest.mark.parametrize(("others", "remark"), [(0, "is constant"), (4, "99.8% are 7")])
def test_constant_columns(tmp_path: Path, others: int, remark: str) -> None:
    rows = loans()
    rows["income"] = 7.0
    rows.loc[: others - 1, "income"] = 8.0
    assert remark in remarks(audited(tmp_path, rows), "income")


def test_a_column_without_a_value(tmp_path: Path) -> None:
    rows = loans()
    rows["income"] = np.nan
    assert "nothing but nulls" in remarks(audited(tmp_path, rows), "income")


def test_duplicates_are_counted_apart_from_event_ids(tmp_path: Path) -> None:
    rows = loans()
    repeated = rows.iloc[:30].assign(event_id=[f"again{i}" for i in range(30)])
    same_id = rows.iloc[40:45].assign(income=1.0)
    both = pd.concat([rows, repeated, same_id]).sort_values("occurred_at", kind="stable")
    audit = audited(tmp_path, both)
    assert (audit.duplicate_rows, audit.duplicate_event_ids) == (30, 5)
    assert "30 rows (1.5%) repeat an earlier one" in remarks(audit, "")


def test_time_that_goes_backwards_and_gaps(tmp_path: Path) -> None:
    rows = loans()
    rows.loc[1_000:, "occurred_at"] += pd.Timedelta(days=2)
    order = [*range(500), 501, 500, *range(502, N_ROWS)]
    audit = audited(tmp_path, rows.iloc[order])
    assert audit.time is not None
    assert (audit.time.backward_steps, audit.time.first_backward_row) == (1, 502)
    assert audit.time.gaps[0].seconds == 2 * 86_400 + 600
    assert "goes backwards 1 times, first at row 502" in remarks(audit, "occurred_at")


def test_without_times_it_says_so(tmp_path: Path) -> None:
    audit = audited(tmp_path, loans().drop(columns="occurred_at"))
    assert audit.time is None
    assert "no column occurred_at" in remarks(audit, "")
    assert "per million events" in remarks(audit, "")


def test_a_time_column_of_another_name_is_pointed_out(tmp_path: Path) -> None:
    audit = audited(tmp_path, loans().rename(columns={"occurred_at": "seen_at"}))
    assert "if column seen_at holds the event times, rename it" in remarks(audit, "")


def test_outputs_that_are_missing_are_notes_not_faults(tmp_path: Path) -> None:
    audit = audited(tmp_path, loans().drop(columns=["score", "prediction"]))
    assert [(r.column, r.weight) for r in audit.remarks] == [
        ("prediction", "note"),
        ("score", "note"),
    ]


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(lambda label, rng: label * 5.0 + rng.normal(0, 0.1, N_ROWS), id="number"),
        pytest.param(lambda label, rng: np.where(label, np.nan, 1.0), id="missing"),
        pytest.param(
            lambda label, rng: np.where(label, 50.0, rng.choice([0.0, 99.5], N_ROWS)), id="hump"
        ),
    ],
)
def test_a_column_that_knows_the_label(tmp_path: Path, leak: object) -> None:
    assert callable(leak)
    rows = loans()
    rows["income"] = leak(rows["label"].to_numpy(), np.random.default_rng(3))
    audit = audited(tmp_path, rows)
    assert "alone predicts the label with AUC" in remarks(audit, "income")
    assert "alone predicts" not in remarks(audit, "age")


def test_a_category_that_knows_the_label(tmp_path: Path) -> None:
    rows = loans()
    rows["plan"] = np.where(rows["label"], "a", "b")
    assert "alone predicts the label with AUC 1.000" in remarks(audited(tmp_path, rows), "plan")


def test_an_identifier_is_no_leak(tmp_path: Path) -> None:
    rows = loans()
    rows["plan"] = [f"id{i}" for i in range(N_ROWS)]
    text = remarks(audited(tmp_path, rows), "plan")
    assert "an identifier, not a category" in text
    assert "alone predicts" not in text


def test_the_json_is_whole_and_deterministic(tmp_path: Path) -> None:
    rows = loans()
    rows.loc[:3, "age"] = [np.nan, -999, 200, 30]
    one, two = audited(tmp_path, rows), audited(tmp_path, rows)
    assert one.to_json() == two.to_json()
    loaded = json.loads(one.to_json())
    assert loaded["dataset_fingerprint"].startswith("sha256:")
    assert {column["name"] for column in loaded["columns"]} == set(rows.columns)

"""`plumbline init`: a card that loads, with its guesses marked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from monitor.cli import main
from monitor.profiling.card import load_card
from schemas.model import ModelCard

N_ROWS = 400


def init(data: Path, out: Path) -> ModelCard:
    result = CliRunner().invoke(main, ["init", str(data), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert f"next: plumbline profile {data} --card {out}" in result.stdout
    return load_card(out)


def rows() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "event_id": [f"e{i}" for i in range(N_ROWS)],
            "occurred_at": pd.date_range("2026-01-01", periods=N_ROWS, freq="h", tz="UTC"),
            "model": "churn",
            "model_version": "3.10",
            "age": rng.integers(18, 90, N_ROWS),
            "heat": rng.normal(20, 5, N_ROWS),
            "plan": rng.choice(["basic", "NO", "pro: max"], N_ROWS),
            "zip": [f"{i:05}" for i in range(N_ROWS)],
            "member": rng.random(N_ROWS) < 0.5,
            "constant": 7,
            "score": rng.random(N_ROWS),
            "prediction": rng.random(N_ROWS) < 0.5,
            "label": rng.random(N_ROWS) < 0.5,
        }
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_types_ranges_and_categories(tmp_path: Path, suffix: str) -> None:
    data = tmp_path / f"data.{suffix}"
    if suffix == "csv":
        rows().to_csv(data, index=False)
    else:
        rows().to_parquet(data, index=False)
    card = init(data, tmp_path / "card.yaml")
    assert (card.model, card.model_version, card.task) == ("churn", "3.10", "binary")
    kinds = {name: spec.type for name, spec in card.features.items()}
    assert kinds == {
        "age": "number",
        "heat": "number",
        "plan": "category",
        "zip": "category",
        "member": "boolean",
        "constant": "number",
    }
    assert card.features["plan"].categories == ("NO", "basic", "pro: max")
    assert card.features["zip"].categories is None
    assert card.features["age"].min == 0
    assert card.features["age"].max is not None
    assert card.features["age"].max > 150
    assert card.features["heat"].min is not None
    assert card.features["heat"].min < 0
    assert card.features["constant"].min is None
    text = (tmp_path / "card.yaml").read_text(encoding="utf-8")
    guessed = [line for line in text.splitlines() if line.strip().startswith(("type:", "min:"))]
    assert guessed
    assert all("# guess" in line for line in guessed)


def test_hidden_nulls_and_nulls(tmp_path: Path) -> None:
    frame = rows().astype({"age": object, "heat": object})
    frame.loc[:4, "age"] = -999
    frame.loc[5:7, "heat"] = "NA"
    frame.loc[8:9, "plan"] = "unknown"
    frame.loc[10:12, "plan"] = None
    frame.to_csv(tmp_path / "data.csv", index=False)
    features = init(tmp_path / "data.csv", tmp_path / "card.yaml").features
    assert features["age"].hidden_nulls == (-999,)
    assert features["age"].min == 0
    assert (features["heat"].type, features["heat"].hidden_nulls) == ("number", ("NA",))
    assert features["plan"].hidden_nulls == ("unknown",)
    assert features["plan"].categories == ("NO", "basic", "pro: max")
    assert features["plan"].nullable
    assert not features["member"].nullable


@pytest.mark.parametrize(
    ("columns", "task", "classes"),
    [
        ({"prediction": [1.5, 2.25, 3.0, 9.5]}, "regression", None),
        ({"prediction": ["a", "b", "c", "a"]}, "multiclass", ("a", "b", "c")),
        ({"prediction": ["yes", "no", "no", "no"]}, "binary", None),
        ({"prediction": [0, 1, 2, 2]}, "multiclass", ("0", "1", "2")),
        ({"score": [0.5, 0.25, 0.1, 0.3]}, "binary", None),
        (
            {"score_a": [0.5] * 4, "score_b": [0.25] * 4, "score_c": [0.25] * 4},
            "multiclass",
            ("a", "b", "c"),
        ),
    ],
)
def test_the_task_is_read_off_the_outputs(
    tmp_path: Path, columns: dict[str, list[object]], task: str, classes: tuple[str, ...] | None
) -> None:
    data = tmp_path / "my data.parquet"
    pd.DataFrame({"x": [1, 2, 3, 4], **columns}).to_parquet(data)
    card = init(data, tmp_path / "card.yaml")
    assert (card.task, card.classes) == (task, classes)
    assert card.model == "my-data"
    assert list(card.features) == ["x"]


def test_a_card_is_never_overwritten(tmp_path: Path) -> None:
    data, card = tmp_path / "x.csv", tmp_path / "card.yaml"
    data.write_text("x\n1\n")
    card.write_text("mine")
    result = CliRunner().invoke(main, ["init", str(data), "--out", str(card)])
    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert card.read_text() == "mine"


def test_a_file_without_features_is_an_error(tmp_path: Path) -> None:
    data = tmp_path / "x.csv"
    data.write_text("event_id,score\na,0.5\n")
    result = CliRunner().invoke(main, ["init", str(data), "--out", str(tmp_path / "c.yaml")])
    assert result.exit_code == 1
    assert "no column is left for a feature" in result.stderr

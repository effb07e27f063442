"""The command prints, writes and refuses."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from monitor.cli import main
from tests.backtest.conftest import CARD, rows, shifted

CHANGE = 3_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backtest")
    events = shifted(6_000, seed=2, at=CHANGE, sigma=1.5)
    events.to_parquet(path / "events.parquet")
    rows(20_000, seed=1).to_parquet(path / "reference.parquet")
    events[["event_id"]].assign(label=1, observed_at=events["occurred_at"]).to_csv(
        path / "labels.csv", index=False
    )
    card = CARD.model_dump(mode="json", exclude_none=True)
    (path / "card.yaml").write_text(yaml.safe_dump(card))
    return path


def run(folder: Path, *more: str) -> Result:
    files = ["--reference", str(folder / "reference.parquet"), "--card", str(folder / "card.yaml")]
    return CliRunner().invoke(main, ["backtest", str(folder / "events.parquet"), *files, *more])


def test_it_prints_alerts_budget_labels_and_sweeps_and_writes_both_files(
    folder: Path, tmp_path: Path
) -> None:
    written = tmp_path / "out" / "alerts.json"
    page = tmp_path / "out" / "alerts.html"
    done = run(
        folder,
        *("--labels", str(folder / "labels.csv"), "--json", str(written), "--html", str(page)),
        *("--sweep", "floor=0.1,0.9", "--sweep", "budget=1"),
    )
    assert done.exit_code == 0, done.output
    for words in (
        "6,000 rows, 6,000 tested as orders 1",
        "FeatureDrift items",
        "sequential alarm",
        "budget: 1 false alarms in 30 days",
        "for 100.0% of the events",
        "sweep of floor",
        "sweep of budget",
        "first FeatureDrift items, row",
        "rows while an alert was firing",
    ):
        assert words in done.output
    found = json.loads(written.read_text())
    assert found["events"] == 6_000
    assert CHANGE <= found["alerts"][0]["firing_event"] < CHANGE + 100
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--sweep", "speed=1"], "write one of budget="),
        (["--labels", "nowhere.csv"], "nowhere.csv does not exist"),
        (["--json", "/proc/none/alerts.json"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_1(
    folder: Path, more: list[str], message: str
) -> None:
    done = run(folder, *more)
    assert done.exit_code == 1
    assert message in done.output
    assert "Traceback" not in done.output

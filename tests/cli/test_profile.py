"""`plumbline profile` on the real flights: tables, words, files."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli import main
from monitor.sketches.profile import Profile
from producers.flights import write_files

CARD = Path(__file__).parents[2] / "models" / "flights.yaml"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("flights")).reference


def profile(reference: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["profile", str(reference), "--card", str(CARD), *options])


def test_tables_words_and_files(reference: Path, tmp_path: Path) -> None:
    result = profile(reference, "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "24,951 rows" in result.stdout
    assert "nothing to remark" in result.stdout
    assert "independent ones; the smallest shift they show is" in result.stdout.replace("\n", " ")
    assert "cannot tell: the reference holds 1 x 16,000 events, 5 x are needed" in (result.stdout)
    written = tmp_path / "flights.profile"
    assert f"written to {written}" in result.stdout
    read = Profile.from_bytes(written.read_bytes())
    assert read.names[-1] == "prediction"
    assert read.hash in result.stdout
    assert read.n_rows == 24_951
    assert read.time_ordered
    audit = json.loads((tmp_path / "flights.audit.json").read_text(encoding="utf-8"))
    assert audit["dataset_fingerprint"] == read.dataset_fingerprint


def test_json_says_the_same_and_the_profile_is_the_same_again(
    reference: Path, tmp_path: Path
) -> None:
    first, second = (
        json.loads(profile(reference, "--out", str(tmp_path / name), "--json").stdout)
        for name in ("one.profile", "two.profile")
    )
    assert first["profile"] == str(tmp_path / "one.profile")
    assert first["profile_hash"] == second["profile_hash"]
    assert first["audit"]["n_rows"] == 24_951
    assert {note["scale"] for note in first["windows"]} == {1_000, 4_000, 16_000}


def test_a_wrong_reference_is_one_clear_message(tmp_path: Path) -> None:
    data = tmp_path / "x.csv"
    data.write_text("sched_min\n1\n")
    result = profile(data, "--out", str(tmp_path))
    assert result.exit_code == 1
    assert f"Error: {data}: no column distance, a feature of flight-delay 2013-01" in result.stderr
    assert not list(tmp_path.glob("*.profile"))

"""The JSON Schema files are those of the contracts."""

import json
from pathlib import Path

import jsonschema
import pytest

from schemas.generate import CONTRACTS, FOLDER, main, schema_text, stale_files


def test_no_file_is_stale() -> None:
    assert stale_files() == []
    assert main(["--check"]) == 0


def test_a_changed_missing_or_foreign_file_is_stale(tmp_path: Path) -> None:
    for name, contract in CONTRACTS.items():
        (tmp_path / f"{name}.json").write_text(schema_text(contract), encoding="utf-8")
    (tmp_path / "label.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.json").unlink()
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    assert stale_files(tmp_path) == ["label.json", "model.json", "old.json"]


def test_an_unknown_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--verify"]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_every_file_is_a_2020_12_schema(name: str) -> None:
    schema = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)

"""Writes the JSON Schema files of the contracts, for languages other than Python.

    python -m schemas.generate            writes schemas/json/*.json
    python -m schemas.generate --check    writes nothing; exit code 1 where a file is stale

In: the pydantic contracts, the one source. Out: one JSON Schema (2020-12) file each. Never: a
file that a person edits.
"""

import json
import sys
from pathlib import Path
from typing import Final

from schemas.alert import AlertEvent
from schemas.command import Command
from schemas.contract import Contract
from schemas.heartbeat import Heartbeat
from schemas.label import LabelEvent
from schemas.model import ModelCard
from schemas.prediction import PredictionEvent
from schemas.rejection import Rejection

CONTRACTS: Final[dict[str, type[Contract]]] = {
    "alert": AlertEvent,
    "command": Command,
    "heartbeat": Heartbeat,
    "label": LabelEvent,
    "model": ModelCard,
    "prediction": PredictionEvent,
    "rejection": Rejection,
}
"""Every contract by the name of its file."""

FOLDER: Final = Path(__file__).parent / "json"


def schema_text(contract: type[Contract]) -> str:
    """The file of one contract: sorted keys, so that a change shows as a small difference."""
    return json.dumps(contract.json_schema(), indent=2, sort_keys=True) + "\n"


def stale_files(folder: Path = FOLDER) -> list[str]:
    """Names of files that are missing, differ from the contracts, or belong to none."""
    expected = {f"{name}.json": schema_text(contract) for name, contract in CONTRACTS.items()}
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    names = expected.keys() | found.keys()
    return sorted(name for name in names if expected.get(name) != found.get(name))


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` name the stale ones."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m schemas.generate [--check]\n")
        return 2
    if arguments:
        stale = stale_files()
        if stale:
            names = ", ".join(stale)
            sys.stderr.write(f"stale in {FOLDER.name}/: {names}; run python -m schemas.generate\n")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name, contract in CONTRACTS.items():
        (FOLDER / f"{name}.json").write_text(schema_text(contract), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

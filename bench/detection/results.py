"""The results of a run, kept row by row, so that a run that is cut short leaves what it measured.

In: entries. Out: a JSON file each. Never: a row without what it was measured with and when.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.detection.parts import PARTS, Entry


@dataclass(frozen=True, slots=True)
class Measured:
    """An entry, and what it was measured with and when."""

    entry: Entry
    made: str
    minutes: float


Results = dict[str, list[Measured]]
"""By part."""


class Book:
    """The results in a folder, a file each: several runs may write at a time.

    A row measured again takes the place of the old one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, part: str, measured: Measured) -> None:
        """Keep one row."""
        name = f"{measured.entry.stream} {measured.entry.contestant}".lower()
        file = self._folder / part / f"{re.sub('[^a-z0-9]+', '-', name)}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps(asdict(measured), indent=1))

    def results(self) -> Results:
        """Everything kept so far, parts without a row left out."""
        return {part: rows for part in PARTS if (rows := self._read(part))}

    def _read(self, part: str) -> list[Measured]:
        found = []
        for file in sorted((self._folder / part).glob("*.json")):
            fields = json.loads(file.read_text())
            entry = Entry(**fields["entry"])
            found.append(Measured(entry, fields["made"], fields["minutes"]))
        return found


def replace_text(file: Path, text: str) -> None:
    """Write a file in one step."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, file)

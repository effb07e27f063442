"""What every peer does around its own few lines: read streams, time itself, write alarms.

In: a JSON file of jobs. Out: a JSON file of alarms: (index of the event that completed the alarm,
name of the column). Never: an import that a peer's environment lacks: numpy alone, and pandas where
tables are asked for.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 1_000
"""Events of a tumbling window: the practice that most documentation shows."""

Alarm = tuple[int, str]
Detect = Callable[["Job"], Iterable[Alarm]]


@dataclass(frozen=True, slots=True)
class Job:
    """One stream with its reference."""

    names: list[str]
    """Number columns, in the order of the arrays' columns."""
    reference_file: str
    stream_file: str
    reference_table_file: str
    """Parquet with the category columns too; empty where there are none."""
    stream_table_file: str
    events: int

    @property
    def reference(self) -> NDArray[np.float64]:
        """float64[rows, columns]."""
        return _without_gaps(np.load(self.reference_file))

    @property
    def stream(self) -> NDArray[np.float64]:
        """float64[events, columns]."""
        return _without_gaps(np.load(self.stream_file)[: self.events])

    def tables(self) -> tuple[Any, Any]:
        """Reference and stream as pandas tables, missing values as they are."""
        import pandas as pd

        if self.reference_table_file:
            reference = pd.read_parquet(self.reference_table_file)
            stream = pd.read_parquet(self.stream_table_file)
        else:
            reference = pd.DataFrame(np.load(self.reference_file), columns=self.names)
            stream = pd.DataFrame(np.load(self.stream_file), columns=self.names)
        return reference, stream.iloc[: self.events]

    def windows(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """(index of the last event, the window) of every full tumbling window."""
        rows = self.stream
        for end in range(WINDOW, len(rows) + 1, WINDOW):
            yield end - 1, rows[end - WINDOW : end]


def run(detect: Detect, *packages: str) -> None:
    """Do the jobs of the file named first and write what came out to the file named second."""
    jobs, out = Path(sys.argv[1]), Path(sys.argv[2])
    results = []
    for fields in json.loads(jobs.read_text()):
        job = Job(**fields)
        start = time.process_time()
        alarms = [(int(event), str(name)) for event, name in detect(job)]
        results.append({"alarms": alarms, "seconds": time.process_time() - start})
    versions = {package: version(package) for package in packages}
    out.write_text(json.dumps({"results": results, "versions": versions}))


def column_by_column(names: list[str], found: NDArray[np.bool_], event: int) -> Iterator[Alarm]:
    """An alarm at `event` for every column that is True."""
    return ((event, names[place]) for place in np.flatnonzero(found).tolist())


def _without_gaps(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Missing values as the last one seen: tools that take arrays take no gaps."""
    if not np.isnan(rows).any():
        return rows
    filled = rows.copy()
    filled[0] = np.where(np.isnan(rows[0]), np.nanmedian(rows, axis=0), rows[0])
    place = np.where(np.isnan(filled), 0, np.arange(len(filled))[:, None])
    return np.take_along_axis(filled, np.maximum.accumulate(place, axis=0), axis=0)

"""What the peers of the speed benches do around their own few lines: they wait to be asked.

In: a file with the reference and one with the stream, float64[rows, columns], then one line on
standard input for each question: how many rows of the stream to take. Out: a line of JSON for each,
with the processor time that it took; before them one with the versions. Never: time for imports or
for the reference: a service pays them once.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

WINDOW = 1_000
"""Events of a tumbling window."""

Rows = NDArray[np.float64]
Distances = list[list[float]]
"""D by window and column; empty where a peer has none to tell."""
Work = Callable[[Rows], Distances]


def serve(prepare: Callable[[Rows], Work], *packages: str) -> None:
    """Prepare with the reference, then answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever the packages print is no answer
    reference, stream = np.load(sys.argv[1]), np.load(sys.argv[2])
    work = prepare(reference)
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    answers.write(json.dumps({"versions": versions}) + "\n")
    for line in sys.stdin:
        rows = stream[: int(line)]
        began_s = time.process_time()
        found = work(rows)
        seconds = time.process_time() - began_s
        answers.write(json.dumps({"seconds": seconds, "distances": found}) + "\n")


def windows_of(rows: Rows) -> list[Rows]:
    """The full tumbling windows."""
    return [rows[end - WINDOW : end] for end in range(WINDOW, len(rows) + 1, WINDOW)]

"""Peers that wait to be asked, each a process in an environment of its own.

In: a peer, a reference and a stream as arrays. Out: `Answer`s. Never: a peer left out silently: one
that cannot be installed or started is a `Gone` with the reason.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from bench.detection.contestants import QUIET, ROOT, interpreter
from bench.suite.outcome import Claim
from monitor.events import Float64

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
REASON_CHARS = 300
ENVIRONMENTS = ("alibi_detect", "deepchecks", "evidently", "frouros", "nannyml", "whylogs")
"""Of the peers that are no packages of ours: stems of the files with their pins."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One way of one package."""

    title: str
    module: str
    """In `bench.peers`."""
    environment: str
    """Stem of the file with its pins; empty: our own environment."""
    rows: int
    """How many it is given each time it is asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question."""

    rows_per_s: float
    """Of processor time."""
    distances: list[list[float]]


@dataclass(frozen=True, slots=True)
class Gone:
    """A peer that gives no answer, and why."""

    peer: Peer
    reason: str

    @property
    def claim(self) -> Claim:
        """What stands in the place of its figure."""
        return Claim(self.peer.title, "beside", "gave no answer, see below", met=None)


class Asked:
    """A peer that has been started; `versions` waits until it is ready."""

    def __init__(self, peer: Peer, process: "subprocess.Popen[str]", errors: Path) -> None:
        self.peer = peer
        self._process = process
        self._errors = errors
        self.versions = ""

    def ready(self) -> None:
        """Wait until it has imported and prepared everything."""
        self.versions = str(json.loads(self._line())["versions"])

    def ask(self, rows: int) -> Answer:
        """Take the first rows of the stream."""
        _pipe(self._process.stdin).write(f"{rows}\n")
        _pipe(self._process.stdin).flush()
        found = json.loads(self._line())
        return Answer(rows / found["seconds"], found["distances"])

    def end(self) -> None:
        """Let the process end."""
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _line(self) -> str:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise EOFError(self._errors.read_text(errors="replace")[-REASON_CHARS:].strip())
        return line


@contextmanager
def started(
    peers: Sequence[Peer], reference: Float64, stream: Float64
) -> Iterator[tuple[list[Asked], list[Gone]]]:
    """All peers, ready, and those that could not be had."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="plumbline-bench-")))
        np.save(folder / "reference.npy", reference)
        np.save(folder / "stream.npy", stream)
        ready, gone = [], []
        for peer in peers:
            try:
                asked = _start(peer, folder)
                stack.callback(asked.end)
                asked.ready()
            except (OSError, EOFError, subprocess.CalledProcessError) as error:
                gone.append(Gone(peer, str(error) or type(error).__name__))
            else:
                ready.append(asked)
        yield ready, gone


def _start(peer: Peer, folder: Path) -> Asked:
    errors = folder / f"{peer.module}.log"
    with errors.open("w") as log:
        process = subprocess.Popen(
            [
                *(
                    interpreter(peer.environment),
                    "-W",
                    "ignore",
                    "-m",
                    f"bench.peers.{peer.module}",
                ),
                *(str(folder / "reference.npy"), str(folder / "stream.npy")),
            ],
            cwd=ROOT,
            env=os.environ | QUIET | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    return Asked(peer, process, errors)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe

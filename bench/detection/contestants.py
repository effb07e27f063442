"""Who takes part, and how a peer is run: as a process in an environment of its own.

In: a contestant, jobs. Out: alarms. The environments are made on first use, from the pins in
`bench/peers/*.txt`, under `.plumbline/bench/`. Never: a peer's package in our own environment
(scipy and River are ours already).
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.peers.job import Alarm, Job


class PeerError(Exception):
    """A peer failed: its row is missing."""


ROOT: Final = Path(__file__).parents[2]
CACHE: Final = ROOT / ".plumbline" / "bench"
QUIET: Final = {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
"""NannyML's and Evidently's documented switches: no usage data leaves this machine."""
LONGEST_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of every stream."""

    name: str
    """The module in `bench.peers`; `plumbline` and the dummies have none."""
    title: str
    plan: str
    """Its entry in the catalogue."""
    environment: str = ""
    """Stem of the file with its pins; empty: our own environment."""
    tables: bool = False
    """Takes category columns too."""


OURS: Final = Contestant("plumbline", "Plumbline", "plumbline")
NEVER: Final = Contestant("never", "dummy: never", "dummies")
EVERY: Final = Contestant("every_1000", "dummy: every 1,000", "dummies")
PEERS: Final = (
    Contestant("scipy_ks", "scipy ks_2samp p < 0.05", "scipy"),
    Contestant("scipy_bonferroni", "scipy ks_2samp, Bonferroni", "scipy"),
    Contestant("adwin", "River ADWIN", "adwin"),
    Contestant("page_hinkley", "River Page-Hinkley", "page_hinkley"),
    Contestant("kswin", "River KSWIN", "kswin"),
    Contestant("evidently", "Evidently", "evidently", "evidently", tables=True),
    Contestant("nannyml_js", "NannyML Jensen-Shannon", "nannyml", "nannyml", tables=True),
    Contestant("nannyml_ks", "NannyML KS", "nannyml", "nannyml", tables=True),
    Contestant("alibi_detect", "alibi-detect KSDrift", "alibi_detect", "alibi_detect"),
    Contestant("frouros", "Frouros KSTest", "frouros", "frouros"),
)
ALL: Final = (OURS, NEVER, EVERY, *PEERS)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a contestant made of one stream."""

    alarms: tuple[Alarm, ...]
    """(index of the event, name of the column; empty: not of one column)."""
    seconds: float
    """Processor time."""


def ask(contestant: Contestant, jobs: Sequence[Job]) -> list[Answer]:
    """A peer's answers to jobs, in their order."""
    if not jobs:
        return []
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        question, answer = Path(folder) / "jobs.json", Path(folder) / "alarms.json"
        question.write_text(json.dumps([asdict(job) for job in jobs]))
        run_module(contestant.environment, contestant.name, str(question), str(answer))
        found = json.loads(answer.read_text())
    return [
        Answer(tuple((event, name) for event, name in one["alarms"]), one["seconds"])
        for one in found["results"]
    ]


def run_module(environment: str, module: str, *arguments: str) -> None:
    """Run `bench.peers.<module>` in an environment; what it says is shown when it fails."""
    done = subprocess.run(
        [interpreter(environment), "-W", "ignore", "-m", f"bench.peers.{module}", *arguments],
        cwd=ROOT,
        env=os.environ | QUIET | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
    if done.returncode:
        raise PeerError(f"bench.peers.{module} failed:\n{done.stderr[-3000:]}")


def version_of(contestant: Contestant) -> str:
    """The pinned release of a peer with an environment of its own.

    >>> frouros = PEERS[-1]
    >>> version_of(frouros)
    'frouros 0.9.0'
    """
    package = contestant.environment.replace("_", "-")
    lines = _pin_file(contestant.environment).read_text().splitlines()
    [release] = [line.split("==")[1] for line in lines if line.startswith(f"{package}==")]
    return f"{package} {release}"


def interpreter(environment: str) -> str:
    """Python of an environment, made from its pins where it is not there in this form."""
    if not environment:
        return sys.executable
    pin_file = _pin_file(environment)
    mark = hashlib.sha256(pin_file.read_bytes()).hexdigest()[:12]
    folder = CACHE / "peers" / f"{environment}-{mark}"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        print(f"installing {environment} from {pin_file.relative_to(ROOT)} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(pin_file)]
        subprocess.run(install, check=True)
        ready.touch()
    return str(python)


def _pin_file(environment: str) -> Path:
    return ROOT / "bench" / "peers" / f"{environment}.txt"

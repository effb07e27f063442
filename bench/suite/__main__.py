"""The command: run the items, keep what they found, write the page.

    python -m bench.suite [--only engine,latency] [--quick]

Exit code 1 where an item failed or misses what is asked of it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.asking import ENVIRONMENTS
from bench.detection.contestants import interpreter
from bench.machine import commit_line, machine_line
from bench.suite.items import BY_NAME, ITEMS, Item
from bench.suite.page import Kept, keep, kept_in, markdown, outcome_of

BENCH: Final = Path(__file__).parents[1]
RESULTS: Final = BENCH / "results"
PAGE: Final = BENCH / "RESULTS.md"
LEAVING_S: Final = 60
"""So long an item that has been ended has to end its servers."""
FAILURE_CHARS: Final = 2_000


def run(item: Item, *, quick: bool) -> Kept:
    """Measure an item in a process of its own."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        file, said = Path(folder) / "outcome.json", Path(folder) / "errors"
        command = [sys.executable, "-m", "bench.suite.alone", item.name, str(file)]
        with said.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [*command, *(["--quick"] if quick else [])],
                cwd=BENCH.parent,
                stderr=errors,
                start_new_session=True,
            )
            late = not _ends(process, item.limit_s)
        seconds = time.monotonic() - began_s
        commit, machine = commit_line(), machine_line()
        if process.returncode == 0 and file.exists():
            outcome = outcome_of(json.loads(file.read_text(encoding="utf-8")))
            return Kept(outcome, "", machine, commit, seconds)
        failure = said.read_text(encoding="utf-8", errors="replace")[-FAILURE_CHARS:]
    ended = f"ended after {item.limit_s} s; " if late else ""
    return Kept(None, f"{ended}exit code {process.returncode}\n{failure}", machine, commit, seconds)


def make_environments() -> None:
    """The peers' environments, where they are not there: that is no item's time."""
    for environment in ENVIRONMENTS:
        try:
            interpreter(environment)
        except subprocess.CalledProcessError as error:
            print(f"{environment} cannot be installed: {error}", flush=True)


def _ends(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Whether a process ends by itself in time; if not it is ended, with its children."""
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(LEAVING_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return False
    return True


def main() -> int:
    """Run what is asked for; after each item, keep it and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.suite", description=__doc__)
    parser.add_argument("--only", default=",".join(BY_NAME), help="names, with commas")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, nothing is kept")
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := set(names) - BY_NAME.keys():
        parser.error(f"no such item: {', '.join(sorted(unknown))}; there are {', '.join(BY_NAME)}")
    if {"engine", "streaming"} & set(names):
        make_environments()
    good = True
    for item in (item for item in ITEMS if item.name in names):
        print(f"--- {item.title}", flush=True)
        kept = run(item, quick=options.quick)
        good &= kept.outcome is not None and kept.outcome.met
        if kept.outcome is None:
            print(f"failed: {kept.failure}", flush=True)
        if not options.quick:
            keep(RESULTS, item, kept)
            PAGE.write_text(markdown(kept_in(RESULTS)), encoding="utf-8")
        print(f"({kept.seconds:.0f} s)", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

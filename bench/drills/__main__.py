"""The command: run the drills, write the page."""

import argparse
import logging
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from bench.drills.page import markdown
from bench.drills.runs import Run, Twin, month_runs
from bench.drills.traffic import MONTHS
from producers.faults import FAULTS

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "bench" / "DRILLS.md"
PART: Final = ROOT / ".plumbline" / "bench" / "DRILLS.md"
"""Where the page of a part of the drills goes."""
SEEDS: Final = 10
SEEDS_AT_ONCE: Final = 5


def main() -> None:
    """Run what is asked for and write its page."""
    chosen = _parser().parse_args()
    logging.basicConfig(level=logging.ERROR)
    began_s = time.monotonic()
    seeds = list(range(chosen.seeds))
    tasks = [
        (month, seeds[start : start + SEEDS_AT_ONCE], tuple(chosen.faults))
        for start in range(0, len(seeds), SEEDS_AT_ONCE)
        for month in chosen.months
    ]
    runs: list[Run] = []
    twins: list[Twin] = []
    with ProcessPoolExecutor(chosen.jobs, mp_context=get_context("spawn")) as pool:
        for found in pool.map(month_runs, *zip(*tasks, strict=True)):
            runs += found[0]
            twins += found[1]
            minutes = (time.monotonic() - began_s) / 60
            print(f"{len(runs):,} runs after {minutes:.1f} min", flush=True)
    whole = set(chosen.faults) == set(FAULTS) and set(chosen.months) == set(MONTHS)
    page = PAGE if whole and chosen.seeds >= SEEDS else PART
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(markdown(runs, twins, (time.monotonic() - began_s) / 60))
    print(page.read_text())
    print(f"written to {page.relative_to(ROOT)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.drills", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument(
        "--faults", nargs="+", choices=FAULTS, default=tuple(FAULTS), metavar="NAME"
    )
    parser.add_argument("--months", nargs="+", choices=MONTHS, default=tuple(MONTHS))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    return parser


if __name__ == "__main__":
    main()

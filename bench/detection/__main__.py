"""The command: run the parts, keep their rows, write the page."""

import argparse
import logging
import subprocess
import time
from datetime import UTC, datetime
from typing import Final

from bench.detection.contestants import ALL, CACHE, ROOT, Contestant, version_of
from bench.detection.parts import PARTS, Entry, Options
from bench.detection.report import markdown, summary
from bench.detection.results import Book, Measured, replace_text
from bench.machine import machine_line, versions_line

PAGE: Final = ROOT / "bench" / "DETECTION.md"


def main() -> None:
    """Run what is asked for; after each row, keep it and write the page."""
    chosen = _parser().parse_args()
    logging.basicConfig(level=logging.ERROR)
    options = Options(chosen.quick, tuple(chosen.who), chosen.jobs, chosen.references)
    folder = CACHE / "detection" / ("quick" if options.quick else "full")
    book = Book(folder)
    page = folder / PAGE.name if options.quick else PAGE
    for part in chosen.only:
        start = time.monotonic()
        for entry in PARTS[part](options):
            minutes = (time.monotonic() - start) / 60
            book.add(part, Measured(entry, _made(entry), minutes))
            replace_text(page, markdown(book.results(), quick=options.quick))
            print(f"{datetime.now(UTC):%H:%M:%S} {minutes:4.1f} min {summary(entry)}", flush=True)
            start = time.monotonic()
    print(page.read_text())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    names = tuple(contestant.name for contestant in ALL)
    quick = f"tiny sizes; the page stays in {CACHE.relative_to(ROOT)}"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS), metavar="PART")
    parser.add_argument("--who", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--jobs", type=int, default=1, help="seeds of ours run at a time")
    parser.add_argument("--references", type=int, help="seeds of a null for ours (default 20)")
    return parser


def _made(entry: Entry) -> str:
    """What an entry was measured with, and when."""
    [contestant] = [one for one in ALL if one.name == entry.contestant]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{day}, commit {commit}, {machine_line()}, {_versions(contestant)}"


def _versions(contestant: Contestant) -> str:
    if contestant.environment:
        return version_of(contestant)
    return versions_line("numpy", "scipy", "river")


if __name__ == "__main__":
    main()

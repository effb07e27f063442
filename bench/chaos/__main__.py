"""`python -m bench.chaos`: the whole proof, from the input file to the exit code."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench.chaos.plan import Plan
from bench.chaos.proof import prove
from bench.chaos.report import page, table

DEFAULTS = Plan()


def main() -> int:
    """Run, print, write; 1 where a check does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (
        ("events", DEFAULTS.events),
        ("models", DEFAULTS.models),
        ("workers", DEFAULTS.workers),
        ("kills", DEFAULTS.kills),
        ("rebalances", DEFAULTS.rebalances),
        ("broker-restarts", DEFAULTS.broker_restarts),
        ("outages", DEFAULTS.outages),
        ("seed", DEFAULTS.seed),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--report", type=Path, help="Markdown file to write")
    options = vars(parser.parse_args())
    report = options.pop("report")
    plan = Plan(**options)
    folder = Path(tempfile.mkdtemp(prefix="plumbline-chaos-"))
    proof = prove(plan, folder, say=lambda words: print(words, flush=True))
    print(table(plan, proof))
    if report is not None:
        report.write_text(page(plan, proof), encoding="utf-8")
    if not proof.holds:
        print(f"NOT PROVEN: logs and data are kept in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

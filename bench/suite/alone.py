"""One item in this process: `python -m bench.suite.alone NAME FILE [--quick]`.

In: the name of an item. Out: its outcome as JSON in FILE. SIGTERM ends it as an exception does, so
that the servers that it has started are ended too.
"""

import importlib
import json
import logging
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from bench.suite.items import BY_NAME
from bench.suite.outcome import Outcome, shown


def main() -> None:
    """Measure, print, write."""
    name, file = sys.argv[1:3]
    logging.disable(logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended: it took longer than its limit"))
    measure = importlib.import_module(BY_NAME[name].module).measure
    outcome: Outcome = measure(quick="--quick" in sys.argv[3:])
    print(shown(outcome), flush=True)
    Path(file).write_text(json.dumps(asdict(outcome)), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Ends the process when a step that has its own time limits still does not end.

In: a time and the name of the step. Out: nothing, or the end of the process with every thread's
stack on standard error. A worker that hangs holds its partitions; one that has ended is started
again and goes on from the last commit.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CODE = 70
"""EX_SOFTWARE: the supervisor starts the worker again."""


@contextmanager
def watchdog(limit_s: float, step: str) -> Iterator[None]:
    """End the process if the body has not ended after `limit_s` seconds."""
    timer = threading.Timer(limit_s, _end, (limit_s, step))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(limit_s: float, step: str) -> None:
    sys.stderr.write(f"{step} has not ended after {limit_s:g} s: ending the process\n")
    faulthandler.dump_traceback(all_threads=True)
    sys.stderr.flush()
    os._exit(EXIT_CODE)

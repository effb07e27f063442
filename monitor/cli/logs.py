"""Logging of the commands: to standard error, one line an event."""

import logging
import sys


def start_logging(level: str = "WARNING", slot: str = "") -> None:
    """Log to standard error; kafka-python's own notes only when they are warnings.

    With `slot` each line names it: several workers write to one stream.

    It logs each attempt to connect, several a second while a broker is away. Whoever waits for the
    broker says so already, hence those only at level DEBUG.
    """
    place = f"{slot} %(name)s" if slot else "%(name)s"
    logging.basicConfig(
        stream=sys.stderr, level=level, format=f"%(asctime)s %(levelname)s {place}: %(message)s"
    )
    logging.getLogger("kafka").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    if level != "DEBUG":
        logging.getLogger("kafka.net").setLevel(logging.CRITICAL)

"""Logging of the commands: to standard error, one line an event."""

import logging
import sys


def start_logging(level: str = "WARNING") -> None:
    """Log to standard error; kafka-python's own notes only when they are warnings.

    It logs each attempt to connect, several a second while a broker is away. Whoever waits for the
    broker says so already, hence those only at level DEBUG.
    """
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kafka").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    if level != "DEBUG":
        logging.getLogger("kafka.net").setLevel(logging.CRITICAL)

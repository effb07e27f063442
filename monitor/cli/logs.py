"""Logging of the commands: to standard error, one line an event."""

import logging
import sys


def start_logging(level: str = "WARNING") -> None:
    """Log to standard error; kafka-python's own notes only when they are warnings."""
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("kafka").setLevel(max(logging.WARNING, logging.getLevelName(level)))

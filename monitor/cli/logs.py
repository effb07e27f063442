"""Logging of the commands: to standard error, one line an event.

In: what the modules log. Out: lines of text, or with `json` an object a line for a log store, its
fields named as in docs/operations.md. Never: a JSON object on more than one line.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from monitor.tracing import current_trace


class JsonLines(logging.Formatter):
    """One JSON object a line; whatever a record's `fields` name becomes a key of its own."""

    def __init__(self, slot: str = "") -> None:
        super().__init__()
        self._slot = slot

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._slot:
            line["slot"] = self._slot
        trace = current_trace()
        if trace.trace_id:
            line["trace_id"] = trace.trace_id
            line["place"] = trace.place
        line |= {key: value for key, value in getattr(record, "fields", {}).items() if value != ""}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start_logging(
    level: str = "WARNING", slot: str = "", form: Literal["text", "json"] = "text"
) -> None:
    """Log to standard error; kafka-python's own notes only when they are warnings.

    With `slot` each line names it: several workers write to one stream.

    It logs each attempt to connect, several a second while a broker is away. Whoever waits for the
    broker says so already, hence those only at level DEBUG.
    """
    handler = logging.StreamHandler(sys.stderr)
    place = f"{slot} %(name)s" if slot else "%(name)s"
    text = logging.Formatter(f"%(asctime)s %(levelname)s {place}: %(message)s")
    handler.setFormatter(JsonLines(slot) if form == "json" else text)
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("kafka").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    if level != "DEBUG":
        logging.getLogger("kafka.net").setLevel(logging.CRITICAL)

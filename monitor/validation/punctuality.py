"""Late and out-of-order events, counted: they are taken as they come.

In: validated predictions, batch by batch. Out: counters. Never: an event held back or reordered;
windows follow the log, so that every replay cuts them alike.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from monitor.events import PredictionColumns
from monitor.telemetry import Telemetry

BANDS: Final = (("1m", 60_000_000), ("1h", 3_600_000_000), ("1d", 86_400_000_000))
"""So long after its own time an event was sent; an event counts in every band that it passes."""
_MOST_MODELS: Final = 100_000


class Punctuality:
    """Counts events that were sent long after their time, and such as an older one preceded."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._newest_us: dict[tuple[str, int], int] = {}
        """Event time of the last event of each model and partition."""

    def observe(self, groups: Iterable[PredictionColumns]) -> None:
        """Count one batch."""
        groups = [columns for columns in groups if len(columns)]
        if not groups:
            return
        occurred = np.concatenate([columns.occurred_us for columns in groups])
        sent = np.concatenate([columns.sent_us for columns in groups])
        for band, limit_us in BANDS:
            late = int(np.count_nonzero(sent - occurred > limit_us))
            if late:
                self._telemetry.late_events.labels(band).inc(late)
        starts = np.cumsum([0, *map(len, groups)])[:-1]
        before = np.empty_like(occurred)
        before[1:] = occurred[:-1]
        if len(self._newest_us) > _MOST_MODELS:
            self._newest_us.clear()
        for start, columns in zip(starts.tolist(), groups, strict=True):
            key = columns.model, columns.partition
            first = int(columns.occurred_us[0])
            before[start] = self._newest_us.get(key, first)
            self._newest_us[key] = int(columns.occurred_us[-1])
        disordered = int(np.count_nonzero(occurred < before))
        if disordered:
            self._telemetry.disordered_events.inc(disordered)

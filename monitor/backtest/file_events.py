"""Rows of a file as the events that a producer would have sent, for drills.

In: a `Dataset` and the card. Out: events as they lie on the topic (JSON values), each with its send
time. Never: a value judged; the pipeline that they are given to does that.
"""

from collections.abc import Iterator
from typing import Any, Final

from monitor.clock import to_us
from monitor.profiling.dataset import FEATURE_TIME_PREFIX, Dataset
from schemas.model import ModelCard

ROWS_AT_ONCE: Final = 5_000
_OPTIONAL: Final = ("latency_ms", "status", "entity_id")


def file_events(dataset: Dataset, card: ModelCard) -> Iterator[tuple[dict[str, Any], int]]:
    """Every row as (event, microseconds since 1970 at which it was sent), in the file's order."""
    sent_us = dataset.sent_us
    optional = [name for name in _OPTIONAL if name in dataset.columns]
    timed = [name for name in card.features if FEATURE_TIME_PREFIX + name in dataset.columns]
    for start in range(0, dataset.n_rows, ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, dataset.n_rows)
        events = dataset.events(card, start, stop)
        extra = {name: dataset.columns[name].to_list(start, stop) for name in optional}
        times = {n: dataset.columns[FEATURE_TIME_PREFIX + n].to_list(start, stop) for n in timed}
        for row, event in enumerate(events):
            at = event["occurred_at"]
            event["occurred_at"] = at.isoformat()
            event.update({name: values[row] for name, values in extra.items()})
            known = {n: t[row].isoformat() for n, t in times.items() if t[row] is not None}
            if known:
                event["feature_times"] = known
            present = {name: value for name, value in event.items() if value is not None}
            yield present, to_us(at) if sent_us is None else int(sent_us[start + row])

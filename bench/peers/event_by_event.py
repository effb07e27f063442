"""Any drift detector of River on the raw values of every feature, event by event."""

from collections.abc import Callable, Iterator
from typing import Any

from bench.peers.job import Alarm, Job


def alarms(job: Job, make: Callable[[], Any]) -> Iterator[Alarm]:
    """One detector a feature; it starts anew by itself after an alarm."""
    for name, values in zip(job.names, job.stream.T, strict=True):
        detector = make()
        for event, value in enumerate(values.tolist()):
            detector.update(value)
            if detector.drift_detected:
                yield event, name

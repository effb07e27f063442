"""What every step counts: received, emitted, dropped by reason, seconds.

In: numbers from the steps. Out: a `prometheus_client` registry and a snapshot for people.
Never: a label whose values a message can choose without bound.
"""

from collections import Counter as CountOf
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

from monitor.clock import Clock

Step = Literal["intake", "validation", "windows", "tests", "judging", "storage", "publishing"]


class Telemetry:
    """Counters and gauges of one worker, in a registry of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.registry = CollectorRegistry()
        self._received = Counter(
            "plumbline_step_received", "Items taken by a step.", ["step"], registry=self.registry
        )
        self._emitted = Counter(
            "plumbline_step_emitted", "Items passed on by a step.", ["step"], registry=self.registry
        )
        self._dropped = Counter(
            "plumbline_step_dropped",
            "Items that a step did not pass on, by reason.",
            ["step", "reason"],
            registry=self.registry,
        )
        self._seconds = Counter(
            "plumbline_step_seconds", "Seconds spent in a step.", ["step"], registry=self.registry
        )
        self.lag_events = Gauge(
            "plumbline_lag_events", "Events in the log not yet read.", registry=self.registry
        )
        self.firing_alerts = Gauge(
            "plumbline_firing_alerts", "Alerts firing now.", registry=self.registry
        )
        self.untested_versions = Gauge(
            "plumbline_untested_versions",
            "Versions that send events and are not tested: no card, no profile, a fault.",
            registry=self.registry,
        )
        self.faults = Counter(
            "plumbline_value_faults",
            "Value faults recorded, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.late_events = Counter(
            "plumbline_events_late",
            "Events that were sent so long after their own time (1m, 1h, 1d: each counts all).",
            ["over"],
            registry=self.registry,
        )
        self.disordered_events = Counter(
            "plumbline_events_out_of_order",
            "Events that are older than the event of the same model before them.",
            registry=self.registry,
        )
        self.redacted = Counter(
            "plumbline_redacted",
            "Values masked by the sensitivity of their feature, by class: no faults.",
            ["sensitivity"],
            registry=self.registry,
        )
        self.errors = Counter(
            "plumbline_errors",
            "Errors met and survived, by kind.",
            ["kind"],
            registry=self.registry,
        )

    def excess(self) -> str:
        """What was not passed on so far, by reason, most frequent first; empty: nothing.

        >>> from monitor.clock import ManualClock
        >>> telemetry = Telemetry(ManualClock())
        >>> telemetry.dropped("validation", "oversize", 2)
        >>> telemetry.dropped("tests", "unregistered_limit", 1_200)
        >>> telemetry.excess()
        'left out: 1,200 unregistered_limit, 2 oversize'
        """
        [family] = self._dropped.collect()
        counts: CountOf[str] = CountOf()
        for sample in family.samples:
            if sample.name.endswith("_total") and sample.value:
                counts[sample.labels["reason"]] += int(sample.value)
        told = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        words = ", ".join(f"{n:,} {reason}" for reason, n in told)
        return f"left out: {words}" if words else ""

    def received(self, step: Step, n: int) -> None:
        """Count `n` items taken by `step`."""
        self._received.labels(step).inc(n)

    def emitted(self, step: Step, n: int) -> None:
        """Count `n` items passed on by `step`."""
        self._emitted.labels(step).inc(n)

    def dropped(self, step: Step, reason: str, n: int = 1) -> None:
        """Count `n` items that `step` did not pass on."""
        self._dropped.labels(step, reason).inc(n)

    @contextmanager
    def timed(self, step: Step) -> Iterator[None]:
        """Add the duration of the block to the seconds of `step`."""
        start = self._clock.monotonic_s()
        try:
            yield
        finally:
            self._seconds.labels(step).inc(self._clock.monotonic_s() - start)

    def value(self, name: str, **labels: str) -> float:
        """One sample of the registry, 0.0 where nothing was counted yet.

        >>> from monitor.clock import ManualClock
        >>> telemetry = Telemetry(ManualClock())
        >>> telemetry.received("intake", 3)
        >>> telemetry.value("plumbline_step_received_total", step="intake")
        3.0
        """
        return self.registry.get_sample_value(name, labels) or 0.0

"""What every step counts: received, emitted, dropped by reason, seconds.

In: numbers from the steps. Out: a `prometheus_client` registry and a snapshot for people.
Never: a label whose values a message can choose without bound; of what is told by model, the
worst `series_limit` are shown and the others counted.
"""

import heapq
import math
from collections import Counter as CountOf
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal, TypeVar, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily

from monitor.clock import Clock

Step = Literal["intake", "validation", "windows", "tests", "judging", "storage", "publishing"]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
SERIES_LIMIT: Final = 2_000

Labels = tuple[str, ...]
Told = tuple[float, Labels, tuple[float, ...]]
"""How bad it is, the labels, a value for each metric."""
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ModelSeries:
    """What is told of each model: drift, losses, open alerts; a collector of Prometheus.

    >>> registry = CollectorRegistry()
    >>> series = ModelSeries(registry, limit=1)
    >>> series.drift(("flights", "1"), "temp", ("ks", 1_000), effect=0.3, limit=0.1)
    >>> series.drift(("flights", "1"), "wind", ("ks", 1_000), effect=0.2, limit=0.1)
    >>> labels = {"model": "flights", "model_version": "1", "feature": "temp"}
    >>> registry.get_sample_value("plumbline_model_drift_effect", labels)
    0.3
    >>> registry.get_sample_value("plumbline_series_left_out", {"of": "drift"})
    1
    """

    def __init__(self, registry: CollectorRegistry, limit: int = SERIES_LIMIT) -> None:
        self._limit = limit
        self._drift: dict[tuple[str, str, str], dict[tuple[str, int], tuple[float, float]]] = {}
        """Of each column: test and window to its newest effect and what that has to exceed."""
        self._losses: dict[tuple[str, str], tuple[float, float]] = {}
        self._firing: Mapping[tuple[str, str], int] = {}
        registry.register(self)

    def drift(
        self,
        version: tuple[str, str],
        feature: str,
        test: tuple[str, int],
        *,
        effect: float,
        limit: float,
    ) -> None:
        """The newest look of one test at one column of a version; without numbers: nothing."""
        if math.isfinite(effect) and math.isfinite(limit) and limit > 0:
            self._drift.setdefault((*version, feature), {})[test] = (effect, limit)

    def loss(self, version: tuple[str, str], model: float, baseline: float) -> None:
        """Mean loss of a version in its newest closed cohort, and of the trivial baseline."""
        if math.isfinite(model):
            self._losses[version] = (model, baseline)

    def firing(self, counts: Mapping[tuple[str, str], int]) -> None:
        """How many alerts are on, by model and severity."""
        self._firing = counts

    def keep(self, versions: Container[tuple[str, str]]) -> None:
        """Drop what was told of all other versions: they are not tested any more."""
        self._drift = {key: told for key, told in self._drift.items() if key[:2] in versions}
        self._losses = {key: told for key, told in self._losses.items() if key in versions}

    def forget(self) -> None:
        """The partitions are not ours now."""
        self._drift, self._losses, self._firing = {}, {}, {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The worst of each kind; from another thread than the rest."""
        left_out = GaugeMetricFamily(
            "plumbline_series_left_out",
            "Label sets that are not shown: fewer are, those nearest to trouble.",
            labels=["of"],
        )
        for name, labels, metrics, told in (
            ("drift", ("model", "model_version", "feature"), _DRIFT, self._drifted()),
            ("losses", ("model", "model_version"), _LOSSES, self._lost()),
            ("alerts", ("model", "severity"), _ALERTS, self._open()),
        ):
            known = list(told)
            shown = heapq.nlargest(self._limit, known)
            for place, (metric, words) in enumerate(metrics):
                family = GaugeMetricFamily(metric, words, labels=labels)
                for _, values, numbers in shown:
                    family.add_metric(values, numbers[place])
                yield family
            left_out.add_metric([name], len(known) - len(shown))
        yield left_out

    def _drifted(self) -> Iterator[Told]:
        for key, tests in _copied(self._drift):
            effect, limit = max(_values(tests), key=lambda told: told[0] / told[1])
            yield effect / limit, key, (effect, limit)

    def _lost(self) -> Iterator[Told]:
        for key, (model, baseline) in _copied(self._losses):
            yield (model - baseline if math.isfinite(baseline) else model), key, (model, baseline)

    def _open(self) -> Iterator[Told]:
        for key, n in self._firing.items():
            yield n * (1e6 if key[1] == "critical" else 1.0), key, (float(n),)


_DRIFT: Final = (
    (
        "plumbline_model_drift_effect",
        "Newest effect of the test of a column that came nearest to its limit (KS distance, ...).",
    ),
    ("plumbline_model_drift_limit", "The effect from which that test says drift."),
)
_LOSSES: Final = (
    ("plumbline_model_loss", "Mean loss in the newest closed cohort."),
    ("plumbline_model_baseline_loss", "Mean loss of the trivial baseline in that cohort."),
)
_ALERTS: Final = (("plumbline_model_firing_alerts", "Alerts that are on now."),)


def _copied(told: dict[K, V]) -> Iterable[tuple[K, V]]:
    """One step of the interpreter: the worker's thread writes meanwhile."""
    return list(told.items())


def _values(told: dict[K, V]) -> Iterable[V]:
    return list(told.values())


class Telemetry:
    """Counters and gauges of one worker, in a registry of its own."""

    def __init__(self, clock: Clock, series_limit: int = SERIES_LIMIT) -> None:
        self._clock = clock
        self.registry = CollectorRegistry()
        self.models = ModelSeries(self.registry, series_limit)
        self._received = self._by_step("plumbline_step_received", "Items taken by a step.")
        self._emitted = self._by_step("plumbline_step_emitted", "Items passed on by a step.")
        self._dropped = Counter(
            "plumbline_step_dropped",
            "Items that a step did not pass on, by reason.",
            ["step", "reason"],
            registry=self.registry,
        )
        self._seconds = self._by_step("plumbline_step_seconds", "Seconds spent in a step.")
        self.lag_events = Gauge(
            "plumbline_lag_events", "Events in the log not yet read.", registry=self.registry
        )
        self._state_bytes = Gauge(
            "plumbline_state_bytes",
            "Size of the saved state of the worker's partitions, in the state topic.",
            registry=self.registry,
        )
        self._state_sizes: dict[tuple[int | None, bytes], int] = {}
        """Of each state record: its partition and key."""
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

    def saved(self, partition: int | None, key: bytes, value: bytes | None) -> None:
        """A record of the state topic replaced that of the same key; None deletes it."""
        before = self._state_sizes.pop((partition, key), 0)
        size = 0 if value is None else len(key) + len(value)
        if value is not None:
            self._state_sizes[partition, key] = size
        self._state_bytes.inc(size - before)

    def forget(self) -> None:
        """The partitions are not ours now: nothing of their models and their state is told."""
        self.models.forget()
        self._state_sizes.clear()
        self._state_bytes.set(0)

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
        self._received[step].inc(n)

    def emitted(self, step: Step, n: int) -> None:
        """Count `n` items passed on by `step`."""
        self._emitted[step].inc(n)

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
            self._seconds[step].inc(self._clock.monotonic_s() - start)

    def value(self, name: str, **labels: str) -> float:
        """One sample of the registry, 0.0 where nothing was counted yet.

        >>> from monitor.clock import ManualClock
        >>> telemetry = Telemetry(ManualClock())
        >>> telemetry.received("intake", 3)
        >>> telemetry.value("plumbline_step_received_total", step="intake")
        3.0
        """
        return self.registry.get_sample_value(name, labels) or 0.0

    def _by_step(self, name: str, words: str) -> dict[Step, Counter]:
        """A counter of each step; one that has not begun shows 0: no gap in what is drawn."""
        counter = Counter(name, words, ["step"], registry=self.registry)
        return {step: counter.labels(step) for step in STEPS}

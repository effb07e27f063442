"""Records of step 4: one measured claim each, with the numbers that carry it.

The two of which every window makes dozens are named tuples: the quickest immutable record to make,
and to turn into columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from monitor.events import PredictionColumns


class Verdict(StrEnum):
    """What a test says of a window."""

    DRIFT = "drift"
    OK = "ok"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Span:
    """Which events of one model version a claim is about (all ends inclusive)."""

    topic: str
    partition: int
    first_event: int
    """Index in the tested stream of the model version, counted from 0."""
    last_event: int
    first_offset: int
    last_offset: int
    started_us: int
    """Smallest and largest event time in the span."""
    ended_us: int


NO_VALUES: Final[Mapping[str, float]] = {}


class Measurement(NamedTuple):
    """What one test measured on one window or stretch of one column.

    `effect` is in the units of `threshold` and `floor`: KS distance, total variation or a
    difference of rates. `smallest_visible` is the smallest effect this window could have shown.
    """

    check: str
    """Name of the test: ks, total_variation, missing_rate, cusum, ..."""
    feature: str
    scale: int
    """Window size in events; 0 for a sequential test."""
    verdict: Verdict
    statistic: float
    effect: float
    threshold: float
    p_value: float
    n_ref: int
    n_cur: int
    n_effective: float
    """What the window is worth in independent observations."""
    smallest_visible: float
    cleared: bool
    """True when the effect is below the level at which an alert may resolve."""
    immediate: bool = False
    """A sequential alarm: it fires without further confirmation."""
    reason: str = ""
    """Words, where the verdict needs them."""
    values: Mapping[str, float] = NO_VALUES
    """Further effect sizes and numbers, for people."""


class Finding(NamedTuple):
    """A measurement of one model version, tied to the events it is about."""

    model: str
    model_version: str
    category: str
    """Kind of trouble: drift, quality, silence, ownership, escalation, performance."""
    alertname: str
    """Name of the alert it feeds: FeatureDrift, PredictionDrift, MissingValues, ..."""
    segment: str
    span: Span
    measurement: Measurement
    clock: bool = False
    """Raised by the clock: outside the replay guarantee."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What an alert is called, what kind of trouble it is, and how bad by default."""

    alertname: str
    category: str
    severity: str


_OUTPUTS = frozenset({"score", "prediction"})
_PREDICTION_DRIFT = Kind("PredictionDrift", "drift", "warning")
_FEATURE_DRIFT = Kind("FeatureDrift", "drift", "warning")
KINDS: Mapping[str, Kind] = {
    "ks": _FEATURE_DRIFT,
    "total_variation": _FEATURE_DRIFT,
    "cusum": _FEATURE_DRIFT,
    "river": _FEATURE_DRIFT,
    "joint_shift": Kind("JointDrift", "drift", "warning"),
    "correlation": Kind("CorrelationBreak", "drift", "warning"),
    "missing_rate": Kind("MissingValues", "quality", "warning"),
    "unseen_categories": Kind("UnseenCategories", "quality", "warning"),
    "schema": Kind("SchemaBreak", "quality", "critical"),
    "stuck": Kind("StuckFeature", "quality", "warning"),
    "placeholder": Kind("PlaceholderBurst", "quality", "warning"),
    "swap": Kind("SwappedColumns", "quality", "warning"),
    "time_zone": Kind("TimeZoneShift", "quality", "warning"),
    "unit": Kind("UnitChange", "quality", "warning"),
    "encoding": Kind("CategoryEncoding", "quality", "warning"),
    "collapsed": Kind("CollapsedPredictions", "quality", "critical"),
    "thinned": Kind("StreamThinned", "silence", "warning"),
    "status": Kind("FallbackRate", "quality", "warning"),
    "latency": Kind("LatencyJump", "quality", "warning"),
    "stale": Kind("StaleInputs", "quality", "warning"),
    "repeated_inputs": Kind("RepeatedInputs", "quality", "warning"),
    "duplicates": Kind("DuplicateEvents", "quality", "warning"),
    "replayed": Kind("ReplayedData", "quality", "warning"),
    "future": Kind("FutureTimestamps", "quality", "warning"),
    "incoherent": Kind("IncoherentPredictions", "quality", "critical"),
    "skew": Kind("TrainingServingSkew", "quality", "warning"),
    "leak": Kind("FeatureLeak", "quality", "critical"),
    "offline_mismatch": Kind("OfflineMismatch", "performance", "warning"),
    "label_leak": Kind("LabelLeak", "performance", "critical"),
    "worse_than_baseline": Kind("WorseThanBaseline", "performance", "critical"),
    "calibration": Kind("Miscalibration", "performance", "warning"),
    "too_good": Kind("TooGoodToBeTrue", "performance", "critical"),
    "labels_biased": Kind("LabelsBiased", "performance", "warning"),
    "labels_missing": Kind("LabelsMissing", "performance", "warning"),
    "labels_slow": Kind("LabelsSlow", "performance", "warning"),
    "labels_stopped": Kind("LabelsStopped", "performance", "warning"),
    "sample_ratio": Kind("SampleRatioMismatch", "performance", "warning"),
    "regressed": Kind("VersionRegressed", "performance", "critical"),
    "chain": Kind("QuietRegression", "performance", "warning"),
    "retrain_due": Kind("RetrainDue", "performance", "warning"),
    "disparity": Kind("Disparity", "performance", "warning"),
    "stopped": Kind("StreamStopped", "silence", "critical"),
    "unregistered": Kind("UnregisteredModel", "ownership", "warning"),
    "profile_missing": Kind("ProfileMissing", "ownership", "warning"),
    "monitor_error": Kind("MonitorError", "ownership", "warning"),
    "owner_missing": Kind("OwnerMissing", "escalation", "warning"),
    "review_overdue": Kind("OwnerReviewOverdue", "escalation", "warning"),
    "unacknowledged": Kind("AlertUnacknowledged", "escalation", "critical"),
    "unrouted": Kind("AlertUnrouted", "escalation", "critical"),
}
"""Every test by its name. A drift test of the model's own output feeds PredictionDrift."""


def kind_of(check: str, feature: str) -> Kind:
    """The kind of alert that a test on a column feeds.

    >>> kind_of("ks", "temp").alertname, kind_of("ks", "score").alertname
    ('FeatureDrift', 'PredictionDrift')
    """
    kind = KINDS[check]
    return _PREDICTION_DRIFT if kind is _FEATURE_DRIFT and feature in _OUTPUTS else kind


def finding_of(
    version: tuple[str, str], span: Span, measurement: Measurement, *, clock: bool = False
) -> Finding:
    """A measurement of a (model, model version), tied to the events it is about."""
    kind = kind_of(measurement.check, measurement.feature)
    return Finding(*version, kind.category, kind.alertname, "", span, measurement, clock)


def span_of_event(columns: PredictionColumns, row: int) -> Span:
    """The span of one event, its index 0; what a whole batch spans depends on how it was cut."""
    offset, occurred_us = int(columns.offsets[row]), int(columns.event_us[row])
    return Span(
        topic=columns.topic,
        partition=columns.partition,
        first_event=0,
        last_event=0,
        first_offset=offset,
        last_offset=offset,
        started_us=occurred_us,
        ended_us=occurred_us,
    )

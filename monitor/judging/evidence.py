"""What an alert tells the person who is called: one sentence, and whom else it concerns.

In: the finding that made it fire, since when, what else is on. Out: its `summary`. Never: a
decision, or anything of another model: what other models say then depends on who reads first.
"""

import math
from collections.abc import Sequence
from typing import Final

from monitor.clock import to_datetime
from monitor.findings import Finding
from monitor.judging.words import sentence

MOST_NAMED: Final = 5

FIRST_CHECKS: Final = {
    "SchemaBreak": "which producer release began then",
    "StreamStopped": "whether the service still answers, and whether other models still send",
    "StreamThinned": "whether callers, routing or sampling changed then",
    "UnregisteredModel": "who deployed this version, and register it",
    "ProfileMissing": "register the version again with its profile",
    "MonitorError": "the worker's log at that time",
    "MissingValues": "the upstream source of {feature}, and its last deployment",
    "UnseenCategories": "whether the new values of {feature} are real or a change of spelling",
    "StuckFeature": "the job that fills {feature}: did its last run succeed",
    "PlaceholderBurst": "what fills {feature} when its source fails",
    "SwappedColumns": "the last change of the code that builds the features",
    "TimeZoneShift": "the clock and time zone of the host that fills {feature}",
    "UnitChange": "which upstream release changed the unit of {feature}",
    "CategoryEncoding": "which release changed how {feature} is written",
    "CollapsedPredictions": "the model artefact that is loaded, and its inputs",
    "FallbackRate": "the service's log for the errors behind the fallbacks",
    "LatencyJump": "the load and the dependencies of the service",
    "StaleInputs": "the age of the feature store's last update",
    "RepeatedInputs": "whether a cache or a retry loop sends the same request",
    "DuplicateEvents": "the retries of the producer",
    "ReplayedData": "whether a backfill or a replay runs against production",
    "FutureTimestamps": "the clock of the producer's host",
    "IncoherentPredictions": "the serving code that turns scores into answers",
    "TrainingServingSkew": "how training computes {feature}, against serving",
    "OfflineMismatch": "how training computes {feature}, against serving",
    "FeatureLeak": "when the value of {feature} is really known",
    "FeatureDrift": "what was deployed upstream of {feature} then, and whether predictions moved",
    "CorrelationBreak": "whether one of the two columns is joined to the wrong rows",
    "JointDrift": "the columns at the head of the list",
    "PredictionDrift": "which features moved with it, then the performance with labels",
    "OwnerMissing": "who runs this model, and name them in its card",
    "OwnerReviewOverdue": "whether team and contact in the card are still right",
    "AlertUnacknowledged": "whether the owner was reached, then acknowledge for them",
    "RetrainDue": "the features that drifted: are they real or broken",
    "Disparity": "which rate differs, and since which release",
    "AlertUnrouted": "the contact in the card: give an address, a webhook or a channel",
}
"""What to look at before anything else, by alert name; `{feature}` is the column."""
FALLBACK_CHECK: Final = "its runbook"


def summary(finding: Finding, since_us: int, others: Sequence[str]) -> str:
    """What changed, how much, since when, how sure, what else is on, what to check first."""
    said = sentence(finding).rstrip(".")
    since = f"{to_datetime(since_us):%Y-%m-%d %H:%M} UTC"
    parts = [said, f"since {since}"]
    if sure := certainty(finding):
        parts.append(sure)
    if others:
        more = len(others) - MOST_NAMED
        named = ", ".join(others[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        parts.append(f"also on: {named}")
    feature = finding.measurement.feature or "the events"
    first = FIRST_CHECKS.get(finding.alertname, FALLBACK_CHECK).format(feature=feature)
    return "; ".join([*parts, f"check first: {first}"]) + "."


def certainty(finding: Finding) -> str:
    """How likely chance alone would show as much; empty where a fact is stated."""
    m = finding.measurement
    if not math.isfinite(m.p_value) or not 0.0 <= m.p_value < 1.0 or m.n_ref == 0:
        return ""
    chance = "p < 1e-12" if m.p_value < 1e-12 else f"p {m.p_value:.2g}"
    worth = f"{m.n_effective:,.0f} independent ones" if m.n_effective >= 1 else "less than one"
    return f"{chance} with its {m.n_cur:,} events worth {worth}"

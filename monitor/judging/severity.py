"""How bad an alert is: from the size of the effect and from how much of the model it reaches.

In: a finding, how many features of its version are in trouble. Out: its weight, and which
severities it bears. Never: anything but the finding and the judge's own state, so that a replay
says the same.

    weight = effect (0 to 1) x reach (0 to 1);  critical from 0.50 on, clear of it below 0.40

The effect is the finding's own (a distance, a share), at most 1. The reach is 1 for what concerns
the model as a whole (its answers, its traffic), for a feature the share of the model's features
that are in trouble, and where a finding brings `reach` in its values (a segment's share of the
traffic), times that.
"""

import math
from typing import Final

from monitor.findings import Finding, kind_of
from schemas.model import OUTPUT_NAMES

CRITICAL_WEIGHT: Final = 0.5
CLEAR_WEIGHT: Final = 0.4
"""Below this what was critical is so no longer."""
SEVERITIES: Final = ("critical", "warning", "info")
"""The gravest first."""
_WEIGHED: Final = frozenset({"drift", "quality", "silence"})
"""Categories whose effect is a distance or a share."""


def weight(finding: Finding, troubled: int, features: int) -> float:
    """Effect times reach; `troubled` of the `features` of the version have an alert that is on.

    >>> from monitor.checks.claim import claim
    >>> from monitor.findings import Span, Verdict, finding_of
    >>> span = Span("t", 0, 0, 9, 0, 9, 0, 9)
    >>> arguments = dict(scale=250, effect=0.8, threshold=0.1, reason="")
    >>> stuck = claim("stuck", "temp", Verdict.DRIFT, **arguments)
    >>> weight(finding_of(("m", "1"), span, stuck), troubled=1, features=4)
    0.2
    >>> fallbacks = claim("status", "", Verdict.DRIFT, **arguments)
    >>> weight(finding_of(("m", "1"), span, fallbacks), troubled=0, features=4)
    0.8
    """
    measurement = finding.measurement
    effect = measurement.effect
    if not math.isfinite(effect):
        return 0.0
    reach = measurement.values.get("reach", 1.0)
    if measurement.feature and measurement.feature not in OUTPUT_NAMES:
        reach *= min(1.0, max(1, troubled) / max(1, features))
    return min(1.0, max(0.0, effect)) * min(1.0, max(0.0, reach))


def base_severity(finding: Finding) -> str:
    """The severity that every alert of this kind has at least."""
    measurement = finding.measurement
    return kind_of(measurement.check, measurement.feature).severity


def may_be_critical(finding: Finding) -> bool:
    """Whether the weight of a finding can make more of it than its kind says."""
    return base_severity(finding) == "warning" and finding.category in _WEIGHED


def graver(severity: str) -> int:
    """For sorting: smaller is graver.

    >>> graver("critical") < graver("warning")
    True
    """
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)

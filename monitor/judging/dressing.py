"""A step becomes a move: labels, words and an id.

In: the step of one alert, the finding behind it. Out: an `AlertMove`. Never: a decision, an id that
a replay would not give again.
"""

import math
from collections.abc import Mapping

from monitor.alerts import AlertMove
from monitor.clock import to_datetime
from monitor.findings import Finding, Measurement, Verdict
from monitor.judging.identity import labels_of
from monitor.judging.life import AlertLife, Step
from schemas import alert_event_id, fingerprint


def fingerprint_of(life: AlertLife) -> str:
    """The fingerprint of an alert that has moved, empty of one that has not."""
    return "" if life.last is None else fingerprint(labels_of(life.last, life.severity))


def dressed(
    step: Step,
    finding: Finding,
    life: AlertLife,
    annotations: Mapping[str, str],
    url: str,
    mark: str,
) -> AlertMove:
    """The move; `mark` tells those apart whose state and end of evidence are another's."""
    labels = labels_of(finding, life.severity)
    own = fingerprint(labels)
    end = finding.span.last_offset + 1
    return AlertMove(
        event_id=alert_event_id(own, life.starts_us, step.state.value + mark, end),
        fingerprint=own,
        labels=labels,
        annotations=annotations,
        state=step.state,
        previous=step.previous,
        reason=step.reason,
        starts_us=life.starts_us,
        moved_us=finding.span.ended_us,
        finding=finding,
        url=url,
    )


def said_by_people(life: AlertLife) -> dict[str, str]:
    """Annotations by which whoever forwards alerts can leave one out, or say who is at it."""
    said: dict[str, str] = {}
    for name, mark in life.marks().items():
        said |= {
            f"{name}_by": mark.who,
            f"{name}_why": mark.why,
            f"{name}_id": mark.command_id,
        }
        if mark.until_us is not None:
            said[f"{name}_until"] = to_datetime(mark.until_us).isoformat()
    return said


def nothing_measured(check: str, feature: str, scale: int, reason: str) -> Measurement:
    """What stands in a move that no test has caused."""
    return Measurement(
        check=check,
        feature=feature,
        scale=scale,
        verdict=Verdict.CANNOT_TELL,
        statistic=math.nan,
        effect=math.nan,
        threshold=math.nan,
        p_value=math.nan,
        n_ref=0,
        n_cur=0,
        n_effective=0.0,
        smallest_visible=math.nan,
        cleared=False,
        reason=reason,
    )

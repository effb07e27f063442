"""What a check says, as a measurement.

In: what was found of one feature. Out: a `Measurement`. Never: a decision.
"""

from collections.abc import Mapping

from monitor.findings import Measurement, Verdict


def claim(
    check: str,
    feature: str,
    verdict: Verdict,
    *,
    scale: int,
    effect: float,
    threshold: float,
    reason: str,
    events: int | None = None,
    immediate: bool = False,
    values: Mapping[str, float] | None = None,
) -> Measurement:
    """A look at the last `events` events, `scale` where not told; an OK is a clear look.

    `scale` is the same for every look of a check: the judge counts looks of one scale in a row.

    >>> claim("stuck", "x", Verdict.OK, scale=250, effect=3, threshold=90, reason="").cleared
    True
    """
    drift = verdict is Verdict.DRIFT
    looked_at = scale if events is None else events
    return Measurement(
        check=check,
        feature=feature,
        scale=scale,
        verdict=verdict,
        statistic=effect,
        effect=effect,
        threshold=threshold,
        p_value=0.0 if drift else 1.0,
        n_ref=0,
        n_cur=looked_at,
        n_effective=float(looked_at),
        smallest_visible=threshold,
        cleared=verdict is Verdict.OK,
        immediate=immediate and drift,
        reason=reason,
        values=dict(values or {}),
    )

"""Stream stopped: no event of a model for longer than its reference ever was silent.

In: how long it has been silent and how long it may be. Out: a measurement.
Never: the clock itself; the pipeline's tick brings the time.
"""

from monitor.findings import Measurement, Verdict

MINIMUM_MINUTES = 15.0


def allowed_silence_minutes(longest_gap_us: int, asked_minutes: float | None) -> float:
    """What the card asks, else twice the longest gap of the reference, at least 15 minutes.

    >>> allowed_silence_minutes(3_600_000_000, None)
    120.0
    >>> allowed_silence_minutes(60_000_000, None)
    15.0
    >>> allowed_silence_minutes(60_000_000, 5)
    5.0
    """
    if asked_minutes is not None:
        return float(asked_minutes)
    return max(MINIMUM_MINUTES, 2 * longest_gap_us / 60_000_000)


def stopped(silent_minutes: float, allowed_minutes: float) -> Measurement:
    """Compare a silence with the allowed one.

    **Blind to** a stream that is thinner than usual without stopping. **Cost** nothing.

    >>> stopped(silent_minutes=30, allowed_minutes=15).verdict.value
    'drift'
    """
    drift = silent_minutes > allowed_minutes
    words = "no event" if drift else "events again"
    return Measurement(
        check="stopped",
        feature="",
        scale=0,
        verdict=Verdict.DRIFT if drift else Verdict.OK,
        statistic=silent_minutes,
        effect=silent_minutes,
        threshold=allowed_minutes,
        p_value=0.0 if drift else 1.0,
        n_ref=0,
        n_cur=0,
        n_effective=0.0,
        smallest_visible=allowed_minutes,
        cleared=not drift,
        immediate=True,
        reason=f"{words} for {silent_minutes:.0f} minutes; {allowed_minutes:.0f} are usual at most",
        values={"silent_minutes": silent_minutes},
    )

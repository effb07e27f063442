"""Registration: events of a model version that nobody registered, or that cannot be tested.

In: what is known of the version. Out: a measurement, raised once and cleared once.
Never: a dropped event; such events are stored all the same.
"""

from typing import Literal

from monitor.findings import Measurement, Verdict


def registration(
    check: Literal["unregistered", "profile_missing", "monitor_error"],
    *,
    trouble: bool,
    reason: str,
) -> Measurement:
    """A version has no card, no profile to be tested against, or its tests failed.

    **Blind to** a card that is there and wrong. **Cost** nothing.

    >>> registration("unregistered", trouble=True, reason="no card").verdict.value
    'drift'
    """
    return Measurement(
        check=check,
        feature="",
        scale=0,
        verdict=Verdict.DRIFT if trouble else Verdict.OK,
        statistic=float(trouble),
        effect=float(trouble),
        threshold=0.0,
        p_value=0.0 if trouble else 1.0,
        n_ref=0,
        n_cur=0,
        n_effective=0.0,
        smallest_visible=0.0,
        cleared=not trouble,
        immediate=True,
        reason=reason,
    )

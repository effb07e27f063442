"""Ownership: a model that nobody owns, an owner nobody has confirmed, an alert nobody answers.

In: what is wrong, in words, or that nothing is. Out: a measurement, raised once and cleared once.
Never: the clock itself; who asks brings the time.
"""

from typing import Final

from monitor.checks.registration import registration
from monitor.findings import Measurement

OWNERSHIP: Final = ("owner_missing", "review_overdue", "unacknowledged", "unrouted")


def ownership(check: str, trouble: str) -> Measurement:
    """`trouble` says what is wrong; empty: nothing is any more.

    **Blind to** an owner who is named and does not care. **Cost** nothing.

    >>> ownership("owner_missing", "m 1 has no owner").verdict.value
    'drift'
    >>> ownership("owner_missing", "").cleared
    True
    """
    words = trouble or "it is in order now"
    stated = registration("unregistered", trouble=bool(trouble), reason=words)
    return stated._replace(check=check)

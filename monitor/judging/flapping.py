"""Flapping: an alert that comes and goes.

In: the event times at which alerts fired. Out: how often one has within the span that counts.
Never: a move held back; it is said, and a person decides what to do about it.
"""

from typing import Final

from monitor.clock import US_PER_DAY
from monitor.judging.identity import AlertKey

FLAPPING_FIRINGS: Final = 3
"""So many firings within FLAPPING_DAYS are flapping."""
FLAPPING_DAYS: Final = 7


class Firings:
    """When each alert fired of late; bounded, since only the last ones within the span are kept.

    >>> firings, key = Firings(), ("FeatureDrift", "m", "1", "temp", "", "warning")
    >>> [firings.fired(key, day * US_PER_DAY) for day in (0, 1, 2, 20)]
    [1, 2, 3, 1]
    """

    def __init__(self) -> None:
        self._at: dict[AlertKey, list[int]] = {}

    def fired(self, alert: AlertKey, at_us: int) -> int:
        """Note a firing; how many there were within the span, this one included."""
        kept = [*self._recent(alert, at_us), at_us][-2 * FLAPPING_FIRINGS :]
        self._at[alert] = kept
        return len(kept)

    def items(self) -> list[tuple[AlertKey, list[int]]]:
        """What is kept."""
        return [*self._at.items()]

    def restore(self, alert: AlertKey, at_us: list[int]) -> None:
        """Take up what was kept of an alert."""
        self._at[alert] = at_us

    def drop(self, alert: AlertKey) -> None:
        """Forget an alert: its version was replaced."""
        self._at.pop(alert, None)

    def forget(self) -> None:
        """Forget everything."""
        self._at.clear()

    def _recent(self, alert: AlertKey, at_us: int) -> list[int]:
        oldest = at_us - FLAPPING_DAYS * US_PER_DAY
        return [one for one in self._at.get(alert, ()) if one >= oldest]

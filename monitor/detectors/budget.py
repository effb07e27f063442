"""One budget of false alarms per model, split over everything that runs.

In: the card's budget and traffic, how many tests of each family there are. Out: the chance each
single look may take. Never: more than the whole handed out.
"""

from dataclasses import dataclass

from monitor.errors import ConfigError
from schemas.model import Monitoring

DAYS = 30.0
SHARES = {
    "sequential": 0.80,
    "river": 0.10,
    "windows": 0.11,
    "rates": 0.03,
    "joint": 0.02,
    "pairs": 0.04,
    "checks": 0.04,
    "performance": 0.04,
}
"""Families of tests and what each may spend of the budget."""
LOOKS_PER_WINDOW = 4


def independent_looks(confirmations: int) -> int:
    """Looks a window spends, as if they were independent.

    Windows overlap by three quarters, so an alert that takes two looks in a row spends less than
    two of four (measured: docs/decisions/0001).

    >>> independent_looks(1), independent_looks(2)
    (4, 2)
    """
    return LOOKS_PER_WINDOW if confirmations < 2 else LOOKS_PER_WINDOW // 2


def false_alarms_per_event(monitoring: Monitoring, events_per_day: float) -> float:
    """Expected false firings per event: the card's budget over its traffic.

    `events_per_day` is the reference's rate; the card's own, where given, goes before it.

    >>> false_alarms_per_event(Monitoring(events_per_day=1_000_000 / 30), 1.0)
    1e-06
    """
    traffic = monitoring.events_per_day or events_per_day
    if not traffic > 0:
        raise ConfigError(
            f"events_per_day is {traffic}: the false-alarm budget needs the model's traffic, "
            "set monitoring.events_per_day in the card"
        )
    return monitoring.false_alarms_per_30_days / (DAYS * traffic)


@dataclass(frozen=True, slots=True)
class Share:
    """What one family of tests may spend."""

    family: str
    tests: int
    """Tests of the family that run, over columns and scales."""
    false_alarms_per_event: float

    @property
    def per_test(self) -> float:
        """False alarms per event of one test."""
        return self.false_alarms_per_event / max(self.tests, 1)

    def alpha(self, scale: int, *, looks: int) -> float:
        """Chance that one look at a window may take, where a window spends `looks` of them."""
        return min(self.per_test * scale / looks, 0.05)


def split(per_event: float, tests: dict[str, int]) -> dict[str, Share]:
    """Split the budget; the share of a family without tests goes to the others in proportion.

    >>> shares = split(1e-6, {"sequential": 10, "windows": 30})
    >>> round(sum(share.false_alarms_per_event for share in shares.values()), 12)
    1e-06
    """
    active = sum(weight for family, weight in SHARES.items() if tests.get(family, 0)) or 1.0
    return {
        family: Share(
            family=family,
            tests=tests.get(family, 0),
            false_alarms_per_event=per_event * weight / active if tests.get(family, 0) else 0.0,
        )
        for family, weight in SHARES.items()
    }

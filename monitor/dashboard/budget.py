"""What a version's budget for false alarms is split over, and what fired against it.

In: the card, the profile, the firings of the last 30 days of events. Out: a `Budget`. Never: a
claim that a firing was false; the budget is what chance alone would fire.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from monitor.dashboard.sources import Sources, VersionAsked
from monitor.detectors.battery import Battery
from monitor.detectors.budget import DAYS, Share
from monitor.sketches.profile import Profile
from monitor.storage.alert_queries import FIRINGS
from schemas.model import Monitoring

COUNTED: Final = timedelta(days=DAYS)


@dataclass(frozen=True, slots=True)
class FamilyShare:
    """One family of tests."""

    family: str
    tests: int
    false_alarms_per_30_days: float


@dataclass(frozen=True, slots=True)
class Fired:
    """How often one kind of alert fired."""

    alertname: str
    category: str
    firings: int


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms that chance may fire in 30 days, and what fired in the last 30."""

    since: datetime
    until: datetime
    allowed: float
    handed_out: float
    """Of `allowed`, what tests that run may spend."""
    fired: int
    families: tuple[FamilyShare, ...]
    firings: tuple[Fired, ...]


def budget(sources: Sources, one: VersionAsked, until: datetime) -> Budget:
    """The budget of a version; `until` is its newest event."""
    profile = sources.profile(one.card)
    monitoring = one.card.monitoring if one.card else Monitoring()
    traffic = monitoring.events_per_day or profile.events_per_day
    families = tuple(
        FamilyShare(share.family, share.tests, share.false_alarms_per_event * traffic * DAYS)
        for share in _shares(_Tested(profile, monitoring))
        if share.tests
    )
    asked = {
        "model": one.model,
        "version": one.model_version,
        "since": until - COUNTED,
        "until": until,
    }
    firings = tuple(
        Fired(row["alertname"], row["category"], row["firings"])
        for row in sources.reader.rows(FIRINGS, asked)
    )
    return Budget(
        since=until - COUNTED,
        until=until,
        allowed=monitoring.false_alarms_per_30_days,
        handed_out=sum(family.false_alarms_per_30_days for family in families),
        fired=sum(one.firings for one in firings),
        families=families,
        firings=firings,
    )


class _Tested:
    """A profile and what the card asks of it, as one key of the cache."""

    __slots__ = ("key", "monitoring", "profile")

    def __init__(self, profile: Profile, monitoring: Monitoring) -> None:
        self.profile = profile
        self.monitoring = monitoring
        self.key = (
            profile.model,
            profile.model_version,
            profile.dataset_fingerprint,
            monitoring.model_dump_json(),
        )

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Tested) and self.key == other.key


@lru_cache(maxsize=64)
def _shares(tested: _Tested) -> tuple[Share, ...]:
    return tuple(Battery(tested.profile, tested.monitoring).spent.values())

"""The contract of a check, and what it is made from.

In: nothing; this is what the suite and every check agree on. Out: `Check`, `CheckContext`.
Never: a decision; each check has its own file.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from monitor.checks.history import History
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.events import Float64
from monitor.findings import Measurement
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

Learned = Mapping[str, Float64]
"""What a check has learned of the reference's own panes: arrays by name, part of the profile."""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may build on."""

    card: ModelCard
    profile: Profile
    learned: Learned
    """Empty where the reference had nothing to learn from."""
    per_event: float
    """False alarms an event that this check may spend over all that it looks at."""
    history: History
    """The last panes, the one that is looked at included; the suite keeps it."""

    @property
    def per_pane(self) -> float:
        """The same for one pane: the chance of a false alarm that one look may take."""
        return min(self.per_event * self.card.monitoring.pane_events, 0.05)


class Check(Protocol):
    """One silent failure, looked for in every closed pane of one model version.

    Deterministic: what it says is a function of the panes it was shown, in order. Bounded: what it
    keeps does not grow, and `state` of it is at most some kilobytes a column.
    """

    name: ClassVar[str]
    """Name of its measurements, a key of `monitor.findings.KINDS`."""

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """What the reference's own panes say of what is usual; empty where they say nothing."""
        ...

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """The check of a version; None where it does not apply."""
        ...

    def prepare(self, block: PaneBlock) -> None:
        """Measure at once whatever of these panes does not depend on what the check keeps.

        Each is looked at later, in order. It changes nothing that is said, and what the check
        keeps stays as it is.
        """
        ...

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """A DRIFT measurement for each feature in trouble ("" for the whole version).

        Also one, whatever its verdict, for each feature in `raised`: those that the check has
        raised before and that have not been clear for long enough. Where it cannot tell (a gap,
        nothing but nulls) it says CANNOT_TELL, which moves no alert.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Plain values and arrays from which `restore` goes on as if nothing had stopped."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where `state` was taken; raises StateError where it does not fit."""
        ...

"""The suite: all checks of one model version over its closed panes.

In: the card, the profile, a share of the false-alarm budget; then panes in order. Out:
measurements of what is in trouble, and of what was until it has been clear for long enough.
Never: a look at the clock; `stopped` has the pipeline's tick.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

from monitor.checks.causes import CAUSES, one_cause
from monitor.checks.check import Check, CheckContext, Learned
from monitor.checks.collapsed import Collapsed
from monitor.checks.duplicates import Duplicates
from monitor.checks.encoding import Encoding
from monitor.checks.future import Future
from monitor.checks.history import History
from monitor.checks.incoherent import Incoherent
from monitor.checks.latency import Latency
from monitor.checks.leak import Leak
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.placeholder import Placeholder
from monitor.checks.repeated_inputs import RepeatedInputs
from monitor.checks.replayed import Replayed
from monitor.checks.schema import Schema
from monitor.checks.skew import Skew
from monitor.checks.stale import Stale
from monitor.checks.status import Status
from monitor.checks.stuck import Stuck
from monitor.checks.swap import Swap
from monitor.checks.thinned import Thinned
from monitor.checks.time_zone import TimeZone
from monitor.checks.unit import Unit
from monitor.errors import StateError
from monitor.findings import Measurement, Verdict
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

CHECKS: Final[tuple[type[Check], ...]] = (
    Schema,
    Stuck,
    Placeholder,
    Swap,
    TimeZone,
    Unit,
    Encoding,
    Collapsed,
    Leak,
    Incoherent,
    Skew,
    Status,
    Latency,
    Replayed,
    Stale,
    RepeatedInputs,
    Duplicates,
    Future,
    Thinned,
)
"""Every check of panes, in the order in which they look: one line each."""


def learn(card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> dict[str, Learned]:
    """What each check has to know of the reference: the profile keeps it."""
    learned = {kind.name: kind.learn(card, profile, panes) for kind in CHECKS}
    return {name: arrays for name, arrays in learned.items() if arrays}


class CheckSuite:
    """The checks that apply to one model version.

    Parameters
    ----------
    card, profile
        The version and its reference.
    per_event
        False alarms an event over all checks.

    **Cost**: see docs/checks.md.
    """

    def __init__(self, card: ModelCard, profile: Profile, per_event: float) -> None:
        self._clear_looks = card.monitoring.confirmations
        share = per_event / max(len(CHECKS), 1)
        self._history = History(profile)
        made = (
            kind.of(
                CheckContext(card, profile, profile.checks.get(kind.name, {}), share, self._history)
            )
            for kind in CHECKS
        )
        self._checks = [check for check in made if check is not None]
        self._raised: dict[str, dict[str, int]] = {check.name: {} for check in self._checks}
        """Check to the features it has raised, and how often each has been clear since."""

    def prepare(self, block: PaneBlock) -> None:
        """Measure the next panes at once, before each is looked at."""
        self._history.prepare(block)
        for check in self._checks:
            check.prepare(block)

    def release(self) -> None:
        """The panes that were prepared have been looked at."""
        self._history.release()

    def look(self, pane: PaneView) -> list[Measurement]:
        """What the checks say of the next closed pane."""
        self._history.add(pane)
        found: list[Measurement] = []
        for check in self._checks:
            found += check.look(pane, self._raised[check.name].keys())
        if not found:
            return []
        measurements = one_cause(found, self._raised)
        for measurement in measurements:
            self._note(self._raised[measurement.check], measurement)
        named = (self._raised.get(cause, {}) for cause in CAUSES)
        self._history.hold(chain.from_iterable(named))
        return measurements

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {
            "raised": {name: dict(raised) for name, raised in self._raised.items() if raised},
            "checks": {check.name: check.state() for check in self._checks},
            "history": self._history.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken; raises StateError where it does not fit."""
        saved = state.get("checks", {})
        if saved.keys() != self._raised.keys():
            raise StateError(
                f"saved state of the checks {sorted(saved)} does not fit {sorted(self._raised)}: "
                "start the windows of the version anew"
            )
        self._history.restore(state["history"])
        for check in self._checks:
            check.restore(saved[check.name])
            again = state.get("raised", {}).get(check.name, {})
            self._raised[check.name] = {str(feature): int(n) for feature, n in again.items()}

    def _note(self, raised: dict[str, int], measurement: Measurement) -> None:
        feature = measurement.feature
        if measurement.verdict is Verdict.DRIFT:
            raised[feature] = 0
        elif measurement.verdict is Verdict.OK and feature in raised:
            clear = raised[feature] + 1 if measurement.cleared else 0
            raised[feature] = clear
            if clear >= self._clear_looks:
                del raised[feature]

"""The life of one alert: which moves a finding causes.

    (none) --drift--> pending --confirmed--> firing --clear--> recovering --still clear--> resolved
                        |                       ^                  |
                        +--not confirmed-->     +------drift-------+
                             resolved

In: findings about one alert, in order of events. Out: moves, each with its reason.
Never: a move because of silence: a gap in data is no evidence, and a finding that cannot tell
moves nothing.
"""

from dataclasses import dataclass, field
from typing import Any

from monitor.alerts import AlertState
from monitor.findings import Finding, Measurement, Verdict, kind_of

Look = tuple[str, int]
"""Which series of looks: (check, scale)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A move before it is dressed with labels and ids."""

    state: AlertState
    previous: AlertState | None
    reason: str


@dataclass(slots=True)
class AlertLife:
    """State of one alert. `confirmations` looks in a row decide; a sequential alarm decides alone.

    An alert resolves by the look that fired it. One fired by a sequential alarm resolves by the
    windows of `resolving_scale`. While another scale still confirms the drift, that one takes over.
    """

    confirmations: int
    resolving_scale: int
    state: AlertState | None = None
    starts_us: int = 0
    fired_by: Look | None = None
    clear_looks: int = 0
    streaks: dict[Look, int] = field(default_factory=dict)

    def take(self, finding: Finding) -> list[Step]:
        """The moves that this finding causes, in order."""
        measurement = finding.measurement
        if measurement.verdict is Verdict.CANNOT_TELL:
            return []
        look = (measurement.check, measurement.scale)
        if measurement.verdict is Verdict.DRIFT:
            return self._drift(look, finding)
        return self._quiet(look, measurement)

    @property
    def over(self) -> bool:
        """Nothing left to remember."""
        return self.state is None and not self.streaks

    @property
    def look(self) -> Look:
        """The look that fired the alert; of one that is pending, one that saw it."""
        return self.fired_by or next(iter(self.streaks))

    def supersede(self, reason: str) -> Step:
        """End it because nothing will look again; what never fired is not confirmed."""
        if self.state is AlertState.PENDING:
            return self._end(f"not confirmed: {reason}")
        return self._move(AlertState.SUPERSEDED, reason)

    def _drift(self, look: Look, finding: Finding) -> list[Step]:
        measurement = finding.measurement
        streak = self.streaks.get(look, 0) + 1
        if not measurement.immediate:
            self.streaks[look] = streak
        what = _what(measurement)
        steps: list[Step] = []
        if self.state is None:
            self.starts_us = finding.span.ended_us
            steps.append(self._move(AlertState.PENDING, f"first seen: {what}"))
        if self.state is AlertState.PENDING:
            if measurement.immediate:
                alarm = "sequential alarm, which needs no second look: "
                steps.append(self._fire(look, what if _states(measurement) else alarm + what))
            elif streak >= self.confirmations:
                reason = f"confirmed by {streak} looks in a row: {what}"
                steps.append(self._fire(look, reason))
        elif self.state is AlertState.RECOVERING and self._decides(look):
            steps.append(self._move(AlertState.FIRING, f"came back: {what}"))
        if self._decides(look):
            self.clear_looks = 0
        return steps

    def _quiet(self, look: Look, measurement: Measurement) -> list[Step]:
        self.streaks.pop(look, None)
        if self.state is AlertState.PENDING:
            if self.streaks:
                return []
            reason = f"not confirmed: {_what(measurement)}"
            return [self._end(reason)]
        if self.state is None or not self._decides(look):
            return []
        if not measurement.cleared:
            self.clear_looks = 0
            return []
        self.clear_looks += 1
        steps: list[Step] = []
        what = _what(measurement)
        if self.clear_looks < self.confirmations:
            if self.state is AlertState.FIRING:
                steps.append(self._move(AlertState.RECOVERING, f"first clear look: {what}"))
            return steps
        still = [(n, look) for look, n in self.streaks.items() if n >= self.confirmations]
        if still:
            self.fired_by = max(still)[1]
            self.clear_looks = 0
            if self.state is AlertState.FIRING:
                return steps
            reason = f"clear at {look[1]} events, but {self.fired_by[1]} events still drift"
            return [*steps, self._move(AlertState.FIRING, reason)]
        reason = f"clear for {self.clear_looks} looks in a row: {what}"
        return [*steps, self._end(reason)]

    def _decides(self, look: Look) -> bool:
        if self.fired_by is None:
            return False
        if self.fired_by[1] == 0:
            return look[1] in (0, self.resolving_scale)
        return look == self.fired_by

    def _fire(self, look: Look, reason: str) -> Step:
        self.fired_by = look
        self.clear_looks = 0
        return self._move(AlertState.FIRING, reason)

    def _move(self, state: AlertState, reason: str) -> Step:
        step = Step(state, self.state, reason)
        self.state = state
        return step

    def _end(self, reason: str) -> Step:
        step = self._move(AlertState.RESOLVED, reason)
        self.state = None
        self.fired_by = None
        self.clear_looks = 0
        self.streaks.clear()
        return step

    def to_state(self) -> dict[str, Any]:
        """Explicit fields, for the state topic."""
        return {
            "state": self.state.value if self.state else None,
            "starts_us": self.starts_us,
            "fired_by": list(self.fired_by) if self.fired_by else None,
            "clear_looks": self.clear_looks,
            "streaks": [[check, scale, n] for (check, scale), n in self.streaks.items()],
        }

    @classmethod
    def from_state(
        cls, saved: dict[str, Any], confirmations: int, resolving_scale: int
    ) -> "AlertLife":
        """Take up where `to_state` left off."""
        fired_by = saved["fired_by"]
        return cls(
            confirmations=confirmations,
            resolving_scale=resolving_scale,
            state=AlertState(saved["state"]) if saved["state"] else None,
            starts_us=int(saved["starts_us"]),
            fired_by=(str(fired_by[0]), int(fired_by[1])) if fired_by else None,
            clear_looks=int(saved["clear_looks"]),
            streaks={(str(check), int(scale)): int(n) for check, scale, n in saved["streaks"]},
        )


def _states(measurement: Measurement) -> bool:
    """Whether it states a fact in words (no card, no events) instead of measuring a distance."""
    category = kind_of(measurement.check, measurement.feature).category
    return bool(measurement.reason) and category not in ("drift", "quality")


def _what(measurement: Measurement) -> str:
    if _states(measurement):
        return measurement.reason
    where = f"last {measurement.scale} events" if measurement.scale else "sequential"
    effect, needed = f"{measurement.effect:.3f}", f"{measurement.smallest_visible:.3f}"
    return f"{measurement.check} {effect} against {needed} ({where})"

"""The life of one alert: which moves a finding causes.

    (none) --drift--> pending --confirmed--> firing --clear--> recovering --still clear--> resolved
                        |                       ^                  |
                        +--not confirmed-->     +------drift-------+
                             resolved

While no data comes an alert that is on is `stale`, and is again what it was when data comes. One
that is on for long says so again (`REPEAT_US`), unless somebody is at it or it is silenced.

A person may close it (resolved) or accept what it says as normal (resolved, and no new life before
that date); a silence or an acknowledgement moves nothing.

In: findings about one alert, in order of events; what people decided. Out: moves, each with its
reason. Never: a move because of silence: a gap in data is no evidence, and a finding that cannot
tell moves nothing.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from monitor.alerts import AlertState
from monitor.clock import US_PER_DAY
from monitor.findings import Finding, Measurement, Verdict, kind_of
from monitor.judging.record import finding_of_saved, saved_finding

REPEAT_US: Final = {"critical": US_PER_DAY, "warning": 7 * US_PER_DAY, "info": 7 * US_PER_DAY}
"""By severity: how often, in event time, an alert that goes on is told again."""

Look = tuple[str, int]
"""Which series of looks: (check, scale)."""


@dataclass(frozen=True, slots=True)
class Step:
    """A move before it is dressed with labels and ids."""

    state: AlertState
    previous: AlertState | None
    reason: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What a person decided about an alert, and until when (event time) it holds."""

    who: str
    why: str
    command_id: str
    at_us: int
    until_us: int | None = None

    def over(self, at_us: int) -> bool:
        """Whether it no longer holds."""
        return self.until_us is not None and at_us >= self.until_us


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
    last: Finding | None = None
    """The finding behind its last move."""
    acknowledged: Mark | None = None
    """Somebody is at it; forgotten when it ends."""
    silenced: Mark | None = None
    """Nobody wants to hear of it; outlives the alert."""
    accepted: Mark | None = None
    """What it says is normal for now: until then it has no life."""
    severity: str = "warning"
    stale: bool = False
    """Data stopped while it was on: `state` is what it is again when data comes."""
    told_us: int = 0
    """Event time at which it was last told."""
    unanswered_s: float = 0.0
    """For how long it has been on without anybody saying anything, by the worker's clock."""
    cause: Mapping[str, str] = field(default_factory=dict)
    """What stood behind it when it fired, as annotations."""

    def take(self, finding: Finding, seen: Measurement | None = None) -> list[Step]:
        """The moves that this finding causes, in order.

        `seen` is the measurement as it looks from this severity, if not as it is.
        """
        self._forget_marks(finding.span.ended_us)
        measurement = seen or finding.measurement
        if measurement.verdict is Verdict.CANNOT_TELL or self.accepted is not None:
            return []
        steps = self._moves_of(finding, measurement)
        if steps:
            self.last = finding
        return steps

    def _moves_of(self, finding: Finding, measurement: Measurement) -> list[Step]:
        look = (measurement.check, measurement.scale)
        if measurement.verdict is Verdict.DRIFT:
            return self._drift(look, finding, measurement)
        return self._quiet(look, measurement)

    @property
    def open(self) -> bool:
        """Whether there is anything to end: it is on, or on its way."""
        return self.state is not None

    @property
    def on(self) -> bool:
        """Whether it has fired and not ended."""
        return self.state in (AlertState.FIRING, AlertState.RECOVERING)

    @property
    def shown(self) -> AlertState | None:
        """The state as people see it."""
        return AlertState.STALE if self.stale else self.state

    @property
    def over(self) -> bool:
        """Nothing left to remember."""
        marked = self.silenced is not None or self.accepted is not None
        return self.state is None and not self.streaks and not marked

    @property
    def look(self) -> Look:
        """The look that fired the alert; of one that is pending, one that saw it."""
        return self.fired_by or next(iter(self.streaks))

    def supersede(self, reason: str) -> Step:
        """End it because nothing will look again; what never fired is not confirmed."""
        if self.state is AlertState.PENDING:
            return self._end(f"not confirmed: {reason}")
        return self._end(reason, AlertState.SUPERSEDED)

    def close(self, reason: str) -> Step:
        """End it because a person says so. Drift that goes on must be seen and confirmed anew."""
        return self._end(reason)

    def go_stale(self, reason: str) -> Step:
        """No data: whether it is over cannot be told."""
        step = Step(AlertState.STALE, self.shown, reason)
        self.stale = True
        return step

    def wake(self, reason: str) -> Step:
        """Data again: it is what it was."""
        assert self.state is not None
        self.stale = False
        return Step(self.state, AlertState.STALE, reason)

    def _forget_marks(self, at_us: int) -> None:
        if self.silenced is not None and self.silenced.over(at_us):
            self.silenced = None
        if self.accepted is not None and self.accepted.over(at_us):
            self.accepted = None

    def _drift(self, look: Look, finding: Finding, measurement: Measurement) -> list[Step]:
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
        elif self._repeats(look, finding.span.ended_us):
            days = (finding.span.ended_us - self.starts_us) / US_PER_DAY
            words = f"still firing after {days:.1f} days: {what}"
            steps.append(Step(AlertState.FIRING, self.shown, words))
        if any(step.state is AlertState.FIRING for step in steps):
            self.told_us = finding.span.ended_us
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

    def _repeats(self, look: Look, at_us: int) -> bool:
        heard = self.acknowledged is not None or self.silenced is not None
        if self.shown is not AlertState.FIRING or heard or not self._decides(look):
            return False
        return at_us - self.told_us >= REPEAT_US.get(self.severity, 7 * US_PER_DAY)

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
        step = Step(state, self.shown, reason)
        self.state = state
        self.stale = False
        return step

    def _end(self, reason: str, state: AlertState = AlertState.RESOLVED) -> Step:
        step = self._move(state, reason)
        self.state = None
        self.fired_by = None
        self.clear_looks = 0
        self.streaks.clear()
        self.acknowledged = None
        self.told_us, self.unanswered_s = 0, 0.0
        return step

    def to_state(self) -> dict[str, Any]:
        """Explicit fields, for the state topic."""
        return {
            "state": self.state.value if self.state else None,
            "starts_us": self.starts_us,
            "fired_by": list(self.fired_by) if self.fired_by else None,
            "clear_looks": self.clear_looks,
            "streaks": [[check, scale, n] for (check, scale), n in self.streaks.items()],
            "last": saved_finding(self.last) if self.last else None,
            "severity": self.severity,
            "stale": self.stale,
            "told_us": self.told_us,
            "unanswered_s": self.unanswered_s,
            "cause": dict(self.cause),
            **{name: asdict(mark) for name, mark in self.marks().items()},
        }

    def marks(self) -> Mapping[str, Mark]:
        """What people decided and still holds, by what they did."""
        marks = {
            "acknowledged": self.acknowledged,
            "silenced": self.silenced,
            "accepted": self.accepted,
        }
        return {name: mark for name, mark in marks.items() if mark is not None}

    @classmethod
    def from_state(
        cls, saved: dict[str, Any], confirmations: int, resolving_scale: int
    ) -> "AlertLife":
        """Take up where `to_state` left off."""
        fired_by, last = saved["fired_by"], saved.get("last")
        names = ("acknowledged", "silenced", "accepted")
        marks = {name: Mark(**saved[name]) for name in names if saved.get(name)}
        return cls(
            confirmations=confirmations,
            resolving_scale=resolving_scale,
            state=AlertState(saved["state"]) if saved["state"] else None,
            starts_us=int(saved["starts_us"]),
            fired_by=(str(fired_by[0]), int(fired_by[1])) if fired_by else None,
            clear_looks=int(saved["clear_looks"]),
            streaks={(str(check), int(scale)): int(n) for check, scale, n in saved["streaks"]},
            last=finding_of_saved(last) if last else None,
            severity=str(saved.get("severity", "warning")),
            stale=bool(saved.get("stale", False)),
            told_us=int(saved.get("told_us", 0)),
            unanswered_s=float(saved.get("unanswered_s", 0.0)),
            cause={str(name): str(text) for name, text in saved.get("cause", {}).items()},
            **marks,
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

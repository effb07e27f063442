"""Time-zone shift: a time of day comes whole or half hours off, against the event's own time.

In: closed panes. Out: a claim on each time of day that has shifted, or on the event time itself.
Never: a claim on one hour that daylight saving explains.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.claim import claim
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.clock import US_PER_DAY
from monitor.errors import StateError
from monitor.events import Float64
from monitor.findings import Measurement, Verdict
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.sketches.seasonal import SeasonalReference
from schemas.model import OUTPUT_NAMES, ModelCard

DAY_MINUTES: Final = 1_440.0
_UNITS: Final = {23: 60.0, 24: 60.0, 1_439: 1.0, 1_440: 1.0, 86_399: 1 / 60, 86_400: 1 / 60}
"""Largest value of a time of day to its unit in minutes."""
TIGHT: Final = 0.95
"""Share of events that have to lie near the common distance from the event time."""
NEAR: Final = 15.0
"""How near, in minutes, beside half of the column's own unit."""
WHOLE: Final = 3.0
"""Minutes by which a shift may miss half hours, beside a seventh of the column's own unit."""
STEP: Final = 30.0
DAYLIGHT: Final = 60.0
"""Minutes by which clocks change twice a year."""


class TimeZone:
    """A time of day against the UTC time of day of its event.

    Parameters
    ----------
    context
        Of each time of day (a number from 0 to 23, 1439 or 86399 by the card or the reference), how
        far it lies from the event time in the reference (minutes), if it goes with it at all.

    A time of day that is computed from the event's moment lies a fixed number of minutes from it:
    the offset of its zone. It is measured in every pane as the mean direction on the clock face. A
    shift by half hours that a whole pane has is a claim; by one hour, if that leads to within one
    hour of the reference, it is daylight saving, and taken over. Where the event times themselves
    made a jump by the same amount, backwards or over more than the longest gap of the reference,
    they are said to have shifted.

    **Blind to** one hour (daylight saving); a time of day that does not go with the event time (a
    departure next week); a shift in a share of the events; a reference without event times.
    **Cost** 15 us a time of day and pane; 8 bytes each.

    >>> from monitor.checks.example import example_panes, example_suite
    >>> suite = example_suite()
    >>> for pane in example_panes(0, 2):
    ...     assert suite.look(pane) == []
    >>> claims = [m for pane in example_panes(2, 1, late_minutes=180) for m in suite.look(pane)]
    >>> claims[0].reason
    'minute: as if in another time zone: +3 h (21 h the other way) against the event times'
    """

    name: ClassVar[str] = "time_zone"

    def __init__(self, context: CheckContext) -> None:
        profile = context.profile
        self._scale = context.card.monitoring.pane_events
        offsets = context.learned["offsets"]
        self._clocks = [
            (row, name, unit, float(offset))
            for (row, name, unit), offset in zip(
                _clocks(context.card, profile), offsets, strict=True
            )
            if not np.isnan(offset)
        ]
        self._longest_gap_us = profile.longest_gap_us
        self._accepted: Float64 = np.array([offset for *_, offset in self._clocks])
        self._last_us = 0
        self._jump_minutes = 0.0
        """A jump of the event times in this pane or the one before, minutes."""

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """Minutes from event time of each time of day, NaN where they do not go together."""
        clocks = _clocks(card, profile)
        if not profile.time_ordered or len(panes) < 2 or not clocks:
            return {}
        offsets = []
        for row, _, unit in clocks:
            looks = [_direction(pane, row, unit) for pane in panes]
            tight = np.mean([near >= TIGHT for _, near in looks]) >= 0.95
            angles = np.exp(2j * np.pi * np.array([at for at, _ in looks]) / DAY_MINUTES)
            steady = abs(angles.mean()) >= 0.99
            middle = float(np.angle(angles.mean()) / (2 * np.pi) * DAY_MINUTES)
            offsets.append(middle if tight and steady else np.nan)
        return {"offsets": np.array(offsets)} if np.isfinite(offsets).any() else {}

    @classmethod
    def of(cls, context: CheckContext) -> Self | None:
        """None without a time of day that goes with the event times."""
        return cls(context) if context.learned else None

    def prepare(self, block: PaneBlock) -> None:
        """See `Check.prepare`."""

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """See `Check.look`."""
        jump = self._jump(pane)
        found: dict[str, Measurement] = {}
        unclear = set()
        for at, (row, name, unit, reference) in enumerate(self._clocks):
            minutes, near = _direction(pane, row, unit)
            if near < TIGHT:
                unclear.add(name)
                continue
            shift = _circular(minutes - float(self._accepted[at]))
            steps = round(shift / STEP)
            if steps == 0:
                continue
            if abs(shift - steps * STEP) > WHOLE + unit / 7:
                unclear.add(name)
                continue
            if (
                abs(steps) * STEP == DAYLIGHT
                and abs(_circular(minutes - reference)) < 1.5 * DAYLIGHT
            ):
                self._accepted[at] += steps * STEP
                continue
            own = abs(jump) > STEP and abs(jump + steps * STEP) < STEP
            found["" if own else name] = self._say("" if own else name, steps, own)
        moved = sorted(raised - found.keys())
        for name in moved:
            verdict = Verdict.CANNOT_TELL if name in unclear else Verdict.OK
            found[name] = claim(
                self.name,
                name,
                verdict,
                scale=self._scale,
                effect=0.0,
                threshold=STEP / DAY_MINUTES,
                reason=f"{name or 'occurred_at'}: no shift against the event times",
            )
        return list(found.values())

    def state(self) -> dict[str, Any]:
        """The offsets that are taken as right, and where the event times are."""
        return {
            "accepted": self._accepted.copy(),
            "last_us": self._last_us,
            "jump_minutes": self._jump_minutes,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Check.restore`."""
        accepted = np.array(state["accepted"], np.float64)
        if accepted.shape != self._accepted.shape:
            raise StateError(
                f"saved offsets of {accepted.size} times of day do not fit {len(self._clocks)}: "
                "start the windows of the version anew"
            )
        self._accepted = accepted
        self._last_us = int(state["last_us"])
        self._jump_minutes = float(state["jump_minutes"])

    def _jump(self, pane: PaneView) -> float:
        """A jump of event times that no gap of the reference explains, minutes; 0 for none.

        It is remembered for the panes after it, as the shift shows in whole panes.
        """
        steps = np.diff(pane.occurred_us, prepend=self._last_us or pane.occurred_us[0])
        self._last_us = int(pane.occurred_us[-1])
        odd = (steps < -STEP * 60e6) | (steps > max(1.5 * self._longest_gap_us, STEP * 60e6))
        if odd.any():
            largest = steps[odd][np.argmax(np.abs(steps[odd]))]
            self._jump_minutes = float(largest) / 60e6
        return self._jump_minutes

    def _say(self, feature: str, steps: int, own: bool) -> Measurement:
        hours = steps * STEP / 60
        who = "occurred_at" if own else feature
        if own:
            hours = -hours
        against = "the times of day in the features" if own else "the event times"
        return claim(
            self.name,
            feature,
            Verdict.DRIFT,
            scale=self._scale,
            effect=abs(steps) * STEP / DAY_MINUTES,
            threshold=STEP / DAY_MINUTES,
            reason=(
                f"{who}: as if in another time zone: {hours:+g} h "
                f"({24 - abs(hours):g} h the other way) against {against}"
            ),
            immediate=True,
            values={"hours": hours},
        )


def _clocks(card: ModelCard, profile: Profile) -> list[tuple[int, str, float]]:
    """Row among the numbers, name and unit in minutes of each column that tells a time of day."""
    found = []
    numbers = [c for c in profile.columns if isinstance(c, NumberReference)]
    for row, column in enumerate(numbers):
        if column.name in OUTPUT_NAMES or not column.points.size:
            continue
        spec = card.features[column.name]
        if spec.min == 0 and spec.max in _UNITS:
            found.append((row, column.name, _UNITS[int(spec.max)]))
        elif (
            not isinstance(column, SeasonalReference) and spec.max is None and column.points[0] >= 0
        ):
            largest = column.points[-1]
            for end, unit in _UNITS.items():
                if 0.9 * end <= largest <= end:
                    found.append((row, column.name, unit))
                    break
    return found


def _direction(pane: PaneView, row: int, unit: float) -> tuple[float, float]:
    """Minutes that a time of day lies from its events' time of day (UTC); how many lie near that.

    (0, 0) where under half of the events tell it.
    """
    values = pane.values[row]
    there = ~np.isnan(values)
    if np.count_nonzero(there) * 2 < values.size:
        return 0.0, 0.0
    events = (pane.occurred_us % US_PER_DAY) / 60e6
    apart = values * unit - events
    if not there.all():
        apart = apart[there]
    turned = apart - apart[0] + DAY_MINUTES / 2
    if turned.min() < 0.0 or turned.max() >= DAY_MINUTES:  # a remainder is slow, and rarely needed
        turned %= DAY_MINUTES
    apart = turned - DAY_MINUTES / 2 + apart[0]
    middle = float(apart.mean())
    near = np.abs(apart - middle) <= NEAR + unit / 2
    return _circular(middle), np.count_nonzero(near) / apart.size


def _circular(minutes: Any) -> Any:
    """The same moment of the day between -720 and 720, of one or many.

    >>> _circular(1_380.0)
    -60.0
    """
    return (minutes + DAY_MINUTES / 2) % DAY_MINUTES - DAY_MINUTES / 2

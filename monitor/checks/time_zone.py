"""Time-zone shift: a time of day comes whole or half hours off, against the event's own time.

In: closed panes. Out: a claim on each time of day that has shifted, or on the event time itself.
Never: a claim on one hour that daylight saving explains.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final, Self

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.claim import claim
from monitor.checks.pane_view import InBulk, PaneBlock, PaneView
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


@dataclass(frozen=True, slots=True)
class _Clocks:
    """Of each pane, what its times of day and its event times say."""

    directions: list[list[tuple[float, float]]]
    """Of each time of day, as of `_directions`."""
    first_us: list[int]
    last_us: list[int]
    jumps: list[bool]
    """Whether the event times jump within the pane."""


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
    **Cost** 6 us a time of day and pane; 8 bytes each.

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
        self._largest_step_us = max(1.5 * profile.longest_gap_us, STEP * 60e6)
        self._measured = InBulk(self._measure)
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
            known = InBulk(partial(_directions, row=row, unit=unit))
            looks = [known.of(pane.block)[pane.place] for pane in panes]
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
        self._measured.of(block)

    def look(self, pane: PaneView, raised: Set[str]) -> list[Measurement]:
        """See `Check.look`."""
        measured = self._measured.of(pane.block)
        jump = self._jump(pane, measured)
        found: dict[str, Measurement] = {}
        unclear = set()
        for at, (_, name, unit, reference) in enumerate(self._clocks):
            minutes, near = measured.directions[at][pane.place]
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

    def _measure(self, block: PaneBlock) -> _Clocks:
        times = block.occurred_us
        return _Clocks(
            [_directions(block, row=row, unit=unit) for row, _, unit, _ in self._clocks],
            times[:, 0].tolist(),
            times[:, -1].tolist(),
            np.any(self._odd(np.diff(times, axis=1)), axis=1).tolist(),
        )

    def _odd(self, steps_us: Any) -> Any:
        """Whether steps of the event times are jumps, of one or many."""
        return (steps_us < -STEP * 60e6) | (steps_us > self._largest_step_us)

    def _jump(self, pane: PaneView, measured: _Clocks) -> float:
        """A jump of event times that no gap of the reference explains, minutes; 0 for none.

        It is remembered for the panes after it, as the shift shows in whole panes.
        """
        first_us = measured.first_us[pane.place]
        before_us, self._last_us = self._last_us or first_us, measured.last_us[pane.place]
        if measured.jumps[pane.place] or self._odd(first_us - before_us):
            steps = np.diff(pane.occurred_us, prepend=before_us)
            odd = steps[self._odd(steps)]
            self._jump_minutes = float(odd[np.argmax(np.abs(odd))]) / 60e6
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


def _directions(block: PaneBlock, *, row: int, unit: float) -> list[tuple[float, float]]:
    """Minutes that a time of day lies from its events' time of day (UTC); how many lie near that.

    Of each pane; (0, 0) where under half of the events tell it.
    """
    values = block.values[:, row]
    apart = values * unit - (block.occurred_us % US_PER_DAY) / 60e6
    there = ~np.isnan(values)
    told, size = there.sum(axis=1), values.shape[1]
    found = [(0.0, 0.0)] * len(block)
    whole = np.flatnonzero(told == size).tolist()
    for pane, direction in zip(whole, _gathered(apart[whole], unit), strict=True):
        found[pane] = direction
    for pane in np.flatnonzero((told * 2 >= size) & (told < size)).tolist():
        [found[pane]] = _gathered(apart[pane, there[pane]][None], unit)
    return found


def _gathered(apart: Float64, unit: float) -> list[tuple[float, float]]:
    """The same of panes whose events all tell it, float64[panes, events]."""
    first = apart[:, :1]
    turned = apart - first + DAY_MINUTES / 2
    odd = (turned.min(axis=1, initial=0.0) < 0.0) | (turned.max(axis=1, initial=0.0) >= DAY_MINUTES)
    turned[odd] %= DAY_MINUTES  # a remainder is slow, and rarely needed
    apart = turned - DAY_MINUTES / 2 + first
    middles = apart.mean(axis=1)
    near = np.abs(apart - middles[:, None]) <= NEAR + unit / 2
    shares = np.count_nonzero(near, axis=1) / apart.shape[1]
    return [
        (_circular(at), share) for at, share in zip(middles.tolist(), shares.tolist(), strict=True)
    ]


def _circular(minutes: Any) -> Any:
    """The same moment of the day between -720 and 720, of one or many.

    >>> _circular(1_380.0)
    -60.0
    """
    return (minutes + DAY_MINUTES / 2) % DAY_MINUTES - DAY_MINUTES / 2

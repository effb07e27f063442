"""The battery: every test of one model version, with one false-alarm budget over all of them.

In: a profile, the card's settings; then codes, window by window and event by event. Out:
measurements. Never: a time, a topic, an alert; and never more false alarms than the budget.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monitor.detectors.budget import Share, false_alarms_per_event, independent_looks, split
from monitor.detectors.calibration import MIN_BLOCKS
from monitor.detectors.counted_panes import CountedPane, PaneCounter
from monitor.detectors.effects import NumberBins
from monitor.detectors.joint_tests import JointTests
from monitor.detectors.ks import CdfTables
from monitor.detectors.rest import Rests, column_array
from monitor.detectors.river_detectors import RiverWatch, identity
from monitor.detectors.scores import ALTERNATIVES, ScoreTables
from monitor.detectors.sequential import MEMORY, Sequential, SequentialAlarm
from monitor.detectors.thresholds import sequential_thresholds, words
from monitor.detectors.window_tests import WindowTests
from monitor.errors import StateError
from monitor.findings import Measurement, Verdict
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.sketches.seasonal import SeasonalReference
from schemas.model import Monitoring


@dataclass(frozen=True, slots=True)
class ScaleNote:
    """What one column's windows of one size are worth, in words and numbers."""

    column: str
    scale: int
    independent: float
    """Independent observations that a window is worth."""
    threshold: float
    smallest_visible: float
    """The smallest effect that can raise an alert; 1: none can."""
    words: str


@dataclass(frozen=True, slots=True)
class EventNote:
    """What one column's event-by-event detector can see, or why it is off."""

    column: str
    test: str
    on: bool
    words: str


class Battery:
    """All tests of one model version.

    Parameters
    ----------
    profile
        The reference with its calibration.
    monitoring
        The card's settings: scales, budget, floor, sequential detectors.

    `observe` takes every event once, in order, in chunks that end at or before a pane's end, and
    before `test` of the windows that end there. A detector that fired rests until
    `monitoring.confirmations` looks in a row at the smallest windows are clear, none of which
    began before its alarm; until then those windows do not count as cleared.

    **Cost**: see docs/detectors.md.
    """

    def __init__(self, profile: Profile, monitoring: Monitoring) -> None:
        self._profile = profile
        self._monitoring = monitoring
        self.per_event = false_alarms_per_event(monitoring, profile.events_per_day)
        """Expected false firings per event over everything that runs."""
        usable = [scale for scale in monitoring.scales if self._blocks(scale) >= MIN_BLOCKS]
        self._scales = tuple(usable or monitoring.scales[:1])
        smallest, columns = self._scales[0], len(profile.columns)
        shares = split(
            self.per_event,
            {
                "sequential": columns if monitoring.sequential and usable else 0,
                "river": len(monitoring.detectors),
                "windows": columns * len(usable),
                "rates": 2 * columns * len(usable),
                "joint": len(usable),
                "pairs": len(usable[:1]),
                "checks": 1,
                "performance": 1,
            },
        )
        scores = ScoreTables.of(profile.columns)
        numbers = [c for c in profile.columns if isinstance(c, NumberReference)]
        tables, bins = CdfTables.of(numbers), NumberBins(numbers)
        self._limits, sequential = sequential_thresholds(
            profile, scores, shares["sequential"], slowest=smallest
        )
        self.spent: Mapping[str, Share] = {**shares, "sequential": sequential}
        """How the budget is split over the families of tests."""
        looks = independent_looks(monitoring.confirmations)
        self._windows = {
            scale: WindowTests(profile, bins, scale, monitoring.effect_floor, shares, looks=looks)
            for scale in monitoring.scales
        }
        self._joint = {
            scale: JointTests(
                profile,
                tables,
                scale,
                monitoring.effect_floor,
                shares,
                looks=looks,
                pairs=scale == smallest,
            )
            for scale in usable
        }
        self._sequential = Sequential(
            profile.columns,
            scores,
            self._limits,
            effects=profile.calibration.sequential_effect,
            floor=monitoring.effect_floor,
            scale=smallest,
            confirmations=monitoring.confirmations,
            memory=self.memory_events,
        )
        self._river = RiverWatch(
            profile,
            monitoring,
            shares["river"],
            scale=smallest,
            half=self.memory_events // 2,
            usable=bool(usable),
        )
        self._events = 0
        self._counter = PaneCounter(profile.columns, tables)
        self._panes: dict[int, CountedPane] = {}
        """By number in the stream: those that windows to come will hold."""
        self._ready: dict[tuple[int, int], list[Measurement]] = {}
        """By scale and last event: what the windows that are about to close will be found to be."""

    @property
    def scales(self) -> tuple[int, ...]:
        """Window sizes that `test` takes: those the reference can judge, else the smallest."""
        return self._scales

    @property
    def memory_events(self) -> int:
        """How many of the last events `restore` needs."""
        return min(MEMORY, max(self._scales))

    def prepare(self, codes: Codes, first_event: int, looks: Sequence[tuple[int, int]]) -> None:
        """Measure the windows (scale, last event) of a batch together, each pane counted once.

        `codes` uint16[F, n] are consecutive events of the stream that hold them, from
        `first_event` on, which begins a pane. What `test` says is the same without.
        """
        self._ready = {}
        size = self._monitoring.pane_events
        first, count = first_event // size, codes.shape[1] // size
        known = first
        while known in self._panes and known < first + count:
            known += 1
        new = self._counter.panes(codes[:, (known - first) * size :], size)
        panes = [*(self._panes[at] for at in range(first, known)), *new]
        ready: dict[tuple[int, int], list[Measurement]] = {}
        for scale in {scale for scale, _ in looks}:
            ends = [last + 1 for one, last in looks if one == scale]
            firsts = (np.array(ends, dtype=np.int64) - scale) // size - first
            windows = self._counter.windows(panes, firsts, scale // size)
            found = self._windows[scale].test(windows)
            ready |= {(scale, end - 1): told for end, told in zip(ends, found, strict=True)}
        since = first + len(panes) - max(self._scales) // size
        counted = {**self._panes, **dict(enumerate(panes, first))}
        self._panes = {at: pane for at, pane in counted.items() if at >= since}
        self._ready = ready

    def test(self, scale: int, codes: Codes, last_event: int | None = None) -> list[Measurement]:
        """All window tests of one closed window, uint16[F, scale], oldest event first.

        `last_event` is its index in the stream, under which it may have been prepared.
        """
        measurements = self._ready.pop((scale, -1 if last_event is None else last_event), None)
        if measurements is None:
            size = self._monitoring.pane_events
            panes = self._counter.panes(codes, size)
            windows = self._counter.windows(panes, np.zeros(1, np.int64), scale // size)
            [measurements] = self._windows[scale].test(windows)
        if scale == self._scales[0]:
            for rests in (self._sequential.rests, self._river.rests):
                if rests.resting.any():
                    measurements = self._after_alarms(rests, measurements)
        if scale in self._joint:
            measurements += self._joint[scale].test(codes, measurements, events=self._events)
        return measurements

    def observe(self, codes: Codes) -> list[tuple[int, Measurement]]:
        """Sequential alarms of consecutive events uint16[F, n]: (index in the chunk, claim)."""
        recent = self._sequential.recent
        claims = [(alarm.index, self._claim(alarm)) for alarm in self._sequential.observe(codes)]
        for index, row, name, effect, n in self._river.observe(codes, recent):
            reason = f"{name} alarmed; the last events are {effect:.2f} from the reference"
            claim = self._sequential_claim("river", row, 0.0, effect, n, reason, {})
            claims.append((index, claim))
        self._events += codes.shape[1]
        return sorted(claims, key=lambda claim: claim[0])

    def rearm(self, columns: Collection[str]) -> None:
        """Let what watches these columns event by event begin anew."""
        for row, name in enumerate(self._profile.names):
            if name in columns:
                self._sequential.rearm(row)
        for rests in (self._sequential.rests, self._river.rests):
            rests.end(columns)

    def state(self) -> dict[str, Any]:
        """What `restore` needs beside the last `memory_events` events."""
        return {
            "events": self._events,
            "sums": self._sequential.sums.copy(),
            "waiting": self._sequential.waiting.copy(),
            "rests": self._sequential.rests.state(),
            "river_rests": self._river.rests.state(),
        }

    def restore(self, state: Mapping[str, Any], recent: Codes) -> None:
        """Continue where `state` was taken; `recent` uint16[F, m] are the last events before it."""
        columns = len(self._profile.columns)
        events = int(state.get("events", -1))
        if events < 0 or recent.shape[0] != columns:
            raise StateError(
                f"saved detector state of {events} events and {recent.shape[0]} columns does not "
                f"fit a profile of {columns} columns: start the windows of the version anew"
            )
        if recent.shape[1] < min(events, self.memory_events):
            raise StateError(
                f"{recent.shape[1]} recent events were kept, {self.memory_events} are needed: "
                "start the windows of the version anew"
            )
        recent = recent[:, max(recent.shape[1] - self.memory_events, 0) :].copy()
        self._sequential.sums = column_array(state, "sums", (len(ALTERNATIVES), columns))
        self._sequential.waiting = column_array(state, "waiting", (columns,))
        self._sequential.rests.restore(state.get("rests", {}))
        self._sequential.recent = recent
        self._river.rests.restore(state.get("river_rests", {}))
        self._river.restore(events, recent)
        self._events = events

    def explain(self) -> list[ScaleNote]:
        """What the windows of each size can see, column by column."""
        season, columns = (
            self._monitoring.seasonality,
            dict(zip(self._profile.names, self._profile.columns, strict=True)),
        )
        notes = []
        for scale in self._monitoring.scales:
            for note in self._windows[scale].columns():
                found = ScaleNote(*note)
                column = columns[found.column]
                if isinstance(column, SeasonalReference):
                    extra = f" (compared with the same {column.season})"
                elif season != "none" and isinstance(column, NumberReference):
                    extra = f" (the reference does not cover {season}: compared with the whole)"
                else:
                    extra = ""
                notes.append(replace(found, words=found.words + extra))
        return notes

    def explain_events(self) -> list[EventNote]:
        """What the sequential detectors can see, and which are off and why."""
        notes = []
        for row, name in enumerate(self._profile.names):
            on, text = words(self._profile, self._limits, row, self._scales[0])
            if not self._monitoring.sequential:
                text = f"the card switches the sequential detectors of {name} off"
            notes.append(EventNote(name, "cusum", on, text))
        for detector in self._monitoring.detectors:
            off = self._river.why_off(detector)
            text = f"River's {identity(detector)} is " + (f"off: {off}" if off else "on")
            notes.append(EventNote(detector.feature, "river", not off, text))
        return notes

    def _blocks(self, scale: int) -> int:
        place = self._profile.calibration.place_of(scale)
        return int(self._profile.calibration.blocks[place]) if place >= 0 else 0

    def _after_alarms(self, rests: Rests, measurements: list[Measurement]) -> list[Measurement]:
        """Let no window clear an alarm that it began before; wake who is clear."""
        held = rests.held()
        measurements = [
            m._replace(cleared=False) if m.cleared and m.feature in held else m
            for m in measurements
        ]
        cleared: dict[str, bool] = {}
        for m in measurements:
            cleared[m.feature] = cleared.get(m.feature, True) and m.cleared
        for place in rests.look(cleared):
            if rests is self._sequential.rests:
                self._sequential.rearm(place)
        return measurements

    def _claim(self, alarm: SequentialAlarm) -> Measurement:
        name = self._profile.names[alarm.column]
        return self._sequential_claim(
            "missing_rate" if alarm.missing else "cusum",
            alarm.column,
            alarm.statistic,
            alarm.effect,
            alarm.n_cur,
            f"{name} has moved ({alarm.alternative}) over the last {alarm.since} events: "
            f"evidence {alarm.statistic:.1f} nats, {alarm.threshold:.1f} needed",
            {"since_events": float(alarm.since), "threshold_nats": alarm.threshold},
        )

    def _sequential_claim(
        self,
        check: str,
        row: int,
        statistic: float,
        effect: float,
        n_cur: int,
        reason: str,
        values: Mapping[str, float],
    ) -> Measurement:
        column, floor = self._profile.columns[row], self._monitoring.effect_floor
        return Measurement(
            check=check,
            feature=column.name,
            scale=0,
            verdict=Verdict.DRIFT,
            statistic=statistic,
            effect=effect,
            threshold=floor,
            p_value=math.exp(-statistic),
            n_ref=column.n,
            n_cur=n_cur,
            n_effective=float(n_cur),
            smallest_visible=floor,
            cleared=False,
            immediate=True,
            reason=reason,
            values=values,
        )

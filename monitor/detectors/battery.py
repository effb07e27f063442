"""The battery: every test of one model version, with one false-alarm budget over all of them.

In: a profile, the card's settings; then codes, window by window and event by event. Out:
measurements. Never: a time, a topic, an alert; and never more false alarms than the budget.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from monitor.detectors.budget import Share, false_alarms_per_event, split
from monitor.detectors.calibration import MIN_BLOCKS
from monitor.detectors.scores import ALTERNATIVES, ScoreTables
from monitor.detectors.sequential import MEMORY, Sequential, SequentialAlarm
from monitor.detectors.thresholds import sequential_thresholds
from monitor.detectors.window_tests import WindowTests
from monitor.errors import StateError
from monitor.events import Int64
from monitor.findings import Measurement, Verdict
from monitor.sketches.codes import Codes
from monitor.sketches.profile import Profile
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
    words: str


class Battery:
    """All tests of one model version.

    Parameters
    ----------
    profile
        The reference with its calibration.
    monitoring
        The card's settings: scales, budget, floor, sequential detectors.

    `observe` takes every event once, in order and in chunks that end at or before a pane's end;
    `test` takes each closed window. A column whose sequential detector fired rests until a window
    of the smallest scale is cleared.

    **Cost**: see docs/detectors.md; memory about 400 kB a number column, reference included.
    """

    def __init__(self, profile: Profile, monitoring: Monitoring) -> None:
        self._profile = profile
        self._monitoring = monitoring
        columns = profile.columns
        self.per_event = false_alarms_per_event(monitoring, profile.events_per_day)
        tables = ScoreTables.of(columns)
        usable = [s for s in monitoring.scales if self._blocks(s) >= MIN_BLOCKS]
        windows = len(columns) * len(usable)
        sequential = len(columns) * len(ALTERNATIVES) if monitoring.sequential else 0
        shares = split(
            self.per_event, {"sequential": sequential, "windows": windows, "rates": 2 * windows}
        )
        self._scales = tuple(usable or monitoring.scales[:1])
        self._windows = {
            scale: WindowTests(profile, scale, monitoring.effect_floor, shares)
            for scale in monitoring.scales
        }
        self._limits, sequential_share = sequential_thresholds(
            profile, tables, shares["sequential"], slowest=min(usable, default=0)
        )
        self.spent: Mapping[str, Share] = {**shares, "sequential": sequential_share}
        """How the budget is split over the families of tests."""
        self._sequential = Sequential(
            columns,
            tables,
            self._limits,
            floor=monitoring.effect_floor,
            memory=min(MEMORY, max(self._scales)),
        )

        self._rows = {name: row for row, name in enumerate(profile.names)}
        self._clear_looks: Int64 = np.zeros(len(columns), dtype=np.int64)

    @property
    def scales(self) -> tuple[int, ...]:
        """Window sizes that `test` takes: those the reference can judge, else the smallest."""
        return self._scales

    @property
    def memory_events(self) -> int:
        """How many of the last events `restore` needs."""
        return min(MEMORY, max(self._scales))

    def test(self, scale: int, codes: Codes) -> list[Measurement]:
        """All window tests of one closed window, uint16[F, scale], oldest event first."""
        measurements = self._windows[scale].test(codes)
        if scale != self._scales[0] or not self._sequential.resting.any():
            return measurements
        return self._after_alarms(measurements)

    def observe(self, codes: Codes) -> list[tuple[int, Measurement]]:
        """Sequential alarms of consecutive events uint16[F, n]: (index in the chunk, claim)."""
        return [(alarm.index, self._claim(alarm)) for alarm in self._sequential.observe(codes)]

    def state(self) -> dict[str, Any]:
        """What `restore` needs beside the last `memory_events` events."""
        sequential = self._sequential
        return {
            "sums": sequential.sums.copy(),
            "resting": sequential.resting.astype(np.int64),
            "waiting": sequential.waiting.copy(),
            "since_alarm": sequential.since_alarm.copy(),
            "clear_looks": self._clear_looks.copy(),
        }

    def restore(self, state: Mapping[str, Any], recent: Codes) -> None:
        """Continue where `state` was taken; `recent` uint16[F, m] are the last events before it."""
        columns = len(self._profile.columns)
        shapes = dict.fromkeys(self.state(), (columns,)) | {"sums": (len(ALTERNATIVES), columns)}
        arrays: dict[str, Int64] = {}
        for name, shape in shapes.items():
            found = np.asarray(state.get(name), dtype=np.int64) if name in state else None
            if found is None or found.shape != shape:
                raise StateError(
                    f"detector state {name} does not fit this profile of {columns} columns: "
                    "drop the state of the model version and start its windows anew"
                )
            arrays[name] = found.copy()
        if recent.shape[0] != columns:
            raise StateError(f"recent events have {recent.shape[0]} columns, not {columns}")
        self._sequential.sums = arrays["sums"]
        self._sequential.resting = arrays["resting"].astype(np.bool_)
        self._sequential.waiting = arrays["waiting"]
        self._sequential.since_alarm = arrays["since_alarm"]
        self._clear_looks = arrays["clear_looks"]
        self._sequential.recent = recent[:, max(recent.shape[1] - self.memory_events, 0) :].copy()

    def explain(self) -> list[ScaleNote]:
        """What windows of each size can see, column by column."""
        return [
            ScaleNote(*note)
            for scale in self._monitoring.scales
            for note in self._windows[scale].columns()
        ]

    def _after_alarms(self, measurements: list[Measurement]) -> list[Measurement]:
        """Let no window clear an alarm that it began before; rearm columns that are clear."""
        early = self._sequential.resting & (self._sequential.since_alarm < self._scales[0])
        held = {name for name, row in self._rows.items() if early[row]}
        measurements = [
            replace(m, cleared=False) if m.cleared and m.feature in held else m
            for m in measurements
        ]
        for name, row in self._rows.items():
            if self._sequential.resting[row]:
                clear = all(m.cleared for m in measurements if m.feature == name)
                self._clear_looks[row] = self._clear_looks[row] + 1 if clear else 0
                if self._clear_looks[row] >= self._monitoring.confirmations:
                    self._clear_looks[row] = 0
                    self._sequential.rearm(row)
        return measurements

    def _blocks(self, scale: int) -> int:
        place = self._profile.calibration.place_of(scale)
        return int(self._profile.calibration.blocks[place]) if place >= 0 else 0

    def _claim(self, alarm: SequentialAlarm) -> Measurement:
        column = self._profile.columns[alarm.column]
        return Measurement(
            check="missing_rate" if alarm.missing else "cusum",
            feature=column.name,
            scale=0,
            verdict=Verdict.DRIFT,
            statistic=alarm.statistic,
            effect=alarm.effect,
            threshold=self._monitoring.effect_floor,
            p_value=float(np.exp(-alarm.statistic)),
            n_ref=column.n,
            n_cur=alarm.n_cur,
            n_effective=float(alarm.n_cur),
            smallest_visible=self._monitoring.effect_floor,
            cleared=False,
            immediate=True,
            reason=(
                f"{column.name} has moved ({alarm.alternative}) over the last {alarm.since} "
                f"events: evidence {alarm.statistic:.1f} nats, {alarm.threshold:.1f} needed"
            ),
            values={"since_events": float(alarm.since), "threshold_nats": alarm.threshold},
        )

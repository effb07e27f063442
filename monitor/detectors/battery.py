"""The battery: every test of one model version, with one false-alarm budget over all of them.

In: a profile, the card's settings; then codes, window by window and event by event. Out:
measurements. Never: a time, a topic, an alert; and never more false alarms than the budget.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
        self.spent: Mapping[str, Share] = split(
            self.per_event, {"sequential": sequential, "windows": windows, "rates": 2 * windows}
        )
        """How the budget is split over the families of tests."""
        self._windows = {
            scale: WindowTests(profile, scale, monitoring.effect_floor, self.spent)
            for scale in monitoring.scales
        }
        self._limits = sequential_thresholds(
            profile, tables, self.spent["sequential"], on=monitoring.sequential
        )
        self._sequential = Sequential(
            columns,
            tables,
            self._limits,
            floor=monitoring.effect_floor,
            memory=min(MEMORY, max(monitoring.scales)),
        )

    @property
    def scales(self) -> tuple[int, ...]:
        """Window sizes that `test` takes."""
        return self._monitoring.scales

    @property
    def memory_events(self) -> int:
        """How many of the last events `restore` needs."""
        return min(MEMORY, max(self._monitoring.scales))

    def test(self, scale: int, codes: Codes) -> list[Measurement]:
        """All window tests of one closed window, uint16[F, scale], oldest event first."""
        measurements = self._windows[scale].test(codes)
        if scale == self.scales[0] and self._sequential.resting.any():
            for row, name in enumerate(self._profile.names):
                if self._sequential.resting[row] and all(
                    m.cleared for m in measurements if m.feature == name
                ):
                    self._sequential.rearm(row)
        return measurements

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
        }

    def restore(self, state: Mapping[str, Any], recent: Codes) -> None:
        """Continue where `state` was taken; `recent` uint16[F, m] are the last events before it."""
        columns = len(self._profile.columns)
        shapes = {
            "sums": (len(ALTERNATIVES), columns),
            "resting": (columns,),
            "waiting": (columns,),
        }
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
        self._sequential.recent = recent[:, max(recent.shape[1] - self.memory_events, 0) :].copy()

    def explain(self) -> list[ScaleNote]:
        """What windows of each size can see, column by column."""
        return [
            ScaleNote(*note) for scale in self.scales for note in self._windows[scale].columns()
        ]

    def _blocks(self, scale: int) -> int:
        place = self._profile.calibration.place_of(scale)
        return int(self._profile.calibration.blocks[place]) if place >= 0 else 0

    def _claim(self, alarm: SequentialAlarm) -> Measurement:
        column = self._profile.columns[alarm.column]
        return Measurement(
            check="cusum",
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
                f"{column.name} has moved ({alarm.alternative}) since {alarm.since} events ago: "
                f"evidence {alarm.statistic:.1f} nats, {alarm.threshold:.1f} needed"
            ),
            values={"since_events": float(alarm.since), "threshold_nats": alarm.threshold},
        )

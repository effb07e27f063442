"""What a check sees: one closed pane of one model version, n events, resends left out.

In: a closed pane, its numbers, signals and faults. Out: `PaneView`s, of the stream and of the
reference alike. Never: another pane; a check keeps what it needs of earlier ones.
"""

from dataclasses import dataclass

from monitor.events import SIGNALS, Float64, Int64
from monitor.sketches.codes import Codes

PaneFault = tuple[int, str, str, float | str | None]
"""(row in the pane, feature, reason, what was logged)."""

UNSEEN = "unseen_by_reference"
"""Reason of a category's value that the reference never had, beside the faults of validation."""


@dataclass(frozen=True, slots=True)
class PaneView:
    """One pane, oldest event first."""

    index: int
    """Of the pane in its stream, counted from 0."""
    codes: Codes
    """uint16[columns, n] against the profile."""
    values: Float64
    """float64[number columns, n], NaN where there is no usable value."""
    signals: Float64
    """float64[len(SIGNALS), n]."""
    occurred_us: Int64
    faults: tuple[PaneFault, ...]

    def __len__(self) -> int:
        return int(self.codes.shape[1])

    def unseen(self, feature: str) -> list[str]:
        """The values of a category that the reference never had."""
        return [str(v) for _, name, why, v in self.faults if why == UNSEEN and name == feature]

    def signal(self, name: str) -> Float64:
        """One row of the signals, float64[n]."""
        row: Float64 = self.signals[SIGNALS.index(name)]
        return row

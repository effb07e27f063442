"""Rest after an alarm: one alarm per change, until windows say that it is over.

In: alarms, events going by, looks at the smallest windows. Out: who rests, who may begin again.
Never: an end of rest by a window that began before the alarm.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from monitor.errors import StateError
from monitor.events import Bool, Int64


class Rests:
    """Rest of several detectors, each on one column.

    Parameters
    ----------
    columns
        Column of each detector.
    scale
        Size of the smallest windows, events.
    confirmations
        Cleared looks in a row that end a rest, as they resolve the alert.

    >>> rests = Rests(["age"], scale=1_000, confirmations=2)
    >>> rests.begin(0, events_ago=0)
    >>> rests.pass_events(900)
    >>> rests.held(), rests.look({"age": True})
    ({'age'}, [])
    >>> rests.pass_events(250)
    >>> rests.look({"age": True}), rests.look({"age": True})
    ([], [0])
    """

    __slots__ = ("_columns", "_confirmations", "_scale", "clear_looks", "resting", "since")

    def __init__(self, columns: Sequence[str], *, scale: int, confirmations: int) -> None:
        self._columns = tuple(columns)
        self._scale = scale
        self._confirmations = confirmations
        self.resting: Bool = np.zeros(len(columns), dtype=np.bool_)
        self.since: Int64 = np.zeros(len(columns), dtype=np.int64)
        """Events since a resting detector's alarm."""
        self.clear_looks: Int64 = np.zeros(len(columns), dtype=np.int64)

    def begin(self, place: int, *, events_ago: int) -> None:
        """A detector alarmed `events_ago` events before the last one passed."""
        self.resting[place] = True
        self.since[place] = events_ago
        self.clear_looks[place] = 0

    def pass_events(self, n: int) -> None:
        """n events went by."""
        self.since[self.resting] += n

    def held(self) -> set[str]:
        """Columns whose windows still hold events from before an alarm."""
        early = self.resting & (self.since < self._scale)
        return {self._columns[place] for place in np.flatnonzero(early)}

    def look(self, cleared: Mapping[str, bool]) -> list[int]:
        """One look at the smallest windows; the detectors that may begin again."""
        ended = []
        for place in np.flatnonzero(self.resting).tolist():
            clear = cleared.get(self._columns[place], False) and self.since[place] >= self._scale
            self.clear_looks[place] = self.clear_looks[place] + 1 if clear else 0
            if self.clear_looks[place] >= self._confirmations:
                self.resting[place] = False
                self.since[place] = self.clear_looks[place] = 0
                ended.append(place)
        return ended

    def end(self, columns: Collection[str]) -> None:
        """Nobody on these columns rests any more."""
        for place, column in enumerate(self._columns):
            if column in columns:
                self.resting[place] = False
                self.since[place] = self.clear_looks[place] = 0

    def state(self) -> dict[str, Any]:
        """Plain arrays."""
        return {
            "resting": self.resting.astype(np.int64),
            "since": self.since.copy(),
            "clear_looks": self.clear_looks.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self.resting = column_array(state, "resting", self.resting.shape).astype(np.bool_)
        self.since = column_array(state, "since", self.since.shape)
        self.clear_looks = column_array(state, "clear_looks", self.clear_looks.shape)


def column_array(state: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Int64:
    """A saved array of whole numbers; raises StateError unless it has that shape."""
    try:
        found = np.array(state[name], dtype=np.int64)
    except (KeyError, TypeError, ValueError):
        found = np.zeros(0, dtype=np.int64)
    if found.shape != shape:
        raise StateError(
            f"saved detector state {name!r} does not fit the profile (shape {found.shape}, not "
            f"{shape}): drop the state of the model version and start its windows anew"
        )
    return found

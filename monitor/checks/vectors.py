"""What an event looked like to the model, as one number: to see the same inputs again.

In: panes. Out: a hash for each event over its features, and whether it was seen some panes ago.
Never: the outputs: the same inputs may be answered by another version.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.checks.pane_view import InBulk, PaneBlock, PaneView
from monitor.errors import StateError
from monitor.events import Float64, Int64
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from schemas.model import OUTPUT_NAMES

Hashes = NDArray[np.uint32]
Places = NDArray[np.intp]

MEMORY_PANES: Final = 32
"""Panes in which an earlier event is recognised: 8,000 events of 250."""
_PLACES: Final = 1 << 16
"""Of the table in which they are looked up; one in 16 is forgotten early."""
_NUMBERS: Final = 1 << 16
"""Panes are numbered so far."""
_SEED: Final = 20_130_201
_NULL: Final = -7.23e11
"""Stands for no value."""
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


class Vectors:
    """Hashes of the features of a version's events.

    >>> vectors = Vectors(number_rows=np.array([0]), code_rows=np.array([1]))
    >>> values, codes = np.array([[1.0, 2.0, 1.0]]), np.array([[1, 3, 1], [0, 0, 0]], np.uint16)
    >>> hashes = vectors.hashes(values, codes)
    >>> bool(hashes[0] == hashes[2] != hashes[1])
    True
    """

    def __init__(self, number_rows: Int64, code_rows: Int64) -> None:
        self._number_rows = number_rows
        self._code_rows = code_rows
        random = np.random.default_rng(_SEED)
        self._number_factors = random.uniform(1.0, 2.0, (number_rows.size, 1))
        self._code_factors = random.uniform(1.0, 2.0, (code_rows.size, 1))
        self._nulls = _NULL * self._number_factors

    @classmethod
    def of(cls, profile: Profile) -> "Vectors":
        """Numbers by their values, categories by their codes."""
        numbers = [c.name for c in profile.columns if isinstance(c, NumberReference)]
        return cls(
            np.array([i for i, name in enumerate(numbers) if name not in OUTPUT_NAMES], np.int64),
            np.array(
                [
                    row
                    for row, column in enumerate(profile.columns)
                    if not isinstance(column, NumberReference) and column.name not in OUTPUT_NAMES
                ],
                np.int64,
            ),
        )

    def hashes(self, values: Float64, codes: NDArray[np.uint16]) -> Hashes:
        """uint32[..., n] of arrays [..., rows, n]: equal for equal features."""
        numbers = values.take(self._number_rows, axis=-2)
        numbers *= self._number_factors
        np.copyto(numbers, self._nulls, where=np.isnan(numbers))
        # a sum over rows adds in the order of the rows, wherever the event stands in its pane
        total = np.add.reduce(numbers, axis=-2)
        if self._code_rows.size:
            categories = codes.take(self._code_rows, axis=-2) * self._code_factors
            total += np.add.reduce(categories, axis=-2)
        mixed = total.view(np.uint64) * _MIX
        mixed ^= mixed >> np.uint64(29)
        found: Hashes = (mixed * _MIX >> np.uint64(32)).astype(np.uint32)
        return found

    def of_block(self, block: PaneBlock) -> Hashes:
        """uint32[panes, n]: `hashes` of its panes."""
        return self.hashes(block.values, block.codes)


class VectorMemory:
    """Recognises vectors of the last 32 panes, the last one before this left out.

    A pane that is like the one before it has many repeats, not old data. Two vectors are confused
    with a probability of 2 in a million.
    """

    def __init__(self) -> None:
        self._panes: deque[tuple[Hashes, int]] = deque(maxlen=MEMORY_PANES)
        self._forget_all()

    def _forget_all(self, number: int = 0) -> None:
        self._panes.clear()
        self._number = number
        self._clear()
        self.latest_us = -(2**63)
        """Latest event time of all panes but the last one."""

    def _clear(self) -> None:
        """An empty table: what stands in it is too old to be known."""
        self._rest = np.zeros(_PLACES, np.uint16)
        """Of a hash that which its place does not tell."""
        self._pane = np.full(_PLACES, (self._number - MEMORY_PANES - 1) % _NUMBERS, np.uint16)
        """Number of the pane in which it stood, modulo _NUMBERS."""

    def seen(self, hashes: Hashes, place: Places) -> Int64:
        """The rows of those that stood in one of the last panes but the very last.

        `place` is what `places` gives of the hashes, here as in `add`.
        """
        known: Int64 = (self._rest.take(place) == _rest(hashes)).nonzero()[0]
        if known.size:
            age = (self._number - self._pane[place[known]].astype(np.int64)) % _NUMBERS
            known = known[(age > 1) & (age <= MEMORY_PANES)]
        return known

    def add(self, hashes: Hashes, place: Places, latest_us: int) -> None:
        """Remember a pane and the latest event time in it."""
        if self._panes:
            self.latest_us = max(self.latest_us, self._panes[-1][1])
        self._panes.append((hashes, latest_us))
        self._enter(hashes, place)
        if self._number % (_NUMBERS // 2) == 0:  # before the oldest numbers would seem new
            self._number -= len(self._panes)
            self._clear()
            for entered, _ in self._panes:
                self._enter(entered, places(entered))

    def _enter(self, hashes: Hashes, place: Places) -> None:
        self._rest[place] = _rest(hashes)
        self._pane[place] = self._number % _NUMBERS
        self._number += 1

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        words = [hashes.view(np.uint16) for hashes, _ in self._panes]
        return {
            "hashes": words,
            "until_us": np.array([at_us for _, at_us in self._panes], np.int64),
            "number": self._number,
            "latest_us": self.latest_us,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where `state` was taken."""
        try:
            panes = [np.asarray(words, np.uint16).view(np.uint32) for words in state["hashes"]]
            times_us = np.asarray(state["until_us"]).tolist()
            number, latest_us = int(state["number"]), int(state["latest_us"])
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(f"the saved memory of inputs cannot be read: {error!r}") from error
        self._forget_all(number - len(panes))
        for hashes, at_us in zip(panes, times_us, strict=True):
            self.add(hashes, places(hashes), int(at_us))
        self.latest_us = latest_us


def _rest(hashes: Hashes) -> NDArray[np.uint16]:
    return (hashes >> np.uint32(16)).astype(np.uint16)


def places(hashes: Hashes) -> Places:
    """Where each stands in the table, as the index that numpy takes without a conversion."""
    return (hashes & np.uint32(_PLACES - 1)).astype(np.intp)


@dataclass(frozen=True, slots=True)
class Recalled:
    """The vectors of a pane, and what was known of them before it."""

    hashes: Hashes
    seen: Int64
    """The rows of those that stood in one of the last 32 panes but the very last."""
    latest_us: int
    """Latest event time of all earlier panes but the last one."""


class Inputs:
    """The vectors of a version's panes, hashed and looked up once for all checks that ask.

    **Cost**: that of `replayed` tells it; 0.3 MB, 32 kB of state.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._known: tuple[Vectors, VectorMemory] | None = None
        """Made when the first pane is asked for."""
        self._hashed = InBulk(self._hashes)
        self._last: tuple[int, Recalled] | None = None

    def hashes(self, block: PaneBlock) -> Hashes:
        """uint32[panes, n]."""
        return self._hashed.of(block)[0]

    def of(self, pane: PaneView) -> Recalled:
        """Of the newest pane; the first to ask for a pane has it remembered."""
        if self._last is not None and self._last[0] == pane.index:
            return self._last[1]
        memory = self._made()[1]
        found, found_at, latest_us = self._hashed.of(pane.block)
        hashes, place = found[pane.place], found_at[pane.place]
        recalled = Recalled(hashes, memory.seen(hashes, place), memory.latest_us)
        memory.add(hashes, place, latest_us[pane.place])
        self._last = (pane.index, recalled)
        return recalled

    def _hashes(self, block: PaneBlock) -> tuple[Hashes, Places, list[int]]:
        """With their places, and the latest event time of each pane."""
        hashes = self._made()[0].of_block(block)
        return hashes, places(hashes), block.occurred_us.max(axis=-1).tolist()

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return self._made()[1].state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; raises StateError where it does not fit."""
        self._made()[1].restore(state)
        self._last = None

    def _made(self) -> tuple[Vectors, VectorMemory]:
        if self._known is None:
            self._known = Vectors.of(self._profile), VectorMemory()
        return self._known


def distinct(hashes: Hashes) -> int:
    """How many different ones there are."""
    return int(np.unique(hashes).size) if hashes.size else 0


def often(hashes: Hashes, times: int) -> list[Int64]:
    """Of each row how often each vector occurs that occurs so many times or more.

    >>> [n.tolist() for n in often(np.array([[7, 8, 7, 9, 7, 8], [1, 2, 3, 4, 5, 6]], "u4"), 3)]
    [[3], []]
    """
    ordered = np.sort(hashes, axis=-1)
    some = (ordered[:, times - 1 :] == ordered[:, : ordered.shape[1] - times + 1]).any(axis=-1)
    counts = [
        np.unique(row, return_counts=True)[1] if found else np.empty(0, np.int64)
        for row, found in zip(ordered, some.tolist(), strict=True)
    ]
    return [n[n >= times] for n in counts]

"""Columns of stored rows as arrays: what Arrow's maps hold under a name.

In: Arrow tables of predictions and labels. Out: numpy arrays and lists. Never: a loop over rows
where a column can be handled whole.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.events import Bool, Float64, Int64


class MapEntries:
    """The entries of a map column, by key.

    >>> kind = pa.map_(pa.string(), pa.float64())
    >>> table = pa.table({"numbers": pa.array([[("a", 1.0)], [], [("a", 3.0), ("b", 4.0)]], kind)})
    >>> entries = MapEntries(table["numbers"])
    >>> entries.numbers("a").tolist(), entries.numbers("c").tolist()
    ([1.0, nan, 3.0], [nan, nan, nan])
    """

    def __init__(self, column: Any) -> None:
        maps = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        ends = np.asarray(maps.offsets, np.int64)
        self._n = len(maps)
        self._rows = np.repeat(np.arange(self._n), np.diff(ends))
        keys = maps.keys[ends[0] : ends[-1]]
        self._items = maps.items[ends[0] : ends[-1]]
        encoded = keys if isinstance(keys, pa.DictionaryArray) else keys.dictionary_encode()
        self._codes = np.asarray(encoded.indices, np.int64)
        self._names = {name: code for code, name in enumerate(encoded.dictionary.to_pylist())}

    @property
    def names(self) -> tuple[str, ...]:
        """Keys that any row has."""
        return tuple(self._names)

    def numbers(self, name: str) -> Float64:
        """float64[rows]: the entry of each row, NaN without one."""
        rows, items = self._of(name)
        found = np.full(self._n, np.nan)
        found[rows] = items.to_numpy(zero_copy_only=False)
        return found

    def texts(self, name: str) -> list[str | None]:
        """The entry of each row, None without one."""
        rows, items = self._of(name)
        found: list[str | None] = [None] * self._n
        for row, text in zip(rows.tolist(), items.to_pylist(), strict=True):
            found[row] = text
        return found

    def has(self, name: str) -> Bool:
        """bool[rows]: where there is an entry."""
        found = np.zeros(self._n, np.bool_)
        found[self._of(name)[0]] = True
        return found

    def _of(self, name: str) -> tuple[Int64, Any]:
        places = np.flatnonzero(self._codes == self._names.get(name, -1))
        return self._rows[places], self._items.take(pa.array(places))


def texts_of(table: Any, name: str) -> list[str]:
    """A text column."""
    found: list[str] = table[name].to_pylist()
    return found


def moments_of(table: Any, name: str) -> Int64:
    """A column of times, microseconds since 1970."""
    return np.asarray(table[name].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()), np.int64)


def numbers_of(table: Any, name: str) -> Float64:
    """A nullable number column, NaN for null."""
    return np.asarray(table[name].to_numpy(), np.float64)


def usable(
    values: MapEntries, faults: Mapping[str, Sequence[str | None]], name: str, kept: Set[str]
) -> Bool:
    """Where what was logged of a feature counts as a value: without a fault, or one of `kept`."""
    told = values.has(name)
    found = faults.get(name)
    if found is not None:
        told &= np.array([reason is None or reason in kept for reason in found], np.bool_)
    return told

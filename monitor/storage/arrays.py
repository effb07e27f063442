"""Arrow arrays out of the columns of a batch, made a column at a time.

In: Python lists, numpy arrays, logged values. Out: Arrow arrays as ClickHouse takes them: text
without nulls, times within its range, Map columns with their keys as a dictionary.
Never: a loop over features of every row where a column can be handled whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.events import Float64, Int64

EARLIEST_US: Final = -2_208_988_800_000_000
"""1900-01-01: the first moment that a DateTime64 holds; earlier ones are stored as this."""
LATEST_US: Final = 10_413_791_999_999_999
"""2299-12-31 23:59:59.999999: the last one; later ones are stored as this."""

TIME: Final = pa.timestamp("us", tz="UTC")
KEY: Final = pa.dictionary(pa.int32(), pa.string())
Int32 = NDArray[np.int32]


def texts(values: Sequence[str | None]) -> Any:
    """Text without nulls: None becomes "", half a surrogate pair becomes its escape.

    >>> texts(["a", None, chr(0xD800)]).to_pylist()
    ['a', '', '\\\\ud800']
    """
    try:
        array = pa.array(values, pa.string())
    except UnicodeEncodeError:
        array = pa.array(
            [
                None if value is None else value.encode("utf-8", "backslashreplace").decode()
                for value in values
            ],
            pa.string(),
        )
    return array.fill_null("") if array.null_count else array


def words(values: Sequence[str | None]) -> Any:
    """Text of few different values, for a LowCardinality column."""
    return texts(values).dictionary_encode()


def repeated_words(parts: Iterable[tuple[str, int]]) -> Any:
    """Each word as often as its count says, without making a list of them.

    >>> repeated_words([("a", 2), ("b", 1)]).to_pylist()
    ['a', 'a', 'b']
    """
    pairs = list(parts)
    codes = np.repeat(np.arange(len(pairs), dtype=np.int32), [count for _, count in pairs])
    encoded = words([word for word, _ in pairs])
    return pa.DictionaryArray.from_arrays(encoded.indices.take(pa.array(codes)), encoded.dictionary)


def moments(times_us: Int64 | Sequence[int]) -> Any:
    """Microseconds since 1970 as UTC times, held within what a DateTime64 can hold."""
    clipped = np.clip(np.asarray(times_us, np.int64), EARLIEST_US, LATEST_US)
    return pa.array(clipped).cast(TIME)


def optional_numbers(values: Float64) -> Any:
    """Numbers with NaN as null."""
    return pa.array(values, pa.float64(), from_pandas=True)


def answers(values: Sequence[object]) -> tuple[Any, Any]:
    """Logged answers as text and, where they are numbers or booleans, as nullable numbers.

    >>> text, number = answers(["late", 0.5, 2, True])
    >>> text.to_pylist(), number.to_pylist()
    (['late', '0.5', '2', 'true'], [None, 0.5, 2.0, 1.0])
    """
    kinds = set(map(type, values))
    if kinds == {str}:
        return texts(values), pa.nulls(len(values), pa.float64())  # type: ignore[arg-type]  # all str
    if kinds == {float}:
        numbers = pa.array(values, pa.float64())
        return numbers.cast(pa.string()), numbers
    if kinds == {bool}:
        flags = pa.array(values, pa.bool_())
        return flags.cast(pa.string()), flags.cast(pa.int8()).cast(pa.float64())
    return (
        texts([_text(value) for value in values]),
        pa.array([_number(value) for value in values], pa.float64()),
    )


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(pa.scalar(value, pa.float64()).cast(pa.string()).as_py())
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(value: object) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer beyond 1.8e308 stays text
        return None


def maps(rows: Sequence[Mapping[str, Any] | None], value_type: Any) -> Any:
    """A Map column from one mapping (or None) per row.

    >>> maps([{"a": 1.0}, None], pa.float64()).to_pylist()
    [[('a', 1.0)], []]
    """
    counts = np.array([len(row) if row else 0 for row in rows], np.int64)
    present = [row for row in rows if row]
    keys = words(list(chain.from_iterable(present)))
    values = list(chain.from_iterable(row.values() for row in present))
    return _map_array(counts, keys, _items(values, value_type))


def _items(values: list[Any], value_type: Any) -> Any:
    return texts(values) if value_type == pa.string() else pa.array(values, value_type)


def _map_array(counts: Int64, keys: Any, items: Any) -> Any:
    ends = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=ends[1:])
    return pa.MapArray.from_arrays(pa.array(ends), keys, items)


class MapColumn:
    """A Map column gathered from whole columns and from single entries, in any order.

    >>> column = MapColumn(pa.float64())
    >>> column.add_matrix(0, ["a", "b"], np.array([[1.0, np.nan], [3.0, 4.0]]),
    ...     np.array([[True, False], [True, True]]))
    >>> column.add(0, "z", 9.0)
    >>> column.array(3).to_pylist()
    [[('a', 1.0), ('z', 9.0)], [('a', 3.0), ('b', 4.0)], []]
    """

    def __init__(self, value_type: Any) -> None:
        self._type = value_type
        self._codes: dict[str, int] = {}
        self._rows: list[Int64] = []
        self._keys: list[Int32] = []
        self._items: list[Any] = []
        self._single_rows: list[int] = []
        self._single_keys: list[int] = []
        self._single_items: list[Any] = []

    def add(self, row: int, key: str, value: Any) -> None:
        """One entry."""
        self._single_rows.append(row)
        self._single_keys.append(self._code(key))
        self._single_items.append(value)

    def add_matrix(
        self, first_row: int, keys: Sequence[str], values: Float64, present: NDArray[np.bool_]
    ) -> None:
        """Numbers of shape (rows, keys); those not `present` are left out."""
        rows, codes = self._positions(first_row, keys, len(values))
        if present.all():
            self._append(rows, codes, pa.array(values.ravel()))
        else:
            kept = present.ravel()
            self._append(rows[kept], codes[kept], pa.array(values.ravel()[kept]))

    def add_texts(
        self, first_row: int, keys: Sequence[str], columns: Sequence[Sequence[str | None]]
    ) -> None:
        """One list of texts per key; None is left out."""
        n = len(columns[0])
        rows, codes = self._positions(first_row, keys, n)
        stacked = pa.concat_arrays([_nullable_texts(column) for column in columns])
        across = (np.arange(n)[:, None] + n * np.arange(len(keys))[None, :]).ravel()
        if stacked.null_count:
            kept = pc.is_valid(stacked).to_numpy(zero_copy_only=False)[across]
            rows, codes, across = rows[kept], codes[kept], across[kept]
        self._append(rows, codes, stacked.take(pa.array(across)))

    def array(self, n: int) -> Any:
        """The column for `n` rows."""
        in_order = not self._single_rows
        if self._single_rows:
            self._append(
                np.array(self._single_rows, np.int64),
                np.array(self._single_keys, np.int32),
                _items(self._single_items, self._type),
            )
        if not self._rows:
            return _map_array(np.zeros(n, np.int64), words([]), pa.array([], self._type))
        rows, codes = np.concatenate(self._rows), np.concatenate(self._keys)
        items = pa.concat_arrays(self._items)
        if not in_order:
            order = np.argsort(rows, kind="stable")
            codes, items = codes[order], items.take(pa.array(order))
        keys = pa.DictionaryArray.from_arrays(pa.array(codes), texts(list(self._codes)))
        return _map_array(np.bincount(rows, minlength=n), keys, items)

    def _code(self, key: str) -> int:
        return self._codes.setdefault(key, len(self._codes))

    def _positions(self, first_row: int, keys: Sequence[str], n: int) -> tuple[Int64, Int32]:
        codes = np.array([self._code(key) for key in keys], np.int32)
        rows = np.repeat(np.arange(first_row, first_row + n, dtype=np.int64), len(keys))
        return rows, np.tile(codes, n)

    def _append(self, rows: Int64, keys: Int32, items: Any) -> None:
        self._rows.append(rows)
        self._keys.append(keys)
        self._items.append(items)


def _nullable_texts(values: Sequence[str | None]) -> Any:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        kept = pa.array([value is not None for value in values])
        return pc.if_else(kept, texts(values), pa.scalar(None, pa.string()))

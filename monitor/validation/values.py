"""One column of raw values -> usable values and faults.

In: the raw values of one feature or output, as JSON gave them or as a file's column holds them,
and its spec. Out: a float64 array (NaN where unusable) or a list of texts (None there), and the
column's faults in row order per rule. Never: a rule of its own: whole columns are checked here for
speed, every odd value is asked of `schemas.values.value_fault`, and a property test holds the two
together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from monitor.events import Bool, Fault, Float64, Int64
from schemas.model import FeatureSpec
from schemas.rejection import ValueFault
from schemas.values import USABLE_FAULTS, as_float, category_text, value_fault

MISSING: Final = object()
"""Stands for a feature that the event does not have."""

_INFINITIES: Final = (float("inf"), float("-inf"))


@dataclass(frozen=True, slots=True)
class Floats:
    """Values that all are of one type, `float` (64-bit integers too) or `bool`, or absent."""

    type: type
    numbers: Float64
    absent: Bool

    def __len__(self) -> int:
        return len(self.numbers)

    def to_list(self) -> list[Any]:
        """One Python value a row, None where there is none."""
        pairs = zip(self.numbers.tolist(), self.absent.tolist(), strict=True)
        return [None if absent else self.type(number) for number, absent in pairs]


@dataclass(frozen=True, slots=True)
class Coded:
    """Values with each distinct one written once: row i holds `distinct[codes[i]]`."""

    distinct: list[Any]
    codes: Int64

    def __len__(self) -> int:
        return len(self.codes)

    def to_list(self) -> list[Any]:
        """One Python value a row."""
        return [self.distinct[code] for code in self.codes.tolist()]


RawValues = list[Any] | Floats | Coded
"""Values of a column: one by one from events, packed from a file."""


@dataclass(slots=True)
class RawColumn:
    """A column before it is read: `sources[row][name]` is where an event's value came from."""

    name: str
    spec: FeatureSpec
    string_chars: int
    raw: RawValues
    sources: Sequence[dict[str, Any]] = ()
    faults: list[Fault] = field(default_factory=list)
    _judged: dict[str, ValueFault | None] = field(default_factory=dict)
    """What was said of texts: a producer that is broken sends the same few for ever."""

    def fault(self, row: int, reason: ValueFault, value: object) -> None:
        """Record one fault; an integer that no store could take becomes an infinity."""
        if type(value) is int and self.sources:
            storable(self.sources[row], self.name)
        shown = shown_value(value, self.string_chars)
        self.faults.append(Fault(row, self.name, reason, shown))

    def fault_of(self, value: object) -> ValueFault | None:
        """What the shared rules say of one value."""
        if value is MISSING:
            return "missing"
        if type(value) is not str:
            return value_fault(self.spec, value, string_chars=self.string_chars)
        if value not in self._judged:
            self._judged[value] = value_fault(self.spec, value, string_chars=self.string_chars)
        return self._judged[value]


def read_numbers(column: RawColumn) -> Float64:
    """A number or boolean column as float64."""
    spec = column.spec
    hidden = [as_float(value) for value in spec.hidden_nulls if not isinstance(value, str)]
    numbers, bad = _as_floats(column, _plain_types(spec, bool(hidden)))
    _mark(column, "non_finite", ~np.isfinite(numbers), bad, numbers)
    if spec.type == "number":
        for value in hidden:
            _mark(column, "hidden_null", numbers == value, bad, numbers)
    else:
        _mark(column, "wrong_type", (numbers != 0.0) & (numbers != 1.0), bad, numbers)
    numbers[bad] = np.nan
    if spec.min is not None:
        _mark(column, "out_of_range", numbers < spec.min, bad, numbers)
    if spec.max is not None:
        _mark(column, "out_of_range", numbers > spec.max, bad, numbers)
    return numbers


def read_categories(column: RawColumn) -> list[str | None]:
    """A category column as texts."""
    raw = column.raw
    if isinstance(raw, Coded):
        return _read_coded(column, raw)
    values = raw.to_list() if isinstance(raw, Floats) else raw
    only_texts = {str}.issuperset(map(type, values))
    distinct = set(values) if only_texts else {value for value in values if type(value) is str}
    bad = {text: fault for text in distinct if (fault := column.fault_of(text)) is not None}
    if only_texts and not bad:
        return values
    texts: list[str | None] = []
    for row, value in enumerate(values):
        fault = bad.get(value) if type(value) is str else column.fault_of(value)
        if fault is not None:
            column.fault(row, fault, value)
        texts.append(_usable_text(value, fault))
    return texts


def _read_coded(column: RawColumn, raw: Coded) -> list[str | None]:
    """Every distinct value is judged once, its fault recorded in every row."""
    faults = [column.fault_of(value) for value in raw.distinct]
    faulty = np.array([fault is not None for fault in faults], dtype=np.bool_)
    if faulty.any():
        for row in np.flatnonzero(faulty[raw.codes]).tolist():
            code = int(raw.codes[row])
            reason = faults[code]
            assert reason is not None
            column.fault(row, reason, raw.distinct[code])
    texts = np.empty(len(raw.distinct), dtype=object)
    texts[:] = [
        _usable_text(value, fault) for value, fault in zip(raw.distinct, faults, strict=True)
    ]
    found: list[str | None] = texts[raw.codes].tolist()
    return found


def _usable_text(value: Any, fault: ValueFault | None) -> str | None:
    usable = value is not None and (fault is None or fault in USABLE_FAULTS)
    return category_text(value) if usable else None


def shown_value(value: object, string_chars: int) -> float | str | None:
    """A value as a fault records it: bounded, comparable, storable.

    >>> [shown_value(v, 4) for v in (True, 3, "abcdef", float("nan"), float("-inf"), None)]
    ['true', 3.0, 'abcd', 'NaN', '-Infinity', None]
    """
    if isinstance(value, str):
        return value[:string_chars]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        number = as_float(value)
        if number != number:
            return "NaN"
        if number in _INFINITIES:
            return "Infinity" if number > 0 else "-Infinity"
        return number
    return None


def storable(values: dict[str, Any], name: str) -> None:
    """Put an infinity in the place of an integer past float64, which no store could take."""
    value = values.get(name)
    if type(value) is int and (number := as_float(value)) in _INFINITIES:
        values[name] = number


def make_storable(event: dict[str, Any]) -> None:
    """`storable` for every value of an event that no card describes."""
    for name in ("prediction", "label"):
        storable(event, name)
    for group in ("features", "offline_features"):
        values = event.get(group) or {}
        for name in values:
            storable(values, name)


def _plain_types(spec: FeatureSpec, has_hidden_numbers: bool) -> frozenset[type]:
    """The types whose values numpy checks as a whole column."""
    if spec.type == "number":
        return frozenset({float, int})
    # The number 1 may stand for "unknown" while true does not: then numbers are odd.
    return frozenset({bool}) if has_hidden_numbers else frozenset({bool, float, int})


def _as_floats(column: RawColumn, plain: frozenset[type]) -> tuple[Float64, Bool]:
    """The column as float64, and the rows that have no usable value, their faults recorded."""
    raw = column.raw
    if isinstance(raw, Floats) and raw.type in plain:
        fault = column.fault_of(None)
        if fault is not None:
            for row in np.flatnonzero(raw.absent).tolist():
                column.fault(row, fault, None)
        return raw.numbers.copy(), raw.absent.copy()
    values = raw if isinstance(raw, list) else raw.to_list()
    bad = np.zeros(len(values), dtype=np.bool_)
    if not plain.issuperset(map(type, values)):
        values = _without_odd(column, values, plain, bad)
    return _as_array(column, values), bad


def _without_odd(
    column: RawColumn, values: list[Any], plain: frozenset[type], bad: Bool
) -> list[Any]:
    """The values with the odd ones replaced: by a number where usable, else NaN and bad."""
    replaced = list(values)
    unusable = []
    for row, value in enumerate(values):
        if type(value) in plain:
            continue
        fault = column.fault_of(value)
        if fault is not None:
            column.fault(row, fault, value)
        if value is None or fault is not None:
            unusable.append(row)
            replaced[row] = np.nan
    bad[unusable] = True
    return replaced


def _as_array(column: RawColumn, values: list[Any]) -> Float64:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        for source in column.sources:
            storable(source, column.name)
        return np.array([as_float(value) for value in values], dtype=np.float64)


def _mark(column: RawColumn, reason: ValueFault, mask: Bool, bad: Bool, numbers: Float64) -> None:
    """Record `reason` for the rows of `mask` that are not bad yet, and make them bad."""
    if mask.any():
        for row in np.flatnonzero(mask & ~bad).tolist():
            column.fault(row, reason, float(numbers[row]))
        bad |= mask

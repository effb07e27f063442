"""Events of one model version -> the columns that are tested, and the faults of their values.

In: validated events (dicts with `features`, `prediction` and maybe `score`) or the columns of a
file, and the model card. Out: `Columns`: number columns (float64, NaN where there is no usable
value), category columns (None there), and a `Fault` for every value that breaks its spec. Never: an
event dropped or a value guessed. Files (a reference, a backtest) and the stream go through the same
reader, so that they cannot differ in what they call a value.

The rules are those of `schemas.values`; what most values are is checked by whole columns here,
every other value one by one there.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from operator import itemgetter
from typing import Any, Final

import numpy as np

from monitor.events import Fault, Float64, Int64
from monitor.validation.sensitivity import CardMasks, Mask
from monitor.validation.values import (
    MISSING,
    Coded,
    Floats,
    RawColumn,
    RawValues,
    read_categories,
    read_numbers,
    shown_value,
    storable,
)
from schemas.model import FeatureSpec, ModelCard
from schemas.values import MAX_STRING_CHARS, HashKey, class_text, value_fault

MAX_EXTRAS: Final = 64
"""Extra features of one event that are named; the rest are counted in one fault named `*`."""

_SCORE: Final = FeatureSpec(type="number", min=0.0, max=1.0, nullable=True)
_REGRESSION: Final = FeatureSpec(type="number")
_NUMBER_GROUPS: Final = ("scores", "attributions")
"""Optional fields of numbers; a fault of one is named by its path, such as `scores.late`."""


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Names of the columns of a model version, in the card's order, outputs last."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of n events and their faults (by column, then row; extras last)."""

    numbers: dict[str, Float64]
    categories: dict[str, list[str | None]]
    faults: tuple[Fault, ...]
    redacted: Mapping[str, int] = field(default_factory=dict)
    """Sensitivity class to how many values it masked; `unknown`: features that no card names."""


def column_layout(card: ModelCard) -> ColumnLayout:
    """Which columns a model version has.

    Numbers: number features, booleans as 0/1, `score` (binary), `prediction` (regression).
    Categories: category features, hashed ones, `prediction` (binary and multi-class). A dropped
    feature has no column.

    >>> card = ModelCard(model="m", model_version="1", task="binary", features={
    ...     "age": FeatureSpec(type="number"), "plan": FeatureSpec(type="category")})
    >>> column_layout(card)
    ColumnLayout(numbers=('age', 'score'), categories=('plan', 'prediction'))
    """
    specs = card.features.items()
    numbers = [name for name, spec in specs if spec.column == "number"]
    categories = [name for name, spec in specs if spec.column == "category"]
    if card.task == "binary":
        numbers.append("score")
    (numbers if card.task == "regression" else categories).append("prediction")
    return ColumnLayout(tuple(numbers), tuple(categories))


class ColumnReader:
    """Reads events, or the columns of a file, into the columns of one model version.

    An integer too large for float64 is replaced by an infinity in the event itself, so that
    nothing behind this step can trip over it. So is every sensitive value, by what is kept of it.
    Raises ConfigError where the card hashes and `key` is absent or another one.

    >>> card = ModelCard(model="m", model_version="1", task="regression", features={
    ...     "age": FeatureSpec(type="number", max=120), "plan": FeatureSpec(type="category")})
    >>> read = ColumnReader(card).read([
    ...     {"features": {"age": 30, "plan": "a"}, "prediction": 1.5},
    ...     {"features": {"age": 130, "plan": None}, "prediction": 2.5}])
    >>> read.numbers["age"].tolist(), read.categories
    ([30.0, 130.0], {'plan': ['a', None]})
    >>> [(fault.row, fault.feature, fault.reason, fault.value) for fault in read.faults]
    [(1, 'age', 'out_of_range', 130.0), (1, 'plan', 'null', None)]
    """

    def __init__(
        self,
        card: ModelCard,
        *,
        string_chars: int = MAX_STRING_CHARS,
        key: HashKey | None = None,
    ) -> None:
        self.layout = column_layout(card)
        self._task = card.task
        self._string_chars = string_chars
        self._specs = tuple((n, spec) for n, spec in card.features.items() if spec.column)
        self._known = frozenset(name for name, _ in self._specs)
        self._masks = CardMasks.of([card], key)
        self._sensitive = card.sensitive
        self._classes = FeatureSpec(type="category", categories=card.classes)
        answer = _REGRESSION if card.task == "regression" else self._classes
        self._outputs: tuple[tuple[str, FeatureSpec], ...] = (("prediction", answer),)
        if card.task == "binary":
            self._outputs = (("score", _SCORE), *self._outputs)

    @property
    def known(self) -> frozenset[str]:
        """The features that are read."""
        return self._known

    def read(self, events: Sequence[dict[str, Any]]) -> Columns:
        """The columns of `events`."""
        features: list[dict[str, Any]] = [event["features"] for event in events]
        reading = _Reading(self._string_chars, self._masks.masks)
        if self._sensitive:
            reading.redacted["drop"] += self._masks.drop(features)
            reading.redacted["entity_id"] += sum(map(self._masks.mask_entity, events))
        for name, spec in self._specs:
            raw = list(map(dict.get, features, repeat(name), repeat(MISSING)))
            reading.add(name, spec, raw, features)
        missing = np.zeros(len(events), dtype=np.int64)
        for fault in reading.faults:
            if fault.reason == "missing":
                missing[fault.row] += 1
        for name, spec in self._outputs:
            reading.add(
                name, spec, self._answers(spec, [event.get(name) for event in events]), events
            )
        for group in _NUMBER_GROUPS:
            for row in [row for row, event in enumerate(events) if group in event]:
                for name, value in (events[row][group] or {}).items():
                    reading.check_number(row, f"{group}.{name}", value)
        self._name_extras(features, missing, reading)
        return reading.columns()

    def read_table(
        self, table: Mapping[str, RawValues], scores: Mapping[str, Floats], n: int
    ) -> Columns:
        """The same of n rows of a file: features and outputs by name, the scores of classes.

        An output that the file does not have has no value and no fault.
        """
        reading = _Reading(self._string_chars, self._masks.masks)
        for name, spec in self._specs:
            reading.add(name, spec, table.get(name, [MISSING] * n))
        for name, spec in self._outputs:
            if name in table:
                reading.add(name, spec, self._answers(spec, table[name]))
            elif spec is self._classes:
                reading.categories[name] = [None] * n
            else:
                reading.numbers[name] = np.full(n, np.nan)
        broken = [
            (row, f"scores.{name}", float(raw.numbers[row]))
            for name, raw in scores.items()
            for row in np.flatnonzero(~np.isfinite(raw.numbers) & ~raw.absent).tolist()
        ]
        for row, path, value in sorted(broken, key=itemgetter(0)):
            reading.check_number(row, path, value)
        return reading.columns()

    def _answers(self, spec: FeatureSpec, raw: RawValues) -> RawValues:
        """The answers of a classifier are classes, which are text."""
        if spec is not self._classes:
            return raw
        if isinstance(raw, Coded):
            return Coded([_class_value(value) for value in raw.distinct], raw.codes)
        values = raw.to_list() if isinstance(raw, Floats) else raw
        classes = {value: _class_value(value) for value in set(values)}
        return [classes[value] for value in values]

    def _name_extras(
        self, features: list[dict[str, Any]], missing: Int64, reading: "_Reading"
    ) -> None:
        faults = reading.faults
        expected = len(self._known) - missing
        sizes = np.fromiter(map(len, features), dtype=np.int64, count=len(features))
        for row in np.flatnonzero(sizes > expected).tolist():
            values = features[row]
            extras = [name for name in values if name not in self._known]
            if self._sensitive:  # nobody has said what may be kept of them
                for name in extras:
                    values[name] = None
                reading.redacted["unknown"] += len(extras)
            for name in extras:
                storable(values, name)
            for name in extras[:MAX_EXTRAS]:
                shown = shown_value(values[name], self._string_chars)
                faults.append(Fault(row, name, "extra", shown))
            if len(extras) > MAX_EXTRAS:
                faults.append(Fault(row, "*", "extra", float(len(extras) - MAX_EXTRAS)))


class _Reading:
    """Columns as they are read one after the other, and their faults."""

    def __init__(self, string_chars: int, masks: Mapping[str, Mask]) -> None:
        self._string_chars = string_chars
        self._masks = masks
        self.redacted: Counter[str] = Counter()
        self.numbers: dict[str, Float64] = {}
        self.categories: dict[str, list[str | None]] = {}
        self.faults: list[Fault] = []

    def add(
        self, name: str, spec: FeatureSpec, raw: RawValues, sources: Sequence[dict[str, Any]] = ()
    ) -> None:
        """Read one column."""
        mask = self._masks.get(name)
        if mask is not None:
            self._add_masked(mask, raw, sources)
            return
        column = RawColumn(name, spec, self._string_chars, raw, sources)
        if spec.type == "category":
            self.categories[name] = read_categories(column)
        else:
            self.numbers[name] = read_numbers(column)
        self.faults += column.faults

    def _add_masked(self, mask: Mask, raw: RawValues, sources: Sequence[dict[str, Any]]) -> None:
        """Read one column by its raw values, and keep the masked ones alone."""
        name, spec = mask.name, mask.judged
        column = RawColumn(name, spec, self._string_chars, raw, sources)
        usable: list[bool]
        numbers = np.empty(0)
        if spec.type == "category":
            usable = [text is not None for text in read_categories(column)]
        else:
            numbers = read_numbers(column)
            usable = (~np.isnan(numbers)).tolist()
        if isinstance(raw, Coded):
            kept = Coded(mask.all_kept(raw.distinct), raw.codes).to_list()
        else:
            kept = mask.all_kept(raw if isinstance(raw, list) else raw.to_list())
        for source, value in zip(sources, kept, strict=bool(sources)):
            if value is not MISSING:
                source[name] = value
        if mask.spec.column == "category":
            self.categories[name] = [
                value if ok else None for value, ok in zip(kept, usable, strict=True)
            ]
        else:
            self.numbers[name] = mask.edges(numbers)
        self.faults += [
            replace(fault, value=shown_value(kept[fault.row], self._string_chars))
            for fault in column.faults
        ]
        self.redacted[mask.spec.sensitivity] += sum(
            value is not None and value is not MISSING for value in kept
        )

    def check_number(self, row: int, path: str, value: float) -> None:
        """A number that is only stored has a fault where it is not finite."""
        if not math.isfinite(value):
            shown = shown_value(value, self._string_chars)
            self.faults.append(Fault(row, path, "non_finite", shown))

    def columns(self) -> Columns:
        """What was read."""
        return Columns(self.numbers, self.categories, tuple(self.faults), +self.redacted)


def _class_value(value: Any) -> Any:
    """A class as text; what cannot be a class stays as it is, to be called wrong."""
    if value is None or value_fault(_REGRESSION, value) == "non_finite":
        return value
    return class_text(value)

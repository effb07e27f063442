"""The reference profile and its audit, from a data set and the model card.

In: a `Dataset`, a `ModelCard`, a seed. Out: `(Profile, Audit)`, the same ones every time. The rows
pass through the stream's own validation, so that the reference and the stream cannot differ in
what they call a value. Never: a row left out; a clock.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from monitor.attribution.surrogate import fit_surrogate
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.suite import learn
from monitor.clock import US_PER_DAY, US_PER_SECOND
from monitor.detectors.calibration import calibrate
from monitor.errors import ConfigError
from monitor.events import Fault, Float64, Int64
from monitor.performance.reading import AnswerReader
from monitor.profiling.audit import Audit, audit_dataset
from monitor.profiling.dataset import LABEL, NO_TIME_US, OUTPUTS, Dataset
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import HOURS_PER_WEEK, Profile, Reference
from monitor.sketches.seasonal import SeasonalReference, seasonal_reference
from monitor.validation.columns import ColumnReader, Columns, column_layout
from schemas.model import ModelCard
from schemas.values import HashKey

SEED: Final = 20_130_201
"""Seed of every draw: the sample of a long column, the folds of the leak check."""
BATCH_ROWS: Final = 50_000
"""Rows that stand in memory as events at a time."""
ASSUMED_EVENTS_PER_DAY: Final = 1_000_000 / 30
"""Traffic where neither the file's times nor the card tell it: the budget for 30 days is then one
for a million events."""

_US_PER_HOUR: Final = 3_600 * US_PER_SECOND
_EPOCH_HOUR_OF_WEEK: Final = 3 * 24
"""1970 began on a Thursday; the week of `hourly_counts` begins on Monday."""


def build_profile(
    dataset: Dataset, card: ModelCard, *, seed: int = SEED, key: HashKey | None = None
) -> tuple[Profile, Audit]:
    """Build the profile of `card`'s version from its reference data set.

    `key` must be the workers' where the card hashes features: the profile holds the hashes.
    """
    order = dataset.time_order()
    columns = read_as_stream(dataset.in_time_order(), card, key)
    faults = _faults_of_file(columns.faults, dataset, order)
    audit = audit_dataset(dataset, card, faults, seed=seed)
    times = dataset.occurred_us
    ordered_us = None if times is None else times[order]
    references = _references(columns, card, ordered_us, seed)
    if all(reference.missing_rate == 1.0 for reference in references):
        raise ConfigError(
            f"{dataset.source}: no column of the card holds a usable value: check the types and "
            "hidden_nulls of the card against the file"
        )
    codes = np.stack([_codes(reference, columns, ordered_us) for reference in references])
    profile = Profile(
        model=card.model,
        model_version=card.model_version,
        columns=references,
        calibration=calibrate(
            codes, references, card.monitoring, time_ordered=ordered_us is not None
        ),
        n_rows=dataset.n_rows,
        started_us=0 if ordered_us is None else int(ordered_us[0]),
        ended_us=0 if ordered_us is None else int(ordered_us[-1]),
        events_per_day=_events_per_day(ordered_us, card),
        time_ordered=ordered_us is not None,
        longest_gap_us=_longest_gap_us(ordered_us),
        hourly_counts=hourly_counts(ordered_us),
        dataset_fingerprint=audit.dataset_fingerprint,
        performance=_performance(dataset.in_time_order(), columns, card),
        surrogate=fit_surrogate(references, columns.numbers, columns.categories),
    )
    return _with_checks(profile, dataset, columns, codes, card), audit


def recalibrated(
    profile: Profile, dataset: Dataset, card: ModelCard, key: HashKey | None = None
) -> Profile:
    """The profile of the same data set for other window sizes and detectors of the card."""
    columns = read_as_stream(dataset.in_time_order(), card, key)
    times = dataset.occurred_us
    ordered_us = None if times is None else times[dataset.time_order()]
    codes = profile.encode(columns.numbers, columns.categories, dataset.n_rows, ordered_us)
    calibration = calibrate(
        codes, profile.columns, card.monitoring, time_ordered=profile.time_ordered
    )
    again = replace(profile, calibration=calibration, checks={})
    return _with_checks(again, dataset, columns, codes, card)


def read_as_stream(dataset: Dataset, card: ModelCard, key: HashKey | None = None) -> Columns:
    """The data set's rows through the reader that validates the stream."""
    reader = ColumnReader(card, key=key)
    parts = []
    faults: list[Fault] = []
    for start in range(0, dataset.n_rows, BATCH_ROWS):
        part = dataset.read(reader, start, start + BATCH_ROWS)
        faults += [Fault(f.row + start, f.feature, f.reason, f.value) for f in part.faults]
        parts.append(part)
    layout = column_layout(card)
    return Columns(
        numbers={name: np.concatenate([p.numbers[name] for p in parts]) for name in layout.numbers},
        categories={
            name: [value for part in parts for value in part.categories[name]]
            for name in layout.categories
        },
        faults=tuple(faults),
    )


def _with_checks(
    profile: Profile, dataset: Dataset, columns: Columns, codes: Codes, card: ModelCard
) -> Profile:
    """The profile with what each check learns of the reference's own panes."""
    panes = [*reference_panes(profile, dataset.in_time_order(), columns, codes, card)]
    return replace(profile, checks=learn(card, profile, panes))


def reference_panes(
    profile: Profile, ordered: Dataset, columns: Columns, codes: Codes, card: ModelCard
) -> Iterator[PaneView]:
    """The reference in panes, as the checks of a stream would see it; an odd rest is left out."""
    numbers = [column.name for column in profile.columns if isinstance(column, NumberReference)]
    values = np.array([columns.numbers[name] for name in numbers], np.float64)
    values = values.reshape(len(numbers), ordered.n_rows)
    signals = ordered.signals()
    times = ordered.occurred_us
    if times is None:
        times = np.full(ordered.n_rows, NO_TIME_US, np.int64)
    faults = sorted(columns.faults, key=lambda fault: (fault.row, fault.feature))
    block = PaneBlock.cut(
        0,
        card.monitoring.pane_events,
        codes,
        values,
        signals,
        times,
        ((fault.row, fault.feature, fault.reason, fault.value) for fault in faults),
    )
    return map(block.pane, range(len(block)))


def _performance(ordered: Dataset, columns: Columns, card: ModelCard) -> dict[str, Float64]:
    """What the labels of the reference tell of the model; nothing where it has none to measure."""
    labels = ordered.columns.get(LABEL)
    answered = all(name in ordered.columns for name in _outputs(card))
    if labels is None or not answered or (card.task == "multiclass" and not card.classes):
        return {}
    scores = {name: ordered.columns[one].floats() for name, one in ordered.score_columns().items()}
    found = AnswerReader(card).reference(
        columns.numbers, columns.categories, scores, labels.to_list()
    )
    return {} if found is None else found.arrays()


def _outputs(card: ModelCard) -> tuple[str, ...]:
    """Columns without which there is nothing to hold labels against."""
    return ("score", "prediction") if card.task == "binary" else ("prediction",)


def hourly_counts(occurred_us: Int64 | None) -> Int64:
    """int64[168]: events by UTC hour of the week, Monday 00:00 first; zeros without times.

    >>> monday_noon_us = (4 * 24 + 12) * 3_600_000_000  # 5 January 1970
    >>> np.flatnonzero(hourly_counts(np.array([monday_noon_us]))).tolist()
    [12]
    """
    if occurred_us is None:
        return np.zeros(HOURS_PER_WEEK, dtype=np.int64)
    hours = (occurred_us // _US_PER_HOUR + _EPOCH_HOUR_OF_WEEK) % HOURS_PER_WEEK
    return np.bincount(hours, minlength=HOURS_PER_WEEK).astype(np.int64)


def _references(
    columns: Columns, card: ModelCard, ordered_us: Int64 | None, seed: int
) -> tuple[Reference, ...]:
    """In the card's order: the rows of the code matrix. Numbers by season, where the card asks."""
    layout = column_layout(card)
    season = card.monitoring.seasonality
    numbers = (
        NumberReference.from_values(name, columns.numbers[name], seed=seed)
        if season == "none" or ordered_us is None
        else seasonal_reference(name, columns.numbers[name], ordered_us, season, seed=seed)
        for name in layout.numbers
    )
    return (
        *numbers,
        *(CategoryReference.from_values(n, columns.categories[n]) for n in layout.categories),
    )


def _codes(reference: Reference, columns: Columns, ordered_us: Int64 | None) -> Codes:
    if isinstance(reference, SeasonalReference) and ordered_us is not None:
        return reference.codes_at(columns.numbers[reference.name], ordered_us)
    if isinstance(reference, NumberReference):
        return reference.codes(columns.numbers[reference.name])
    return reference.codes(columns.categories[reference.name])


def _faults_of_file(faults: Iterable[Fault], dataset: Dataset, order: Int64) -> list[Fault]:
    """Faults by row of the file; an output that the file does not have is no fault of its rows."""
    absent = {name for name in OUTPUTS if name not in dataset.columns}
    return [
        Fault(int(order[fault.row]), fault.feature, fault.reason, fault.value)
        for fault in faults
        if fault.feature not in absent
    ]


def _events_per_day(occurred_us: Int64 | None, card: ModelCard) -> float:
    if occurred_us is not None and occurred_us[-1] > occurred_us[0]:
        return len(occurred_us) * US_PER_DAY / float(occurred_us[-1] - occurred_us[0])
    return card.monitoring.events_per_day or ASSUMED_EVENTS_PER_DAY


def _longest_gap_us(occurred_us: Int64 | None) -> int:
    if occurred_us is None or len(occurred_us) < 2:
        return 0
    return int(np.diff(occurred_us).max())

"""The data audit: what is odd about a reference data set, before it becomes the yardstick.

In: a `Dataset` in the file's order, the model card, the value faults that validation found in it.
Out: an `Audit` of frozen records, which goes to JSON as it is. Never: a row changed or left out.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from monitor.events import Fault
from monitor.profiling.columns import Column
from monitor.profiling.dataset import LABEL, TIME, Dataset
from monitor.profiling.hidden import SuspectedNull, suspected_nulls
from monitor.profiling.leakage import predictive_power
from monitor.profiling.readers import IDENTIFIERS
from monitor.profiling.target_encoding import in_sample_encoding
from monitor.profiling.timeline import TimeAudit, audit_times
from schemas.model import FeatureSpec, ModelCard

NEAR_CONSTANT_SHARE: Final = 0.99
"""One value in this share of the rows or more: hardly anything is left to drift."""
LEAK_POWER: Final = 0.98
"""A column that alone predicts the label this well knows it."""
LEAK_MARGIN: Final = 0.15
"""Or this much better than the model's own score does, which had the column to learn from."""
LEAK_MIN_POWER: Final = 0.75
IDENTIFIER_ROWS: Final = 100
"""Text that differs in every one of more rows than this is an identifier."""
SHOWN_VALUE_CHARS: Final = 40
_NO_GROUPS: Final = frozenset({*IDENTIFIERS, LABEL})
"""Texts that are no categories of a feature."""
NOT_KEPT: Final = "(not kept)"

_UNTOLD_FAULTS: Final = ("null", "hidden_null")
"""Fault reasons that the counts of nulls tell already."""


@dataclass(frozen=True, slots=True)
class FaultCount:
    """How many rows of a column break its spec in one way, and the first of them."""

    reason: str
    rows: int
    first_row: int
    """Counted from 1, in the file's order."""
    first_value: float | str | None


@dataclass(frozen=True, slots=True)
class ColumnAudit:
    """One column of the file."""

    name: str
    role: str
    """feature, output, label, time, identifier or unused."""
    type: str
    n_rows: int
    nulls: int
    hidden_nulls: int
    """Values that the card names as nulls."""
    suspected_nulls: tuple[SuspectedNull, ...]
    unique: int
    top_value: str
    """The most frequent value, shortened; `(not kept)` of what the card calls sensitive."""
    top_share: float
    """Its share of the rows that have a value."""
    faults: tuple[FaultCount, ...]
    """By reason, as validation of the stream would count them."""
    label_power: float | None
    """Area under the ROC curve of this column alone against the label; None: not measured."""

    @property
    def null_share(self) -> float:
        """Share of rows without a usable value."""
        return (self.nulls + self.hidden_nulls) / self.n_rows


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a person should look at. `weight` is warning or note."""

    weight: str
    column: str
    """Empty: the file as a whole."""
    text: str


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole audit of one data set."""

    source: str
    dataset_fingerprint: str
    n_rows: int
    duplicate_rows: int
    """Rows equal to an earlier one in everything but the event id."""
    duplicate_event_ids: int
    time: TimeAudit | None
    """None: the file has no `occurred_at`."""
    columns: tuple[ColumnAudit, ...]
    remarks: tuple[Remark, ...]

    def to_json(self) -> str:
        """The audit as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False, default=str)


def audit_dataset(
    dataset: Dataset, card: ModelCard, faults: Iterable[Fault], *, seed: int
) -> Audit:
    """Audit every column of the file and the rows as a whole; `faults` in the file's order."""
    by_column: dict[str, list[Fault]] = {}
    for fault in faults:
        by_column.setdefault(fault.feature, []).append(fault)
    label = dataset.columns.get(LABEL)
    columns = tuple(
        _audit_column(column, card, _counted(by_column.get(name, [])), label, seed)
        for name, column in dataset.columns.items()
    )
    times = dataset.occurred_us
    timeline = None if times is None else audit_times(times)
    duplicate_rows = _duplicate_rows(dataset)
    duplicate_ids = _repeats(dataset.columns["event_id"]) if "event_id" in dataset.columns else 0
    return Audit(
        source=dataset.source,
        dataset_fingerprint=dataset.fingerprint(),
        n_rows=dataset.n_rows,
        duplicate_rows=duplicate_rows,
        duplicate_event_ids=duplicate_ids,
        time=timeline,
        columns=columns,
        remarks=(
            *_remarks_on_rows(dataset, card, timeline, duplicate_rows, duplicate_ids),
            *(remark for column in columns for remark in _remarks_on_column(column, card)),
            *_remarks_on_leaks(columns),
            *_remarks_on_encodings(dataset, card),
        ),
    )


def _audit_column(
    column: Column, card: ModelCard, faults: tuple[FaultCount, ...], label: Column | None, seed: int
) -> ColumnAudit:
    spec = card.features.get(column.name)
    role = _role(column.name, spec)
    counts = column.counts()
    present = sum(counts.values())
    top_value, top_count = max(
        counts.items(), key=lambda item: (item[1], str(item[0])), default=("", 0)
    )
    judged = role in ("feature", "output") and label is not None
    raw = spec is not None and spec.sensitivity == "raw"
    # Of a column that a sensitive model's card does not name, nobody has said that it may be shown.
    shown = raw or not card.sensitive or role in ("output", "label", "time")
    return ColumnAudit(
        name=column.name,
        role=role,
        type=column.kind,
        n_rows=len(column),
        nulls=column.null_count(),
        hidden_nulls=sum(fault.rows for fault in faults if fault.reason == "hidden_null"),
        suspected_nulls=_suspicions(counts, spec) if role == "feature" and shown else (),
        unique=len(counts),
        top_value=str(top_value)[:SHOWN_VALUE_CHARS] if shown else NOT_KEPT,
        top_share=top_count / present if present else 0.0,
        faults=faults,
        label_power=predictive_power(column, label, seed=seed) if judged and label else None,
    )


def _counted(faults: list[Fault]) -> tuple[FaultCount, ...]:
    rows = Counter(fault.reason for fault in faults)
    first = {fault.reason: fault for fault in sorted(faults, key=lambda fault: -fault.row)}
    return tuple(
        FaultCount(reason, rows[reason], first[reason].row + 1, first[reason].value)
        for reason in sorted(rows)
    )


def _role(name: str, spec: FeatureSpec | None) -> str:
    if spec is not None:
        return "feature"
    if name in ("prediction", "score") or name.startswith("score_"):
        return "output"
    if name in IDENTIFIERS:
        return "identifier"
    return {LABEL: "label", "observed_at": "label", TIME: "time"}.get(name, "unused")


def _suspicions(counts: Mapping[Any, int], spec: FeatureSpec | None) -> tuple[SuspectedNull, ...]:
    known: Sequence[Any] = () if spec is None else (*spec.hidden_nulls, *(spec.categories or ()))
    return suspected_nulls(counts, known)


def _remarks_on_rows(
    dataset: Dataset,
    card: ModelCard,
    timeline: TimeAudit | None,
    duplicate_rows: int,
    duplicate_ids: int,
) -> list[Remark]:
    remarks = []
    if timeline is None:
        text = (
            f"no column {TIME}: without time order the reference cannot say how much neighbouring "
            f"events share, and rows are taken as independent{_other_times(dataset)}"
        )
        remarks.append(Remark("warning", "", text))
        if card.monitoring.events_per_day is None:
            text = (
                "neither the file nor monitoring.events_per_day of the card tells the traffic: "
                "the budget for false alarms is taken per million events"
            )
            remarks.append(Remark("note", "", text))
    elif timeline.backward_steps:
        text = (
            f"goes backwards {timeline.backward_steps:,} times, first at row "
            f"{timeline.first_backward_row:,}: the rows are sorted for the profile"
        )
        remarks.append(Remark("warning", TIME, text))
    if timeline is not None and dataset.columns[TIME].naive:
        remarks.append(Remark("note", TIME, "has no UTC offset: the times are taken as UTC"))
    if duplicate_rows:
        share = duplicate_rows / dataset.n_rows
        text = f"{duplicate_rows:,} rows ({share:.1%}) repeat an earlier one"
        remarks.append(Remark("warning" if share > 0.01 else "note", "", text))
    if duplicate_ids:
        text = f"repeats that of an earlier row {duplicate_ids:,} times"
        remarks.append(Remark("warning", "event_id", text))
    remarks.extend(
        Remark("note", name, "is not in the file: it is not watched for drift")
        for name in ("prediction", "score")
        if name not in dataset.columns and (name == "prediction" or card.task == "binary")
    )
    versions = dataset.columns.get("model_version")
    if versions is not None:
        others = sorted(set(versions.counts()) - {card.model_version})
        if others:
            text = f"names {', '.join(others[:5])} too; the card is of {card.model_version}"
            remarks.append(Remark("note", "model_version", text))
    return remarks


def _other_times(dataset: Dataset) -> str:
    named = [
        name
        for name, column in dataset.columns.items()
        if column.kind == "time" and name != "observed_at"
    ]
    return f"; if column {named[0]} holds the event times, rename it" if named else ""


def _remarks_on_column(column: ColumnAudit, card: ModelCard) -> list[Remark]:
    if column.role not in ("feature", "output"):
        return []
    found: list[str] = []
    present = column.n_rows - column.nulls
    if present == 0:
        found.append("holds nothing but nulls: nothing to compare with")
    elif column.unique == 1:
        found.append(f"is constant: every value is {column.top_value}")
    elif column.top_share >= NEAR_CONSTANT_SHARE:
        found.append(f"is nearly constant: {column.top_share:.1%} are {column.top_value}")
    elif column.unique == present > IDENTIFIER_ROWS and column.type == "text":
        found.append("has another value in every row: an identifier, not a category")
    found.extend(
        f"{suspect.value!r} in {suspect.count:,} rows looks like a null ({suspect.reason}): "
        "add it to hidden_nulls of the card"
        for suspect in column.suspected_nulls
    )
    spec = card.features.get(column.name)
    if spec is not None and column.nulls and not spec.nullable:
        found.append(f"has {column.nulls:,} nulls, but the card says nullable: false")
    found.extend(
        f"{fault.rows:,} rows are {fault.reason.replace('_', ' ')} by the card: first row "
        f"{fault.first_row:,}, {fault.first_value!r}"
        for fault in column.faults
        if fault.reason not in _UNTOLD_FAULTS
    )
    return [Remark("warning", column.name, text) for text in found]


def _remarks_on_leaks(columns: tuple[ColumnAudit, ...]) -> list[Remark]:
    """Features that know the label: nearly certain, or far better than the model itself."""
    outputs = [c.label_power for c in columns if c.role == "output" and c.label_power is not None]
    own = max(outputs, default=None)
    remarks = []
    for column in columns:
        power = column.label_power
        if column.role != "feature" or power is None:
            continue
        beyond_model = own is not None and power >= max(own + LEAK_MARGIN, LEAK_MIN_POWER)
        if power >= LEAK_POWER or beyond_model:
            against = "" if own is None else f"; the model's own answer reaches {own:.3f}"
            text = (
                f"alone predicts the label with AUC {power:.3f}{against}: does it leak the label?"
            )
            remarks.append(Remark("warning", column.name, text))
    return remarks


def _remarks_on_encodings(dataset: Dataset, card: ModelCard) -> list[Remark]:
    """Numbers that are a category's label mean over these very rows."""
    label = dataset.columns.get(LABEL)
    if label is None:
        return []
    numbers = [
        dataset.columns[name] for name, spec in card.features.items() if spec.type == "number"
    ]
    categories = [c for n, c in dataset.columns.items() if c.kind == "text" and n not in _NO_GROUPS]
    remarks = []
    for number in numbers:
        for category in categories:
            found = in_sample_encoding(number, category, label)
            if found is not None:
                text = (
                    f"is the mean label of {found.category} in these very rows (correlation "
                    f"{found.correlation:.2f}, where an encoding of other rows reaches "
                    f"{found.attainable:.2f}): it leaks the label; encode by folds "
                    "(producers.encoding.TargetEncoder)"
                )
                remarks.append(Remark("warning", number.name, text))
    return remarks


def _duplicate_rows(dataset: Dataset) -> int:
    """Rows equal to an earlier one, the event id left out."""
    numbered = [
        _numbered_values(column) for name, column in dataset.columns.items() if name != "event_id"
    ]
    if not numbered:
        return 0
    _, first = np.unique(np.column_stack(numbered), axis=0, return_index=True)
    return dataset.n_rows - len(first)


def _numbered_values(column: Column) -> Any:
    """Each row's value as a number that only equal values share."""
    if column.kind == "mixed":
        numbers: dict[Any, int] = {}
        return np.array([numbers.setdefault((type(v), v), len(numbers)) for v in column.values])
    encoded = column.values.dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _repeats(column: Column) -> int:
    return sum(count - 1 for count in column.counts().values())

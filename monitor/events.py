"""Records of steps 1 and 2: what came from the log and what validation made of it.

Columns, not rows: everything after validation works on numpy arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

SIGNALS = ("latency_ms", "status", "lag_s", "resends", "age_s", "incoherence")
"""Rows of `PredictionColumns.signals`: what an event tells beside its values.

`latency_ms`; `status` (0 ok, 1 fallback, 2 error); `lag_s`: send time minus event time; `resends`:
events with a known id between the event before and this one; `age_s`: event time minus that of the
oldest feature; `incoherence`: bits of what is wrong between scores and prediction. NaN: not told.
"""


UNREAD_HEADER: Final = "plumbline-unread"
"""Header of a record that intake put in the place of a batch it did not read: the reason."""


class Record(Protocol):
    """One record of a log, as kafka-python's ConsumerRecord gives it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """The broker's append time, milliseconds since 1970."""
        ...

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """A value fault: the event is kept, the fault is recorded beside it.

    `value` is what was logged (None for missing and null). A fault whose reason makes the value
    unusable (everything but `out_of_range` and `unseen_category`) leaves NaN or None in the column.
    """

    row: int
    feature: str
    reason: str
    value: float | str | None


@dataclass(frozen=True, slots=True)
class PredictionColumns:
    """Valid predictions of one model version from one source partition, in offset order (n rows).

    `numbers` and `categories` hold what is tested: NaN or None where there is no usable value.
    Numbers hold number features, booleans as 0/1, `score` (binary), `prediction` (regression);
    categories hold category features and `prediction` (classification). Without a card
    (`registered` False) both are empty and the events are only stored.
    `events` are the validated events, features included, as the storage step needs them.
    """

    model: str
    model_version: str
    registered: bool
    topic: str
    partition: int
    offsets: Int64
    appended_us: Int64
    occurred_us: Int64
    """As the producer says; `event_us` is what is tested and spanned."""
    sent_us: Int64
    """The producer's send time: a replay's simulated one, else the append time."""
    event_ids: list[str]
    numbers: dict[str, Float64]
    categories: dict[str, list[str | None]]
    faults: tuple[Fault, ...]
    events: Sequence[dict[str, Any]]
    repeated: Bool
    """True where the event id was seen before: stored, flagged, kept out of windows."""
    signals: Float64
    """float64[len(SIGNALS), n]; the row `resends` is counted later, by the windows."""
    attributions: Sequence[Mapping[str, float] | None] = ()
    """What each event says of its features' parts in the answer; empty where none says so."""

    def __len__(self) -> int:
        return len(self.event_ids)

    @property
    def event_us(self) -> Int64:
        """Event times that nothing has to wait for: none is later than its sending."""
        return np.minimum(self.occurred_us, self.sent_us)

    def rows(self, rows: Int64) -> "PredictionColumns":
        """These rows alone, in rising order."""
        place = {int(row): index for index, row in enumerate(rows)}
        return replace(
            self,
            offsets=self.offsets[rows],
            appended_us=self.appended_us[rows],
            occurred_us=self.occurred_us[rows],
            sent_us=self.sent_us[rows],
            event_ids=[self.event_ids[row] for row in rows],
            numbers={name: values[rows] for name, values in self.numbers.items()},
            categories={
                name: [values[row] for row in rows] for name, values in self.categories.items()
            },
            faults=tuple(
                replace(fault, row=place[fault.row]) for fault in self.faults if fault.row in place
            ),
            events=[self.events[row] for row in rows.tolist()],
            repeated=self.repeated[rows],
            signals=self.signals[:, rows],
            attributions=[self.attributions[row] for row in rows.tolist()]
            if self.attributions
            else (),
        )


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """Valid labels of one model from one source partition, in offset order (n rows)."""

    model: str
    topic: str
    partition: int
    offsets: Int64
    appended_us: Int64
    observed_us: Int64
    events: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.events)


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that could not be taken, with every reason: (reason, field, message)."""

    topic: str
    partition: int
    offset: int
    appended_us: int
    model: str | None
    reasons: tuple[tuple[str, str, str], ...]
    original: bytes
    """As far as it may be kept: of a sensitive model it is masked or withheld."""
    original_size_bytes: int | None = None
    """Size of the record as it came, where `original` is not that."""

    @property
    def size_bytes(self) -> int:
        """Size of the record as it came."""
        known = self.original_size_bytes
        return len(self.original) if known is None else known


@dataclass(frozen=True, slots=True)
class Validated:
    """One micro-batch after validation: every record is in exactly one of the three."""

    predictions: tuple[PredictionColumns, ...]
    labels: tuple[LabelColumns, ...]
    rejected: tuple[RejectedRecord, ...]
    redacted: Mapping[str, int] = field(default_factory=dict)
    """Sensitivity class to how many values it masked: no faults, and no drift."""

    def __len__(self) -> int:
        """Records in all three."""
        return sum(map(len, self.predictions)) + sum(map(len, self.labels)) + len(self.rejected)


@dataclass(frozen=True, slots=True)
class PaneSummary:
    """One closed pane, column by column: what pages and re-tests read instead of raw rows.

    Ends are inclusive. A number has a sketch (serialised quantiles) and its mean, smallest and
    largest value (NaN without values); a category has counts.
    """

    model: str
    model_version: str
    pane: int
    """Index of the pane in the tested stream of the model version, counted from 0."""
    topic: str
    partition: int
    first_event: int
    last_event: int
    first_offset: int
    last_offset: int
    started_us: int
    """Smallest and largest event time in the pane."""
    ended_us: int
    n: int
    columns: Sequence[str]
    """Features, score and prediction; what follows has a place for each."""
    missing: Sequence[int]
    """Events without a usable value."""
    means: Sequence[float]
    minima: Sequence[float]
    maxima: Sequence[float]
    sketches: Sequence[bytes]
    counts: Sequence[Mapping[str, int]]
    faults: Sequence[Mapping[str, int]]
    """Fault reason to its count."""

    def __len__(self) -> int:
        """Rows of the table that it makes."""
        return len(self.columns)

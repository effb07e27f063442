"""The profile: the reference of one model version as the monitor needs it.

In: references of all columns with their calibration, or the bytes of an earlier profile. Out: the
code matrix of new events, and deterministic bytes with their hash. Never: code; a profile is
numbers and names, whatever bytes it is read from.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from monitor.events import Float64, Int64
from monitor.sketches import wire
from monitor.sketches.calibration import Calibration
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.search import PointSearch
from monitor.sketches.seasonal import SeasonalReference

Reference = NumberReference | CategoryReference
HOURS_PER_WEEK = 7 * 24


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Columns (features and the outputs `score`, `prediction`) in the row order of the codes."""

    model: str
    model_version: str
    columns: tuple[Reference, ...]
    calibration: Calibration
    n_rows: int
    started_us: int
    ended_us: int
    """First and last event time of the reference; both 0 where it has no times."""
    events_per_day: float
    time_ordered: bool
    longest_gap_us: int
    hourly_counts: Int64
    """int64[168]: reference events by UTC hour of the week, Monday 00:00 first."""
    dataset_fingerprint: str
    checks: Mapping[str, Mapping[str, Float64]] = field(default_factory=dict)
    """What each check has learned of the reference's own panes: arrays by check and name."""
    performance: Mapping[str, Float64] = field(default_factory=dict)
    """What the reference's labels tell (`performance.reference`), arrays by name; empty without."""
    surrogate: Mapping[str, Float64] = field(default_factory=dict)
    """An additive copy of the score (`attribution.surrogate`), arrays by name; empty without."""

    _search: PointSearch = field(init=False, repr=False)

    def __post_init__(self) -> None:
        wire.check_profile(self)
        plain = {row: one for row, one in enumerate(self.columns) if type(one) is NumberReference}
        search = PointSearch(plain)
        shared = {row: replace(plain[row], points=search.points(row)) for row in search.rows}
        columns = tuple(shared.get(row, column) for row, column in enumerate(self.columns))
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "_search", search)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in row order."""
        return tuple(column.name for column in self.columns)

    def encode(
        self,
        numbers: Mapping[str, Float64],
        categories: Mapping[str, Sequence[str | None]],
        n: int,
        occurred_us: Int64 | None = None,
    ) -> Codes:
        """Codes uint16[F, n] of n events; a column absent from both mappings is all NULL_CODE.

        `occurred_us` int64[n] is needed where a column is compared by season.
        """
        codes = np.full((len(self.columns), n), NULL_CODE, dtype=np.uint16)
        together = list(self._search.rows)
        if together:
            absent = np.full(n, np.nan)
            found = [numbers.get(self.columns[row].name, absent) for row in together]
            codes[together] = self._search.codes(np.array(found))
        for row, column in enumerate(self.columns):
            if row in self._search.rows:
                continue
            if isinstance(column, NumberReference):
                if column.name not in numbers:
                    continue
                if isinstance(column, SeasonalReference) and occurred_us is not None:
                    codes[row] = column.codes_at(numbers[column.name], occurred_us)
                else:
                    codes[row] = column.codes(numbers[column.name])
            elif column.name in categories:
                codes[row] = column.codes(categories[column.name])
        return codes

    def to_bytes(self) -> bytes:
        """Deterministic bytes: the same profile gives the same bytes and hash."""
        return wire.pack_profile(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote; raises ProfileError on anything else."""
        return cls(**wire.unpack_profile(data))

    @property
    def hash(self) -> str:
        """Content address: "sha256:" and the hexadecimal digest of the bytes."""
        return f"sha256:{hashlib.sha256(self.to_bytes()).hexdigest()}"

"""Heat maps of a model: drift of each column over time, and missing values.

In: findings and pane summaries by bucket. Out: rows of cells. Never: a colour; a cell has a level
from 0 to 5 that the style sheet paints, and the words that say it.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from monitor.clock import US_PER_SECOND
from monitor.dashboard.panel import NothingToShowError
from monitor.dashboard.sources import Sources
from monitor.dashboard.stretch import Stretch
from monitor.dashboard.traffic import times
from monitor.storage.page_queries import DRIFT_MAP, QUALITY_MAP

OUTPUTS: Final = ("score", "prediction")
MOST_FAULTS: Final = 50
BLIND: Final = -1
"""Level of a cell in which no window could tell."""
NONE: Final = -2
"""Level of a cell without a look."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One column in one bucket."""

    level: int
    """0 (nothing) to 5 (far past the threshold); -1: cannot tell; -2: nothing was looked at."""
    words: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One column over time."""

    column: str
    worst: float
    """The largest number of the row: a share of the threshold, or of the events."""
    alarms: int
    """Looks of the row that saw drift; 0 in a map of missing values."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Columns by buckets of event time, the worst column first."""

    times: tuple[datetime, ...]
    bucket: str
    bucket_s: int
    rows: tuple[HeatRow, ...]


@dataclass(frozen=True, slots=True)
class FaultCount:
    """How often values of a column had a fault."""

    column: str
    reason: str
    events: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Missing values over time, and faults by their reason."""

    map: HeatMap
    faults: tuple[FaultCount, ...]


def drift(sources: Sources, model: str, version: str, stretch: Stretch) -> HeatMap:
    """How near each column came to the threshold of its drift tests."""
    asked = {"model": model, "version": version, **stretch.values()}
    by_column: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in sources.reader.rows(DRIFT_MAP, asked):
        by_column[row["feature"]][row["bucket"]] = row
    if not by_column:
        raise NothingToShowError(
            "No drift test looked in this time range: the version may have no reference profile, "
            "or fewer events than its smallest window."
        )
    rows = [
        HeatRow(
            column,
            worst=max(row["nearest"][0] for row in found.values()),
            alarms=sum(row["drifted"] for row in found.values()),
            cells=tuple(_drift_cell(found.get(bucket)) for bucket in range(stretch.buckets)),
        )
        for column, found in by_column.items()
    ]
    rows.sort(key=lambda row: (row.column not in OUTPUTS, -row.alarms, -row.worst, row.column))
    return HeatMap(times(stretch), stretch.width, stretch.width_us // US_PER_SECOND, tuple(rows))


def quality(sources: Sources, model: str, version: str, stretch: Stretch) -> Quality:
    """What is missing, and what is wrong with values."""
    asked = {"model": model, "version": version, **stretch.values()}
    by_column: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
    faults: Counter[tuple[str, str]] = Counter()
    for row in sources.reader.rows(QUALITY_MAP, asked):
        by_column[row["column"]][row["bucket"]] = row["missing"], row["events"]
        for reason, events in row["reasons"].items():
            faults[row["column"], reason] += events
    if not by_column:
        raise NothingToShowError("No tested event in this time range: choose a longer one.")
    rows = [
        HeatRow(
            column,
            worst=max(missing / max(events, 1) for missing, events in found.values()),
            alarms=0,
            cells=tuple(_missing_cell(found.get(bucket)) for bucket in range(stretch.buckets)),
        )
        for column, found in by_column.items()
    ]
    rows.sort(key=lambda row: (-row.worst, row.column))
    told = tuple(FaultCount(*key, events) for key, events in faults.most_common(MOST_FAULTS))
    return Quality(
        HeatMap(times(stretch), stretch.width, stretch.width_us // US_PER_SECOND, tuple(rows)), told
    )


def _drift_cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(NONE, "not looked at")
    share, effect, needed, check, scale = row["nearest"]
    if share < 0:
        return Cell(BLIND, f"cannot tell: {row['looks']} looks, none could see")
    return Cell(
        drift_level(share),
        f"{check} {effect:.3f} of {needed:.3f} needed (window of {scale:,}); {row['drifted']} of "
        f"{row['looks']} looks saw drift",
    )


def drift_level(share: float) -> int:
    """The level of a cell, from the effect as a share of what is needed.

    >>> [drift_level(share) for share in (0.1, 0.6, 0.9, 1.0, 1.6, 3.0)]
    [0, 1, 2, 3, 4, 5]
    """
    return sum(share >= bound for bound in (0.5, 0.8, 1.0, 1.5, 2.5))


def _missing_cell(found: tuple[int, int] | None) -> Cell:
    if found is None or not found[1]:
        return Cell(NONE, "no events")
    missing, events = found
    share = missing / events
    level = sum(share >= bound for bound in (0.001, 0.02, 0.1, 0.3, 0.6))
    return Cell(level, f"{missing:,} of {events:,} events without a value ({share:.1%})")

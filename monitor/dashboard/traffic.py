"""A model's traffic, and the level of its score or answer, over time.

In: pane summaries. Out: lines by bucket. Never: a raw event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import nan

import numpy as np

from monitor.dashboard.panel import NothingToShowError
from monitor.dashboard.sources import Sources, VersionAsked
from monitor.dashboard.stretch import Stretch
from monitor.sketches.number import NumberReference
from monitor.storage.page_queries import LEVELS, TRAFFIC


@dataclass(frozen=True, slots=True)
class VersionLine:
    """Events of one version by bucket."""

    model_version: str
    events: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Events by bucket of event time and version."""

    times: tuple[datetime, ...]
    """Where each bucket begins."""
    bucket: str
    total: int
    versions: tuple[VersionLine, ...]


@dataclass(frozen=True, slots=True)
class Levels:
    """Mean, smallest and largest value of one column by bucket, beside the reference's mean."""

    column: str
    times: tuple[datetime, ...]
    bucket: str
    mean: tuple[float, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    reference_mean: float
    """NaN where there is no reference."""


def traffic(sources: Sources, model: str, stretch: Stretch) -> Traffic:
    """Events of all tested versions of a model."""
    lines: dict[str, list[int]] = {}
    for row in sources.reader.rows(TRAFFIC, {"model": model, **stretch.values()}):
        line = lines.setdefault(row["model_version"], [0] * stretch.buckets)
        if 0 <= row["bucket"] < len(line):
            line[row["bucket"]] += row["events"]
    if not lines:
        raise NothingToShowError("No tested event in this time range: choose a longer one.")
    return Traffic(
        times=times(stretch),
        bucket=stretch.width,
        total=sum(sum(line) for line in lines.values()),
        versions=tuple(VersionLine(name, tuple(line)) for name, line in sorted(lines.items())),
    )


def levels(sources: Sources, one: VersionAsked, column: str, stretch: Stretch) -> Levels:
    """The level of a number column."""
    model, version = one.model, one.model_version
    asked = {"model": model, "version": version, "column": column, **stretch.values()}
    rows = sources.reader.rows(LEVELS, asked)
    rows = [row for row in rows if np.isfinite(row["mean"])]
    if not rows:
        raise NothingToShowError(f"No value of {column} as a number in this time range.")
    try:
        reference = reference_mean(sources.profile(one.card).columns, column)
    except NothingToShowError:
        reference = nan
    return Levels(
        column=column,
        times=tuple(stretch.at(row["bucket"]) for row in rows),
        bucket=stretch.width,
        mean=tuple(row["mean"] for row in rows),
        lowest=tuple(row["lowest"] for row in rows),
        highest=tuple(row["highest"] for row in rows),
        reference_mean=reference,
    )


def reference_mean(columns: Sequence[object], name: str) -> float:
    """The mean of a number column of the reference, NaN without one."""
    for column in columns:
        if isinstance(column, NumberReference) and column.name == name and column.n:
            return float(column.points @ column.counts / column.n)
    return nan


def times(stretch: Stretch) -> tuple[datetime, ...]:
    """Where each bucket of a stretch begins."""
    return tuple(stretch.at(bucket) for bucket in range(stretch.buckets))

"""How good a version was: metrics with bands, estimates beside, calibration, segments, verdicts.

In: closed cohorts and comparisons as stored. Out: records for panels. Never: a metric reckoned
here; means over cohorts are weighted by their labels.
"""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite, nan
from threading import Lock
from typing import Any, Final

import numpy as np

from monitor.dashboard.panel import NothingToShowError
from monitor.dashboard.sources import Sources, VersionAsked
from monitor.dashboard.stretch import Stretch
from monitor.storage.performance_queries import (
    COHORTS_OF_VERSION,
    LEVELS_OF_VERSIONS,
    SEGMENTS_OF_VERSION,
    VERDICTS_OF_MODEL,
)

SHOWN: Final = {
    "binary": ("log_loss", "auc", "calibration_bias"),
    "multiclass": ("log_loss", "accuracy", "ece"),
    "regression": ("mae", "rmse", "bias"),
}
"""Metrics that are drawn, by task; the first is the loss that versions are compared by."""
UNITS: Final = {
    "log_loss": "nats",
    "brier": "squared error",
    "mae": "target's unit",
    "rmse": "target's unit",
    "bias": "target's unit",
}
_NO_COHORT: Final = (
    "No cohort was closed in this time range: labels have to come first, and the card's label "
    "horizon has to pass."
)


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One metric by cohort: realised with its 95 % band, and the estimate without labels."""

    metric: str
    unit: str
    value: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    estimated: tuple[float, ...]
    baseline: tuple[float, ...]
    """Of the loss alone; NaN for other metrics."""
    mean: float
    """Over the stretch, weighted by labels."""


@dataclass(frozen=True, slots=True)
class Performance:
    """Metrics over the cohorts of a stretch."""

    times: tuple[datetime, ...]
    """Where each cohort begins."""
    predictions: int
    labelled: int
    lines: tuple[MetricLine, ...]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """One bin of promised probabilities."""

    promised: float
    observed: float
    predictions: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Promised beside observed rates over the cohorts of a stretch."""

    labelled: int
    bias: float
    """Observed minus promised, weighted by predictions."""
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One segment over a stretch."""

    segment: str
    """Empty: all traffic."""
    predictions: int
    labelled: int
    level: float
    """Mean of the loss over the stretch."""
    newest: float
    newest_lower: float
    newest_upper: float


@dataclass(frozen=True, slots=True)
class Segments:
    """All traffic first, then the segments with the most labels."""

    metric: str
    unit: str
    rows: tuple[SegmentRow, ...]


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One version against the one that it replaces."""

    new_version: str
    old_version: str
    at: datetime
    verdict: str
    design: str
    labels: int
    difference: float
    lower: float
    upper: float
    smallest_difference: float
    final: bool
    rollback_recommended: bool


@dataclass(frozen=True, slots=True)
class Level:
    """One metric of one version over all its cohorts."""

    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class VersionLevels:
    """All metrics of one version."""

    model_version: str
    labelled: int
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Versions side by side, with the verdicts."""

    metrics: tuple[str, ...]
    versions: tuple[VersionLevels, ...]
    verdicts: tuple[VerdictRow, ...]


class Cohorts:
    """The closed cohorts of a version in a stretch, asked once for the panels that need them."""

    def __init__(self, sources: Sources, one: VersionAsked, stretch: Stretch) -> None:
        self._sources = sources
        self._one = one
        self._stretch = stretch
        self._lock = Lock()
        self._rows: list[dict[str, Any]] | None = None

    @property
    def task(self) -> str:
        """Of the version."""
        return self._one.task

    def rows(self) -> list[dict[str, Any]]:
        """The rows, the oldest first; raises NothingToShowError where there are none."""
        with self._lock:
            if self._rows is None:
                asked: dict[str, Any] = {
                    "model": self._one.model,
                    "version": self._one.model_version,
                    "since": self._stretch.since,
                    "until": self._stretch.until,
                }
                self._rows = self._sources.reader.rows(COHORTS_OF_VERSION, asked)
        if not self._rows:
            raise NothingToShowError(_NO_COHORT)
        return self._rows


def performance(cohorts: Cohorts) -> Performance:
    """The metrics of the task by cohort."""
    rows = cohorts.rows()
    names = SHOWN.get(cohorts.task, SHOWN["binary"])
    return Performance(
        times=tuple(row["cohort_start"] for row in rows),
        predictions=sum(row["predictions"] for row in rows),
        labelled=sum(row["labelled"] for row in rows),
        lines=tuple(_line(rows, name, loss=place == 0) for place, name in enumerate(names)),
    )


def calibration(cohorts: Cohorts) -> Calibration:
    """Reliability of all cohorts of a stretch together, in 15 bins."""
    rows = cohorts.rows()
    n, promised, observed = np.zeros(15), np.zeros(15), np.zeros(15)
    for row in rows:
        counts = np.asarray(row["bin_counts"], np.float64)
        chances = np.asarray(row["promised"], np.float64)
        place = np.clip((chances * 15).astype(np.int64), 0, 14)
        np.add.at(n, place, counts)
        np.add.at(promised, place, counts * chances)
        np.add.at(observed, place, counts * np.asarray(row["observed"], np.float64))
    full = n > 0
    if not full.any():
        raise NothingToShowError("No probability with a label in this time range.")
    bins = tuple(
        ReliabilityBin(float(p), float(o), int(k))
        for p, o, k in zip(promised[full] / n[full], observed[full] / n[full], n[full], strict=True)
    )
    bias = float((observed.sum() - promised.sum()) / n.sum())
    return Calibration(sum(row["labelled"] for row in rows), bias, bins)


def segments(sources: Sources, one: VersionAsked, stretch: Stretch) -> Segments:
    """The loss of every segment."""
    metric = SHOWN.get(one.task, SHOWN["binary"])[0]
    asked: dict[str, Any] = {"model": one.model, "version": one.model_version, "metric": metric}
    asked |= {"since": stretch.since, "until": stretch.until}
    rows = sources.reader.rows(SEGMENTS_OF_VERSION, asked)
    if not rows:
        raise NothingToShowError(_NO_COHORT)
    told = tuple(
        SegmentRow(
            segment=row["segment"],
            predictions=row["answers"],
            labelled=row["labels"],
            level=row["level"],
            newest=row["newest"],
            newest_lower=row["newest_lower"],
            newest_upper=row["newest_upper"],
        )
        for row in rows
    )
    return Segments(metric, UNITS.get(metric, ""), told)


def comparison(sources: Sources, one: VersionAsked) -> Comparison:
    """The versions of a model side by side over all their cohorts."""
    model, task = one.model, one.task
    by_version: dict[str, dict[str, float]] = {}
    labelled: dict[str, int] = {}
    for row in sources.reader.rows(LEVELS_OF_VERSIONS, {"model": model}):
        by_version.setdefault(row["model_version"], {})[row["metric"]] = row["level"]
        labelled[row["model_version"]] = max(labelled.get(row["model_version"], 0), row["labels"])
    verdicts = tuple(
        VerdictRow(**row) for row in sources.reader.rows(VERDICTS_OF_MODEL, {"model": model})
    )
    if not by_version:
        raise NothingToShowError("No version has a label yet: versions are compared by outcomes.")
    first = SHOWN.get(task, SHOWN["binary"])
    every = sorted({name for levels in by_version.values() for name in levels})
    metrics = tuple(dict.fromkeys([*(name for name in first if name in every), *every]))
    versions = tuple(
        VersionLevels(
            name,
            labelled[name],
            tuple(Level(metric, levels.get(metric, nan)) for metric in metrics),
        )
        for name, levels in by_version.items()
    )
    return Comparison(metrics, versions, verdicts)


def _line(rows: list[dict[str, Any]], name: str, *, loss: bool) -> MetricLine:
    value = tuple(row["metrics"].get(name, nan) for row in rows)
    known = [(v, row["labelled"]) for v, row in zip(value, rows, strict=True) if isfinite(v)]
    weight = sum(labels for _, labels in known)
    return MetricLine(
        metric=name,
        unit=UNITS.get(name, ""),
        value=value,
        lower=tuple(row["lower"].get(name, nan) for row in rows),
        upper=tuple(row["upper"].get(name, nan) for row in rows),
        estimated=tuple(row["estimated"].get(name, nan) for row in rows),
        baseline=tuple(row["baseline_loss"] if loss else nan for row in rows),
        mean=sum(v * labels for v, labels in known) / weight if weight else nan,
    )

"""Performance over longer spans than a cohort: closed cohorts put together, metrics computed anew.

In: reports of one version. Out: one record a month. Never: a mean of metrics that have no mean: an
AUC is of rows.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from monitor.clock import to_datetime
from monitor.events import Float64
from monitor.performance.metrics import MEASURES, Labelled
from monitor.performance.report import CohortReport
from schemas.model import Task


@dataclass(frozen=True, slots=True)
class PeriodPerformance:
    """One version in one month."""

    period: str
    predictions: int
    labelled: int
    metrics: dict[str, float]
    """Of all labelled predictions."""
    baseline_loss: float
    estimated: dict[str, float]
    """Means of the cohorts' estimates, weighted by their predictions."""

    @property
    def coverage(self) -> float:
        """Share of the predictions that has a label."""
        return self.labelled / self.predictions

    def to_json(self) -> dict[str, Any]:
        """As one JSON object; what cannot be said is null."""
        values = asdict(self) | {"coverage": self.coverage}
        for name in ("metrics", "estimated"):
            values[name] = {k: _or_none(value) for k, value in values[name].items()}
        values["baseline_loss"] = _or_none(self.baseline_loss)
        return values


def by_month(task: Task, reports: Sequence[CohortReport]) -> list[PeriodPerformance]:
    """One record for each month in which a cohort begins (UTC)."""
    months: defaultdict[str, list[CohortReport]] = defaultdict(list)
    for report in reports:
        months[f"{to_datetime(report.started_us):%Y-%m}"].append(report)
    return [_of(task, month, parts) for month, parts in sorted(months.items())]


def _of(task: Task, period: str, reports: Sequence[CohortReport]) -> PeriodPerformance:
    rows = [report.rows.measurable() for report in reports]
    together = Labelled(
        *(
            np.concatenate([getattr(one, name) for one in rows])
            for name in ("truth", "answer", "score", "scores")
        )
    )
    labelled = np.array([report.labelled for report in reports], np.float64)
    predictions = np.array([report.predictions for report in reports], np.float64)
    names = dict.fromkeys(name for report in reports for name in report.estimated)
    return PeriodPerformance(
        period=period,
        predictions=int(predictions.sum()),
        labelled=len(together),
        metrics=MEASURES[task](together) if len(together) else {},
        baseline_loss=_mean(np.array([one.baseline_loss for one in reports]), labelled),
        estimated={
            name: _mean(np.array([one.estimated.get(name, np.nan) for one in reports]), predictions)
            for name in names
        },
    )


def _mean(values: Float64, weights: Float64) -> float:
    known = ~np.isnan(values) & (weights > 0)
    return float(np.average(values[known], weights=weights[known])) if known.any() else math.nan


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None

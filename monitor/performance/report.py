"""What one closed cohort says of one version: the record that is stored and judged.

In: what the watch measured. Out: the same, named. Never: a number computed here, but for shares.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.events import Float64, Int64
from monitor.findings import Measurement
from monitor.performance.chain import ChainRise
from monitor.performance.cohorts import ClosedCohort
from monitor.performance.compare import VersionVerdict
from monitor.performance.estimate import Reconciled
from monitor.performance.metrics import Metric, Reliability
from monitor.performance.rows import CohortRows


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Of each row of a cohort; NaN without a label."""

    model: Float64
    baseline: Float64
    most: Float64
    """The largest that the baseline's could have been."""


@dataclass(frozen=True, slots=True, eq=False)
class CohortReport:
    """What one closed cohort says of one version."""

    model: str
    model_version: str
    started_us: int
    ended_us: int
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    first_event: int
    """Number of the version's predictions in its cohorts before this one."""
    predictions: int
    labelled: int
    corrections: int
    repeats: int
    baseline_loss: float
    """Mean loss of the baseline on the labelled predictions; NaN without any."""
    maturity: float
    """Share of the labels that ever come which had come when the last prediction's were sealed."""
    metrics: tuple[Metric, ...]
    estimated: Mapping[str, float]
    """Of all predictions of the cohort, without their labels."""
    reconciled: tuple[Reconciled, ...]
    """Estimates of the labelled predictions beside what came true."""
    measurements: tuple[Measurement, ...]
    """Of this version; those of the model as a whole stand in its first version's report."""
    verdict: VersionVerdict | None
    """Against the version it replaces, where that has changed in this cohort."""
    chain: ChainRise | None
    """A rise of the loss over several replacements, found when one of them was over."""
    reliability: Reliability
    confusion: Int64
    """Truth by answer; empty for a regression model."""
    rows: CohortRows
    losses: Losses
    stored: Any
    """Arrow table with the stored predictions of `rows`, row by row: segments, features, ..."""
    cohort: ClosedCohort
    """All versions of it."""
    segment: str = ""
    """Of the rows, as `column=value`; empty for all of them."""

    @property
    def coverage(self) -> float:
        """Share of the predictions that has a label."""
        return self.labelled / self.predictions

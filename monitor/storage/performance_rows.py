"""Rows of the tables `cohorts` and `comparisons`.

In: reports of closed cohorts. Out: an Arrow table each. Never: a number computed here but for the
ends of a band.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from monitor.performance.report import CohortReport
from monitor.storage.arrays import maps, moments, texts, words

Z_95: Final = 1.959964


def cohort_table(reports: Sequence[CohortReport]) -> Any:
    """Rows of the cohorts table: one a version, cohort and segment."""
    named = [{metric.name: metric for metric in report.metrics} for report in reports]
    columns = _where(reports) | {
        "model_version": words([one.model_version for one in reports]),
        "segment": texts([one.segment for one in reports]),
        "cohort_start": moments([one.started_us for one in reports]),
        "cohort_end": moments([one.ended_us for one in reports]),
        "maturity": pa.array([one.maturity for one in reports], pa.float64()),
        "metrics": _numbers([{k: one.value for k, one in row.items()} for row in named]),
        "lower": _numbers([{k: one.low for k, one in row.items()} for row in named]),
        "upper": _numbers([{k: one.high for k, one in row.items()} for row in named]),
        "estimated": _numbers([one.estimated for one in reports]),
        "estimate_error": _numbers(
            [{one.metric: one.error for one in report.reconciled} for report in reports]
        ),
        "baseline_loss": pa.array([one.baseline_loss for one in reports], pa.float64()),
        "promised": _arrays([one.reliability[0] for one in reports], pa.float64()),
        "observed": _arrays([one.reliability[1] for one in reports], pa.float64()),
        "bin_counts": _arrays([one.reliability[2] for one in reports], pa.uint64()),
        "confusion": _arrays([one.confusion.ravel() for one in reports], pa.uint64()),
        "first_offset": pa.array([one.first_offset for one in reports], pa.int64()),
        "answers_below": pa.array([one.cohort.ref.answers_below for one in reports], pa.int64()),
        "labels_below": pa.array([one.cohort.ref.truths_below for one in reports], pa.int64()),
    }
    for name in ("predictions", "labelled", "corrections", "repeats"):
        columns[name] = pa.array([getattr(one, name) for one in reports], pa.uint64())
    return pa.table(columns)


def comparison_table(reports: Sequence[CohortReport]) -> Any:
    """Rows of the comparisons table: one a verdict that has changed."""
    changed = [report for report in reports if report.verdict is not None]
    verdicts = [report.verdict for report in changed if report.verdict is not None]
    half = [Z_95 * one.standard_error for one in verdicts]
    columns = _where(changed) | {
        "new_version": words([one.new for one in verdicts]),
        "old_version": words([one.old for one in verdicts]),
        "at": moments([report.ended_us for report in changed]),
        "verdict": words([one.outcome.value for one in verdicts]),
        "design": words([one.pairing.value if one.pairing else "" for one in verdicts]),
        "labels": pa.array([one.labelled for one in verdicts], pa.uint64()),
        "blocks": pa.array([one.blocks for one in verdicts], pa.uint32()),
        "difference": pa.array([one.difference for one in verdicts], pa.float64()),
        "lower": pa.array(
            [one.difference - width for one, width in zip(verdicts, half, strict=True)], "float64"
        ),
        "upper": pa.array(
            [one.difference + width for one, width in zip(verdicts, half, strict=True)], "float64"
        ),
        "evidence": pa.array([one.evidence for one in verdicts], pa.float64()),
        "smallest_difference": pa.array([one.smallest_visible for one in verdicts], pa.float64()),
        "final": pa.array([one.final for one in verdicts], pa.bool_()),
        "rollback_recommended": pa.array(
            [one.rollback_recommended for one in verdicts], pa.bool_()
        ),
    }
    return pa.table(columns)


def _where(reports: Sequence[CohortReport]) -> dict[str, Any]:
    return {
        "model": words([one.model for one in reports]),
        "topic": words([one.topic for one in reports]),
        "partition": pa.array([one.partition for one in reports], pa.int32()),
        "last_offset": pa.array([one.last_offset for one in reports], pa.int64()),
    }


def _numbers(rows: Sequence[Any]) -> Any:
    return maps([{name: float(value) for name, value in row.items()} for row in rows], pa.float64())


def _arrays(rows: Sequence[Any], kind: Any) -> Any:
    ends = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int32)
    items = pa.array(np.concatenate([np.zeros(0), *rows]))
    return pa.ListArray.from_arrays(pa.array(ends), items.cast(kind))

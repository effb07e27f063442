"""Reports of closed cohorts from plain columns, as a watch would give them."""

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from monitor.events import Float64
from monitor.performance.cohorts import ClosedCohort, CohortRef
from monitor.performance.lookup import Looked
from monitor.performance.losses import losses, two_columns
from monitor.performance.report import CohortReport, Losses
from monitor.performance.rows import CohortRows
from schemas.model import ModelCard

DAY_US = 86_400_000_000


def report_of(
    card: ModelCard,
    day: int,
    score: Float64,
    truth: Float64,
    *,
    numbers: Mapping[str, Float64] | None = None,
    texts: Mapping[str, Sequence[str | None]] | None = None,
    tags: Mapping[str, Sequence[str | None]] | None = None,
    sent: Mapping[str, Float64] | None = None,
    base_rate: float = 0.3,
) -> CohortReport:
    """A day of a binary model; the features in the card's order."""
    numbers, texts, tags, n = numbers or {}, texts or {}, tags or {}, len(score)
    times = day * DAY_US + np.arange(n) * (DAY_US // n)
    columns = [
        numbers[name] if name in numbers else _present(texts[name]) for name in card.features
    ]
    rows = CohortRows(
        versions=(card.model_version,),
        offset=np.arange(n) + day * 1_000_000,
        occurred_us=times,
        version=np.zeros(n, np.int64),
        live=np.ones(n, np.int64),
        request=np.zeros(n, np.int64),
        answer=(score >= (card.threshold or 0.5)).astype(np.float64),
        score=score,
        scores=np.zeros((n, 0)),
        features=np.array(columns, np.float64).reshape(len(columns), n).T,
        truth=truth,
        observed_us=times,
        corrections=np.zeros(n, np.int64),
        repeats=np.zeros(n, np.int64),
    )
    base = np.full(n, base_rate)
    empty = np.zeros(0)
    nothing = cast(Looked, None)  # what was read is asked for by nobody
    return CohortReport(
        model=card.model,
        model_version=card.model_version,
        started_us=day * DAY_US,
        ended_us=(day + 1) * DAY_US,
        topic="predictions",
        partition=0,
        first_offset=int(rows.offset[0]),
        last_offset=int(rows.offset[-1]),
        first_event=0,
        predictions=n,
        labelled=int(np.isfinite(truth).sum()),
        corrections=0,
        repeats=0,
        baseline_loss=0.6,
        maturity=1.0,
        metrics=(),
        estimated={},
        reconciled=(),
        measurements=(),
        verdict=None,
        chain=None,
        reliability=(empty, empty, empty.astype(np.int64)),
        confusion=np.zeros((2, 2), np.int64),
        rows=rows,
        losses=Losses(
            losses("binary", truth, rows.answer, two_columns(score)),
            losses("binary", truth, rows.answer, two_columns(base)),
            -np.log(np.minimum(base, 1 - base)),
        ),
        stored=pa.table(
            {"strings": _maps(texts, n), "segments": _maps(tags, n)}
            | {"attributions": _sent(sent, n)}
        ),
        cohort=ClosedCohort(CohortRef(day, 0, 0), day * DAY_US, (day + 1) * DAY_US, rows, nothing),
    )


def _present(texts: Sequence[str | None]) -> Float64:
    return np.array([np.nan if one is None else 0.0 for one in texts])


def _maps(columns: Mapping[str, Sequence[str | None]], n: int) -> pa.Array:
    rows = [
        [(name, values[row]) for name, values in columns.items() if values[row] is not None]
        for row in range(n)
    ]
    return pa.array(rows, pa.map_(pa.string(), pa.string()))


def _sent(columns: Mapping[str, Float64] | None, n: int) -> pa.Array:
    """Attributions: all of an event's, or none where they are NaN."""
    rows = [
        [
            (name, values[row])
            for name, values in (columns or {}).items()
            if values[row] == values[row]
        ]
        for row in range(n)
    ]
    return pa.array(rows, pa.map_(pa.string(), pa.float64()))

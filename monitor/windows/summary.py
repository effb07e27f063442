"""What is kept of a closed pane: one mergeable summary a column.

In: closed panes, their numbers, their faults. Out: pane summaries for storage.
Never: a single event's value.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import nan
from typing import Final, NamedTuple

import numpy as np

from monitor.events import Float64, PaneSummary
from monitor.findings import Span
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.kll import KllSummary
from monitor.sketches.profile import Profile

OTHER: Final = "(other)"
"""Name under which values that the reference never had are counted together."""

FeatureFault = tuple[str, str]
"""(feature, reason)."""


class PaneMeasures(NamedTuple):
    """What a pane's values say, with a place for each column."""

    missing: list[int]
    means: list[float]
    minima: list[float]
    maxima: list[float]
    sketches: list[bytes]
    counts: list[Mapping[str, int]]


class PaneSummaries:
    """Summaries of the panes of one model version.

    **Cost**: 5 us a column and pane, most of it the sketch.
    """

    def __init__(self, profile: Profile, model_version: str) -> None:
        self._model, self._model_version = profile.model, model_version
        self._names = profile.names
        self._categories = {
            row: column
            for row, column in enumerate(profile.columns)
            if isinstance(column, CategoryReference)
        }
        rows = range(len(profile.columns))
        self._numbers = [row for row in rows if row not in self._categories]

    def measured(self, codes: Codes, values: Float64) -> list[PaneMeasures]:
        """Of several panes at once; nothing of one depends on the others.

        `codes` is uint16[panes, columns, n], `values` float64[panes, number columns, n] with the
        number columns in their order.
        """
        panes, columns = codes.shape[:2]
        ends = np.full((3, panes, columns), nan)
        ends[:, :, self._numbers] = _ends(values)
        missing = np.count_nonzero(codes == NULL_CODE, axis=-1)
        found = [
            PaneMeasures(nulls, means, minima, maxima, [b""] * columns, [{}] * columns)
            for nulls, means, minima, maxima in zip(missing.tolist(), *ends.tolist(), strict=True)
        ]
        for of_pane, rows in zip(found, values, strict=True):
            for row, of_column in zip(self._numbers, rows, strict=True):
                of_pane.sketches[row] = KllSummary(of_column).to_bytes()
        for row, column in self._categories.items():
            for of_pane, counts in zip(found, _counts(column, codes[:, row]), strict=True):
                of_pane.counts[row] = counts
        return found

    def of(
        self,
        pane: int,
        span: Span,
        n: int,
        of_columns: PaneMeasures,
        faults: Sequence[FeatureFault],
    ) -> PaneSummary:
        """Of the pane with this index, which has `n` events."""
        by_feature: dict[str, dict[str, int]] = {}
        for (feature, reason), count in Counter(faults).items():
            by_feature.setdefault(feature, {})[reason] = count
        return PaneSummary(
            model=self._model,
            model_version=self._model_version,
            pane=pane,
            topic=span.topic,
            partition=span.partition,
            first_event=span.first_event,
            last_event=span.last_event,
            first_offset=span.first_offset,
            last_offset=span.last_offset,
            started_us=span.started_us,
            ended_us=span.ended_us,
            n=n,
            columns=self._names,
            missing=of_columns.missing,
            means=of_columns.means,
            minima=of_columns.minima,
            maxima=of_columns.maxima,
            sketches=of_columns.sketches,
            counts=of_columns.counts,
            faults=[by_feature.get(name, {}) for name in self._names],
        )


def _ends(values: Float64) -> Float64:
    """float64[3, panes, columns]: mean, smallest and largest of each row; NaN is no value."""
    null = np.isnan(values)
    n = values.shape[-1] - np.count_nonzero(null, axis=-1)
    sums = np.where(null, 0.0, values).sum(axis=-1)
    means = np.where(n > 0, sums / np.maximum(n, 1), nan)
    return np.stack([means, np.fmin.reduce(values, axis=-1), np.fmax.reduce(values, axis=-1)])


def _counts(column: CategoryReference, codes: Codes) -> Iterator[Mapping[str, int]]:
    """Of each pane how often each name occurs; `codes` uint16[panes, n]."""
    panes, width = len(codes), column.slots + 1
    places = np.minimum(codes, column.slots) + np.arange(0, panes * width, width)[:, None]
    found = np.bincount(places.ravel(), minlength=panes * width).reshape(panes, width)
    names = (*column.names, OTHER)
    for row in found[:, :-1]:
        at = row.nonzero()[0]
        yield {names[place]: n for place, n in zip(at.tolist(), row[at].tolist(), strict=True)}

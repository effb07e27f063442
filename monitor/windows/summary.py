"""What is kept of a closed pane: one mergeable summary a column.

In: a closed pane, its numbers, its faults. Out: pane summaries for storage.
Never: a single event's value.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from math import nan
from typing import Final

import numpy as np

from monitor.events import Float64, PaneSummary
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.kll import KllSummary
from monitor.sketches.profile import Profile
from monitor.windows.panes import Pane

OTHER: Final = "(other)"
"""Name under which values that the reference never had are counted together."""

FeatureFault = tuple[str, str]
"""(feature, reason)."""


def summarise(
    profile: Profile,
    model_version: str,
    pane: Pane,
    values: Float64,
    faults: Iterable[FeatureFault],
) -> list[PaneSummary]:
    """Summaries of every column of a pane; `values` has the number columns in their order."""
    by_feature: dict[str, Counter[str]] = defaultdict(Counter)
    for feature, reason in faults:
        by_feature[feature][reason] += 1
    missing = np.count_nonzero(pane.codes == NULL_CODE, axis=1).tolist()
    numbers = _numbers(values)
    span, n = pane.span, pane.codes.shape[1]
    summaries = []
    for row, column in enumerate(profile.columns):
        if isinstance(column, CategoryReference):
            sketch, mean, minimum, maximum = b"", nan, nan, nan
            counts = _counts(column, pane.codes[row])
        else:
            sketch, mean, minimum, maximum = next(numbers)
            counts = {}
        summaries.append(
            PaneSummary(
                model=profile.model,
                model_version=model_version,
                column=column.name,
                pane=pane.index,
                topic=span.topic,
                partition=span.partition,
                first_event=span.first_event,
                last_event=span.last_event,
                first_offset=span.first_offset,
                last_offset=span.last_offset,
                started_us=span.started_us,
                ended_us=span.ended_us,
                n=n,
                missing=missing[row],
                mean=mean,
                minimum=minimum,
                maximum=maximum,
                sketch=sketch,
                counts=counts,
                faults=dict(by_feature.get(column.name, {})),
            )
        )
    return summaries


def _numbers(values: Float64) -> Iterator[tuple[bytes, float, float, float]]:
    """Sketch, mean, smallest and largest of each row; NaN is no value."""
    values = np.ascontiguousarray(values)  # else the order of a sum depends on how batches were cut
    n = values.shape[1] - np.count_nonzero(np.isnan(values), axis=1)
    means = np.where(n > 0, np.nansum(values, axis=1) / np.maximum(n, 1), nan)
    sketches = [KllSummary(row).to_bytes() for row in values]
    return zip(
        sketches,
        means.tolist(),
        np.fmin.reduce(values, axis=1).tolist(),
        np.fmax.reduce(values, axis=1).tolist(),
        strict=True,
    )


def _counts(column: CategoryReference, codes: Codes) -> Mapping[str, int]:
    found = np.bincount(codes[codes != NULL_CODE], minlength=len(column.names) + 1).tolist()
    names = (*column.names, OTHER)
    return {name: n for name, n in zip(names, found, strict=True) if n}

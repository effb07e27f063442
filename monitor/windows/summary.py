"""What is kept of a closed pane: one mergeable summary a column.

In: a closed pane, its numbers, its faults. Out: pane summaries for storage.
Never: a single event's value.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
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
    summaries = []
    number = 0
    for row, column in enumerate(profile.columns):
        codes = pane.codes[row]
        usable = codes != NULL_CODE
        missing = len(codes) - int(np.count_nonzero(usable))
        sketch = b""
        counts: Mapping[str, int] = {}
        mean = minimum = maximum = float("nan")
        if isinstance(column, CategoryReference):
            counts = _counts(column, codes[usable])
        else:
            present = values[number]
            present = present[~np.isnan(present)]
            number += 1
            sketch = KllSummary(present).to_bytes()
            if len(present):
                mean, minimum, maximum = (
                    float(present.mean()),
                    float(present.min()),
                    float(present.max()),
                )
        span = pane.span
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
                n=len(codes),
                missing=missing,
                mean=mean,
                minimum=minimum,
                maximum=maximum,
                sketch=sketch,
                counts=counts,
                faults=dict(by_feature.get(column.name, {})),
            )
        )
    return summaries


def _counts(column: CategoryReference, codes: Codes) -> Mapping[str, int]:
    found = np.bincount(codes, minlength=len(column.names) + 1).tolist()
    names = (*column.names, OTHER)
    return {name: n for name, n in zip(names, found, strict=True) if n}

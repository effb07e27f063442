"""Synthetic references and streams with a known truth."""

import numpy as np
from scipy.signal import lfilter

from monitor.detectors.calibration import calibrate
from monitor.events import Float64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile, Reference
from schemas.model import Monitoring

PER_MILLION = Monitoring(events_per_day=1_000_000 / 30, effect_floor=0.0)
"""One false alarm per million events over everything; no effect is too small."""


def normal(rng: np.random.Generator, n: int, columns: int, autocorrelation: float = 0.0) -> Float64:
    """float64[columns, n] standard normal values, AR(1) where asked."""
    noise = rng.normal(size=(columns, n))
    if autocorrelation == 0.0:
        return noise
    noise[:, 1:] *= np.sqrt(1.0 - autocorrelation**2)
    return np.asarray(lfilter([1.0], [1.0, -autocorrelation], noise, axis=1), dtype=np.float64)


def profile_of(
    numbers: dict[str, Float64],
    categories: dict[str, list[str | None]] | None = None,
    monitoring: Monitoring = PER_MILLION,
    *,
    time_ordered: bool = True,
) -> Profile:
    """A profile of reference columns, as `plumbline profile` would make it."""
    categories = categories or {}
    references: tuple[Reference, ...] = (
        *(NumberReference.from_values(name, values) for name, values in numbers.items()),
        *(CategoryReference.from_values(name, values) for name, values in categories.items()),
    )
    codes = np.stack(
        [
            reference.codes(numbers[reference.name])
            if isinstance(reference, NumberReference)
            else reference.codes(categories[reference.name])
            for reference in references
        ]
    )
    return Profile(
        model="m",
        model_version="1",
        columns=references,
        calibration=calibrate(codes, references, monitoring, time_ordered=time_ordered),
        n_rows=codes.shape[1],
        started_us=0,
        ended_us=0,
        events_per_day=1_000.0,
        time_ordered=time_ordered,
        longest_gap_us=0,
        hourly_counts=np.zeros(168, dtype=np.int64),
        dataset_fingerprint="sha256:" + "0" * 64,
    )


def named(values: Float64) -> dict[str, Float64]:
    """Rows of a matrix as columns x0, x1, ..."""
    return {f"x{row}": row_values for row, row_values in enumerate(values)}


def encoded(profile: Profile, values: Float64) -> Codes:
    """Codes of a matrix whose rows are the profile's columns."""
    return profile.encode(named(values), {}, values.shape[1])

"""What the reference says of its own dependence: the record a profile carries.

In: nothing; `monitor.detectors.calibration` measures it. Out: frozen arrays by column (F, in the
order of the profile), by window size (S) and by alternative of the sequential detector (K).
Never: a threshold; those follow from these numbers and the card's budget.
"""

from dataclasses import dataclass, fields

import numpy as np

from monitor.errors import ProfileError
from monitor.events import Float64, Int64


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """How far blocks of the reference spread, against what independent rows would.

    NaN stands for "could not be measured".
    """

    scales: Int64
    """int64[S]: window sizes, rising."""
    blocks: Int64
    """int64[S]: disjoint blocks of that size in the reference."""
    design_effect: Float64
    """float64[F, S]: variance of the distance (KS, chi-squared) over independence's, >= 1."""
    certainty: Float64
    """float64[F, S]: degrees of freedom with which that design effect is known."""
    freedom: Float64
    """float64[F, S]: Satterthwaite's degrees of freedom of chi-squared; NaN for a number."""
    missing_effect: Float64
    """float64[F, S]: the same of the missing rate."""
    missing_certainty: Float64
    """float64[F, S]"""
    unseen_effect: Float64
    """float64[F, S]: the same of the rate of values outside the reference's names."""
    unseen_certainty: Float64
    """float64[F, S]"""
    sequential_effect: Float64
    """float64[F, K]: long-run variance of each alternative's score over its variance, >= 1."""
    sequential_error: Float64
    """float64[F, K]: relative standard error of that effect."""
    sequential_peak: Float64
    """float64[F, K]: highest value the statistic reached on the reference, in nats."""
    pair_mean: Float64
    """float64[S, F, F]: mean over blocks of the Fisher-transformed rank correlation.

    [S, 0, 0] where there are too many columns, or too few, to pair.
    """
    pair_spread: Float64
    """float64[S, F, F]: its standard deviation over blocks."""
    joint_mean: Float64
    """float64[S]: mean over blocks of the joint statistic."""
    joint_spread: Float64
    """float64[S]: its standard deviation over blocks."""
    river_alarms: Int64
    """int64[R]: alarms of each River detector of the card on the reference, -1: not run."""
    river_names: tuple[str, ...]
    """The detectors those belong to, as `river_detectors.identity` names them."""
    time_ordered: bool
    """False: the reference had no order, and rows were taken as independent."""

    def __post_init__(self) -> None:
        columns, scales = self.design_effect.shape
        paired = columns if self.pair_mean.size else 0
        expected = {
            "scales": (scales,),
            "blocks": (scales,),
            "certainty": (columns, scales),
            "freedom": (columns, scales),
            "missing_effect": (columns, scales),
            "missing_certainty": (columns, scales),
            "unseen_effect": (columns, scales),
            "unseen_certainty": (columns, scales),
            "sequential_effect": (columns, self.sequential_effect.shape[-1]),
            "sequential_error": (columns, self.sequential_effect.shape[-1]),
            "sequential_peak": (columns, self.sequential_effect.shape[-1]),
            "pair_mean": (scales, paired, paired),
            "pair_spread": (scales, paired, paired),
            "joint_mean": (scales,),
            "joint_spread": (scales,),
            "river_alarms": (len(self.river_names),),
        }
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ProfileError(f"calibration field {name} has shape {found}, not {shape}")

    def place_of(self, scale: int) -> int:
        """Index of a window size, -1 where it was not calibrated."""
        found = np.flatnonzero(self.scales == scale)
        return int(found[0]) if found.size else -1


ARRAY_FIELDS = tuple(
    field.name for field in fields(Calibration) if field.name not in ("river_names", "time_ordered")
)

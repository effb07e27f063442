"""A one-sided sequential test by betting: has a mean been above zero for some time?

In: means of blocks, each with a lower bound known before it. Out: an alarm, and since when and how
much. Never: an assumption of independence or stationarity: the null is that no block's mean,
given all blocks before, is above zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from monitor.errors import StateError
from monitor.events import Float64

STAKES: Final[Float64] = np.geomspace(0.02, 0.9, 10)
"""Shares of the bound that are bet; their gains are averaged."""


@dataclass(frozen=True, slots=True)
class Rise:
    """What the bets say now."""

    evidence: float
    """Average gain, nats: the log of a Shiryaev-Roberts e-detector."""
    alarm: bool
    mean: float
    """Mean of the blocks since the rise began."""
    blocks: int
    """How many blocks that is."""


class BettingDetector:
    """Shiryaev-Roberts detector over bets on block means.

    Parameters
    ----------
    blocks_between_alarms
        Expected blocks up to a false alarm, at least; under the null of the module, whatever the
        distribution and however later blocks depend on earlier ones.
    floor
        Smallest mean since the rise began that is worth an alarm, in the blocks' unit.

    Each stake s has R = (1 + R)(1 + s x / bound) with x >= -bound; the average of the R of STAKES
    minus the number of blocks is a supermartingale, which bounds the run length.

    **Blind to** means below the floor, and to a rise that a block's own length hides.

    **Cost**: 10 products a block.

    >>> detector = BettingDetector(blocks_between_alarms=1_000, floor=0.01)
    >>> any(detector.add(-0.05, bound=1.0).alarm for _ in range(500))
    False
    >>> next(n for n in range(1, 500) if detector.add(0.2, bound=1.0).alarm)
    32

    Shin, Ramdas and Rinaldo (2022), E-detectors; Waudby-Smith and Ramdas (2024), Estimating means
    of bounded random variables by betting.
    """

    def __init__(self, blocks_between_alarms: float, floor: float) -> None:
        self._limit = blocks_between_alarms
        self._floor = floor
        self._gain: Float64 = np.zeros(len(STAKES))
        self._rise: Float64 = np.zeros(len(STAKES))
        """Log-gain of each stake since its last low."""
        self._since: Float64 = np.zeros((2, len(STAKES)))
        """Sum and number of blocks since that low."""

    def add(self, mean: float, bound: float) -> Rise:
        """Take a block's mean, at least -`bound`; the bound was known before the block."""
        step = np.maximum(STAKES * (mean / bound), -0.999)
        self._gain = (1.0 + self._gain) * (1.0 + step)
        fresh = self._rise <= 0.0
        self._since[:, fresh] = 0.0
        self._since += np.array([[mean], [1.0]])
        self._rise = np.where(fresh, 0.0, self._rise) + np.log1p(step)
        best = int(np.argmax(self._rise))
        blocks = int(self._since[1, best])
        since = float(self._since[0, best]) / max(blocks, 1)
        evidence = float(np.log(max(self._gain.mean(), 1e-300)))
        alarm = evidence >= np.log(self._limit) and since >= self._floor
        return Rise(evidence, alarm, since, blocks)

    def begin_again(self) -> None:
        """Forget the evidence."""
        self._gain = np.zeros(len(STAKES))
        self._rise = np.zeros(len(STAKES))
        self._since = np.zeros((2, len(STAKES)))

    def state(self) -> dict[str, Any]:
        """Plain arrays."""
        return {"gain": self._gain, "rise": self._rise, "since": self._since}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`; StateError where it has another form."""
        found = {name: np.array(state[name], np.float64) for name in ("gain", "rise", "since")}
        if found["since"].shape != (2, len(STAKES)):
            raise StateError(f"a saved betting detector does not have {len(STAKES)} stakes")
        self._gain, self._rise, self._since = found["gain"], found["rise"], found["since"]

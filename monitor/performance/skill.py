"""Is the model worth having: worse than its baseline, promising wrongly, or too good to be true?

In: the losses of a version and of its baseline, cohort by cohort. Out: measurements that feed
alerts. Never: a verdict on one cohort alone.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from monitor.events import Float64
from monitor.findings import Measurement, Verdict
from monitor.performance.betting import BettingDetector, Rise
from monitor.performance.blocks import BLOCK_ROWS, Blocks

BLOCKS_BETWEEN_ALARMS: Final = 3_000.0
"""Of each detector: 300,000 labelled predictions, unless the budget says otherwise."""
WORSE_FLOOR: Final = 0.02
"""Smallest loss above the baseline's worth an alert, as a share of the baseline's."""
CALIBRATION_FLOOR: Final = 0.05
"""Smallest distance of promised and observed rates worth an alert."""
TOO_GOOD: Final = 0.9
"""Share of the baseline's loss that no honest model saves on an uncertain outcome."""
TOO_GOOD_BLOCKS: Final = 10
CLEAR_BLOCKS: Final = 50
"""Blocks over which all must be well before an alarm ends: a good day does not."""


class SkillWatch:
    """Sequential tests of one version against its baseline and against its own promises.

    Parameters
    ----------
    blocks_between_alarms
        Expected blocks of BLOCK_ROWS labelled predictions up to a false alarm of one test.

    Checks: `worse_than_baseline` (mean of loss - baseline's loss, over the baseline's loss),
    `calibration` (binary: observed minus promised rate, either way), `too_good` (share of the
    baseline's loss saved over the last TOO_GOOD_BLOCKS blocks, at least TOO_GOOD in each).

    After an alarm a test begins again; it is cleared while the mean of the last CLEAR_BLOCKS blocks
    is on the good side.

    **Blind to** blocks that take turns in being better and worse within BLOCK_ROWS rows.

    **Cost**: a microsecond a labelled prediction.
    """

    def __init__(self, blocks_between_alarms: float = BLOCKS_BETWEEN_ALARMS) -> None:
        self._blocks = Blocks(columns=4)
        self._worse = BettingDetector(blocks_between_alarms, WORSE_FLOOR)
        self._promises = {
            sign: BettingDetector(blocks_between_alarms, CALIBRATION_FLOOR) for sign in (1, -1)
        }
        self._last: Float64 = np.zeros((0, 4))
        self._n = 0

    def add(
        self, loss: Float64, base: Float64, most: Float64, residual: Float64
    ) -> list[Measurement]:
        """Take a cohort's labelled rows; what each test says after it.

        `most` is the largest loss that the baseline could have had, known before the label;
        `residual` is outcome minus probability, NaN where there is no such thing.
        """
        rows = np.column_stack((loss, base, most, residual))
        rows = rows[~np.isnan(rows[:, :3]).any(axis=1)]
        blocks = self._blocks.add(rows)
        self._n += len(rows)
        found: dict[str, Rise] = {}
        for block in blocks:
            for check, rise in self._looked_at(block).items():
                if check not in found or rise.alarm or not found[check].alarm:
                    found[check] = rise
        self._last = np.concatenate((self._last, blocks))[-CLEAR_BLOCKS:]
        said = [self._measured(check, rise) for check, rise in found.items()]
        return [*said, self._too_good()] if len(blocks) else said

    def _looked_at(self, block: Float64) -> dict[str, Rise]:
        loss, base, most, residual = (float(value) for value in block)
        scale = max(base, 1e-9)
        worse = self._worse.add((loss - base) / scale, bound=max(most, base) / scale)
        if worse.alarm:
            self._worse.begin_again()
        if np.isnan(residual):
            return {"worse_than_baseline": worse}
        sides = []
        for sign, detector in self._promises.items():
            side = detector.add(sign * residual, bound=1.0)
            if side.alarm:
                detector.begin_again()
            sides.append(Rise(side.evidence, side.alarm, sign * side.mean, side.blocks))
        promises = max(sides, key=lambda one: (one.alarm, one.evidence))
        return {"worse_than_baseline": worse, "calibration": promises}

    def _measured(self, check: str, rise: Rise) -> Measurement:
        """A sequential test's last word, or its alarm."""
        loss, base, _, residual = self._last.mean(axis=0)
        excess = (loss - base) / max(base, 1e-9)
        if check == "calibration":
            lately, clear, floor = residual, abs(residual) < CALIBRATION_FLOOR, CALIBRATION_FLOOR
            side = "more" if rise.mean > 0 else "less"
            words = f"it came true {abs(rise.mean):.1%} {side} often than promised"
        else:
            lately, clear, floor = excess, loss <= base, WORSE_FLOOR
            words = f"the loss is {rise.mean:.1%} above the baseline's"
        words += f" over the last {rise.blocks * BLOCK_ROWS:,} labelled predictions"
        return Measurement(
            check=check,
            feature="prediction",
            scale=0,
            verdict=Verdict.DRIFT if rise.alarm else Verdict.OK,
            statistic=rise.evidence,
            effect=abs(rise.mean) if rise.alarm else abs(float(lately)),
            threshold=floor,
            p_value=float(min(1.0, np.exp(-rise.evidence))),
            n_ref=0,
            n_cur=rise.blocks * BLOCK_ROWS,
            n_effective=float(rise.blocks),
            smallest_visible=floor,
            cleared=bool(clear) and not rise.alarm,
            immediate=rise.alarm,
            reason=words if rise.alarm else "",
            values={"loss": float(loss), "baseline_loss": float(base), "mean": rise.mean},
        )

    def _too_good(self) -> Measurement:
        """Whether every one of the last blocks is better than honest models are."""
        last = self._last[-TOO_GOOD_BLOCKS:]
        saved = 1.0 - last[:, 0] / np.maximum(last[:, 1], 1e-9)
        least = float(saved.min())
        full = len(saved) == TOO_GOOD_BLOCKS
        found = full and least >= TOO_GOOD
        verdict = Verdict.DRIFT if found else Verdict.OK
        return Measurement(
            check="too_good",
            feature="prediction",
            scale=0,
            verdict=verdict if full else Verdict.CANNOT_TELL,
            statistic=least,
            effect=max(least, 0.0),
            threshold=TOO_GOOD,
            p_value=1.0,
            n_ref=0,
            n_cur=len(saved) * BLOCK_ROWS,
            n_effective=float(len(saved)),
            smallest_visible=TOO_GOOD,
            cleared=full and least < TOO_GOOD,
            immediate=found,
            reason=(
                f"the model saves {least:.0%} or more of the baseline's loss in every one of the "
                f"last {TOO_GOOD_BLOCKS} x {BLOCK_ROWS} labelled predictions: does a feature "
                "know the label?"
                if found
                else ""
                if full
                else f"{len(saved)} of {TOO_GOOD_BLOCKS} blocks are there"
            ),
        )

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "blocks": self._blocks.state(),
            "worse": self._worse.state(),
            "promises": [self._promises[sign].state() for sign in (1, -1)],
            "last": self._last,
            "n": self._n,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self._blocks.restore(state["blocks"])
        self._worse.restore(state["worse"])
        for sign, saved in zip((1, -1), state["promises"], strict=True):
            self._promises[sign].restore(saved)
        self._last = np.array(state["last"], np.float64)
        self._n = int(state["n"])

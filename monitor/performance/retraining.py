"""Whether a retraining is due: only where inputs have drifted *and* loss could be saved.

In: closed cohorts of one version, and when alerts of drift fired and ended. Out: the expected gain,
a measurement `retrain_due`, the window of data to train on. Never: a retraining for drift alone, or
for a loss that nothing could have avoided.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import stdtrit

from monitor.clock import to_datetime
from monitor.events import Float64
from monitor.findings import Measurement, Verdict
from monitor.performance.betting import BettingDetector
from monitor.performance.blocks import BLOCK_ROWS, Blocks
from monitor.performance.drifts import Drift
from monitor.performance.losses import LEAST_PROBABILITY
from monitor.performance.recalibration import Recalibration, least_gain
from monitor.performance.recent import LabelledRows
from schemas.model import Task

GAIN_FLOOR: Final = 0.02
"""Smallest expected gain worth a retraining, as a part of the baseline's loss."""
LEAST_BOUND: Final = 0.1
"""Bets are made as if a block could lose so much, as a part of the baseline's loss, at least."""
FIT_ROWS: Final = 1_000
"""Labelled rows that a recalibration needs."""
TRAINING_ROWS: Final = 5_000
"""Labelled rows that a retraining needs, at least."""
LAST_BLOCKS: Final = 60
"""Blocks in which the gain must be above 0 for the advice to stand."""
LEAST_BLOCKS: Final = 10
"""Blocks that the gain is told of, or all since it rose, LAST_BLOCKS at most."""
COHORTS: Final = 750
CLEAR_COHORTS: Final = 7
"""Cohorts in a row in which it is not due until it is clear: a week of days."""
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Gain:
    """How much less the loss could be."""

    mean: float
    """Per prediction, in the unit of the loss."""
    low: float
    high: float
    """95 % interval over blocks; NaN for fewer than two."""
    baseline_loss: float
    blocks: int
    estimated: bool
    """From scores alone: labels were missing."""

    @property
    def relative(self) -> float:
        """As a part of the baseline's loss."""
        return self.mean / self.baseline_loss if self.baseline_loss > 0 else 0.0


class ExpectedGain:
    """How much loss is there to be saved: the part above what is surely within reach.

    Parameters
    ----------
    task
        Of the model.
    blocks_between_alarms
        Expected blocks of BLOCK_ROWS labelled predictions up to a false alarm.

    Within reach is the better of two: the same model recalibrated on the rows before, and the
    baseline. Which one is better is decided on the rows before, too, so that each row's gain is
    measured on labels that had no part in it. A retraining may save more; it should not save less.
    Bets on the gain of each block decide whether it is above chance (see `BettingDetector`).

    Where most labels of a cohort are missing, the gain is estimated: what the reference's own
    calibration of the score would save, were it still right.

    **Blind to** what only new features or another model could save.

    **Cost**: a millisecond a cohort and 100 ns a row.
    """

    def __init__(self, task: Task, blocks_between_alarms: float) -> None:
        self._task = task
        self._detector = BettingDetector(blocks_between_alarms, GAIN_FLOOR)
        self._blocks = Blocks(columns=3)
        self._last: Float64 = np.zeros((0, 2))
        self.risen = False
        """Whether the gain has been found above chance, and still is above 0."""
        self._since = 0
        """Blocks since it rose."""
        self._estimated = False

    def add(self, past: LabelledRows, rows: LabelledRows, most: Float64) -> None:
        """Take labelled rows that come after `past`; `most` is the largest loss of the baseline."""
        if len(past) < FIT_ROWS or not len(rows):
            return
        fitted = Recalibration.fit(self._task, past)
        before, _ = fitted.losses(past)
        if np.nanmean(before) <= np.nanmean(past.base):
            reached, least = fitted.losses(rows)
            reached = np.minimum(reached, most) if self._task == "regression" else reached
        else:
            reached = rows.base
            least = least_gain(rows) if self._task == "binary" else -most
        self._take(np.column_stack((rows.loss - reached, rows.base, -least)), estimated=False)

    def estimate(self, score: Float64, calibrated: Float64, base_rate: float) -> None:
        """Take a cohort of a binary model whose labels are missing.

        `calibrated` is what the reference's labels make of each score.
        """
        known = ~(np.isnan(score) | np.isnan(calibrated))
        p = np.clip(calibrated[known], LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
        gain = _cross(p, score[known]) - _cross(p, p)
        base = _cross(p, np.full(p.size, base_rate))
        self._take(np.column_stack((gain, base, gain)), estimated=True)

    def now(self) -> Gain:
        """Of the blocks since it rose."""
        told = self._last[-max(self._since, LEAST_BLOCKS) :]
        n = len(told)
        if not n:
            return Gain(0.0, np.nan, np.nan, np.nan, 0, self._estimated)
        gains, base = told[:, 0], float(told[:, 1].mean())
        mean, width = float(gains.mean()), float("nan")
        if n > 1:
            error = float(gains.std(ddof=1)) / np.sqrt(n)
            width = error * float(stdtrit(n - 1, (1.0 + LEVEL) / 2.0))
        return Gain(mean, mean - width, mean + width, base, n, self._estimated)

    def _take(self, rows: Float64, *, estimated: bool) -> None:
        blocks = self._blocks.add(rows[~np.isnan(rows).any(axis=1)])
        if len(blocks):
            self._estimated = estimated
        for gain, base, most in blocks.tolist():
            scale = max(base, 1e-9)
            bound = max(most, -gain, LEAST_BOUND * scale)
            rise = self._detector.add(gain / scale, bound=bound / scale)
            self._since = self._since + 1 if self.risen else 0
            if rise.alarm:
                if not self.risen:
                    self.risen, self._since = True, rise.blocks
                self._detector.begin_again()
        self._last = np.concatenate((self._last, blocks[:, :2]))[-LAST_BLOCKS:]
        if len(blocks) and self._last[:, 0].mean() <= 0.0:
            self.risen = False

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "detector": self._detector.state(),
            "blocks": self._blocks.state(),
            "last": self._last,
            "risen": self.risen,
            "since": self._since,
            "estimated": self._estimated,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self._detector.restore(state["detector"])
        self._blocks.restore(state["blocks"])
        self._last = np.array(state["last"], np.float64).reshape(-1, 2)
        self.risen, self._since = bool(state["risen"]), int(state["since"])
        self._estimated = bool(state["estimated"])


@dataclass(frozen=True, slots=True)
class Window:
    """Data to train on."""

    from_us: int
    until_us: int
    rows: int
    """Labelled rows in it."""
    enough: bool


class RetrainWatch:
    """Says when a retraining of one version is due.

    Due is: an alert of drift was on at a cohort's end, *and* the expected gain is above chance and
    at least GAIN_FLOOR of the baseline's loss. It stays due until one of the two is over, and is
    clear when it has not been due for `CLEAR_COHORTS` cohorts: a drift that comes and goes with the
    weather asks for one retraining. Drift is taken as of the cohort's end in event time, so the
    answer is the same however the partitions were read.

    Parameters
    ----------
    task
        Of the model.
    blocks_between_alarms
        As of `ExpectedGain`.

    **Blind to** a relation that changed while all inputs stayed as they were: that is what the
    alerts `calibration` and `worse_than_baseline` say.
    """

    def __init__(self, task: Task, blocks_between_alarms: float) -> None:
        self.gain = ExpectedGain(task, blocks_between_alarms)
        self._cohorts: deque[tuple[int, int]] = deque(maxlen=COHORTS)
        """(begin, labelled rows) of the cohorts."""
        self._due = False
        self._rested = 0
        """Cohorts since it was due."""

    def close(
        self, started_us: int, ended_us: int, labelled: int, drifts: Sequence[Drift]
    ) -> Measurement:
        """A cohort is closed, its rows are counted in the gain: whether a retraining is due.

        `drifts` are the alerts of drift that were on at its end, the newest last.
        """
        self._cohorts.append((started_us, labelled))
        gain = self.gain.now()
        worth = self.gain.risen and (self._due or gain.relative >= GAIN_FLOOR)
        self._due = due = worth and bool(drifts)
        self._rested = 0 if due else self._rested + 1
        values = {"expected_gain": gain.mean, "baseline_loss": gain.baseline_loss}
        values |= {"expected_gain_low": gain.low, "expected_gain_high": gain.high}
        words = ""
        if due:
            window = self.window(drifts[-1].starts_us, ended_us)
            values |= {"window_from_us": float(window.from_us), "window_rows": float(window.rows)}
            words = _words(gain, drifts, window)
        return Measurement(
            check="retrain_due",
            feature="",
            scale=0,
            verdict=Verdict.DRIFT if due else Verdict.OK,
            statistic=gain.mean,
            effect=max(gain.relative, 0.0),
            threshold=GAIN_FLOOR,
            p_value=1.0,
            n_ref=0,
            n_cur=gain.blocks * BLOCK_ROWS,
            n_effective=float(gain.blocks),
            smallest_visible=GAIN_FLOOR,
            cleared=self._rested >= CLEAR_COHORTS,
            immediate=due,
            reason=words,
            values={name: value for name, value in values.items() if np.isfinite(value)},
        )

    def window(self, change_us: int, until_us: int) -> Window:
        """From the last change on; further back where that is too little to learn from."""
        rows, from_us = 0, until_us
        for began_us, labelled in reversed(self._cohorts):
            if rows >= TRAINING_ROWS and began_us < change_us:
                break
            rows, from_us = rows + labelled, began_us
        return Window(from_us, until_us, rows, enough=rows >= TRAINING_ROWS)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "gain": self.gain.state(),
            "due": self._due,
            "rested": self._rested,
            "cohorts": np.array(self._cohorts, np.int64).reshape(-1, 2),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self.gain.restore(state["gain"])
        self._due, self._rested = bool(state["due"]), int(state.get("rested", 0))
        self._cohorts.clear()
        self._cohorts.extend((int(a), int(b)) for a, b in np.array(state["cohorts"]).tolist())


def _cross(p: Float64, score: Float64) -> Float64:
    """Expected log loss of a score where p is right."""
    q = np.clip(score, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    loss: Float64 = -(p * np.log(q) + (1.0 - p) * np.log1p(-q))
    return loss


def _words(gain: Gain, drifts: Sequence[Drift], window: Window) -> str:
    names = list(dict.fromkeys(one.name for one in drifts))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    how = "estimated without labels" if gain.estimated else f"{gain.low:.3f} to {gain.high:.3f}"
    since = f"{to_datetime(window.from_us):%Y-%m-%d %H:%M} UTC"
    enough = "" if window.enough else f": fewer than the {TRAINING_ROWS:,} that it should have"
    return (
        f"a retraining is due: {', '.join(names[:3])}{more} drifted, and {gain.relative:.0%} of "
        f"the baseline's loss ({gain.mean:.3f} a prediction, {how}) could be saved; train on the "
        f"{window.rows:,} labelled rows since {since}{enough}"
    )

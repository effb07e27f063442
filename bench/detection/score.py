"""From alarms to the figures of the table.

In: `Trial`s: one contestant on one stream under one seed. Out: a `Row`. Never: a stream's values.

A firing on the changed feature from its onset on catches the change; its delay is the number of
events since the onset. Every alarm before the onset is false, and so is one on an unchanged feature
after it; an alarm that speaks of the whole model (no feature) after the onset is neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import chi2

from bench.peers.job import Alarm

CONFIDENCE: Final = 0.95
ANY_FEATURE: Final = "*"
"""An alarm that is taken to name the right feature, whichever that is."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One contestant on one stream under one seed."""

    events: int
    alarms: tuple[Alarm, ...]
    seconds: float
    onset: int | None = None
    """First changed event; None: nothing changes."""
    feature: str = ""
    """The one that changes."""

    def false_alarms(self) -> int:
        """See above."""
        if self.onset is None:
            return len(self.alarms)
        neutral = ("", ANY_FEATURE, self.feature)
        return sum(event < self.onset or name not in neutral for event, name in self.alarms)

    def delay(self) -> int | None:
        """Events from the onset to the first firing on the changed feature, both included."""
        if self.onset is None:
            return None
        names = (ANY_FEATURE, self.feature)
        hits = [event for event, name in self.alarms if event >= self.onset and name in names]
        return min(hits) - self.onset + 1 if hits else None


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant on one stream, over all seeds."""

    stream: str
    contestant: str
    seeds: int
    events: int
    false_alarms: int
    rates: tuple[float, float, float]
    """False alarms per million events of a seed: lowest, median, highest."""
    caught: int | None
    """Seeds whose change was caught; None: nothing changes."""
    delays: tuple[float, float, float] | None
    """Delay in events, 10 %, median, 90 % over all seeds; a missed change counts as infinite."""
    events_per_s: float
    """Events per second of processor time."""

    @property
    def upper_bound(self) -> float:
        """Of false alarms per million events."""
        return 1e6 * poisson_upper_bound(self.false_alarms) / max(self.events, 1)


def poisson_upper_bound(count: int) -> float:
    """One-sided bound on the mean of a Poisson count.

    >>> round(poisson_upper_bound(0), 2), round(poisson_upper_bound(20), 1)
    (3.0, 29.1)
    """
    return float(chi2.ppf(CONFIDENCE, 2 * (count + 1)) / 2)


def row_of(stream: str, contestant: str, trials: Sequence[Trial]) -> Row:
    """Sum up the seeds.

    >>> hit = Trial(events=1_000, alarms=((520, "f1"),), seconds=0.5, onset=500, feature="f1")
    >>> row = row_of("mean 1", "x", [hit])
    >>> row.false_alarms, row.caught, row.delays
    (0, 1, (21.0, 21.0, 21.0))
    """
    rates = [1e6 * trial.false_alarms() / max(trial.events, 1) for trial in trials]
    changes = [trial for trial in trials if trial.onset is not None]
    delays = [np.inf if (delay := trial.delay()) is None else delay for trial in changes]
    events, seconds = sum(t.events for t in trials), sum(t.seconds for t in trials)
    return Row(
        stream=stream,
        contestant=contestant,
        seeds=len(trials),
        events=events,
        false_alarms=sum(trial.false_alarms() for trial in trials),
        rates=_three(rates, (0.0, 0.5, 1.0)),
        caught=sum(bool(np.isfinite(delay)) for delay in delays) if changes else None,
        delays=_three(delays, (0.1, 0.5, 0.9)) if changes else None,
        events_per_s=events / seconds if seconds else float("inf"),
    )


def _three(
    values: Sequence[float], levels: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Order statistics, not means of two: infinity must stay what it is."""
    ordered = sorted(values)
    low, middle, high = (ordered[int(level * (len(ordered) - 1) + 0.5)] for level in levels)
    return float(low), float(middle), float(high)

"""Sequential alarms: the CUSUMs with their thresholds, change points and the effect floor.

In: codes of consecutive events. Out: alarms, each at its event, with the size of the change since
the change point. Never: a second alarm of a column while it rests.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.detectors.distance import distance
from monitor.detectors.mixture_cusum import MixtureCusum
from monitor.detectors.rest import Rests
from monitor.detectors.scores import ALTERNATIVES, NATS, ScoreTables
from monitor.events import Bool, Float64, Int64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference

MEMORY = 4_096
"""Most events that are kept to measure a change; an older change point counts as this old."""
MISSING_EVENTS = 50
"""A missing rate is measured over at least so many events."""
NOISE = 0.8687
"""Mean of sqrt(n) D without drift."""
RECHECK = 8
"""A sum above its threshold with too small a change is looked at again after 1/8 more events."""


@dataclass(frozen=True, slots=True)
class SequentialAlarm:
    """One column's change, at the event that proved it."""

    index: int
    """Event within the chunk."""
    column: int
    alternative: str
    missing: bool
    """True: the change is in the missing rate."""
    statistic: float
    """Height of the sum in nats."""
    threshold: float
    effect: float
    """Distance of the events since the change point: KS, total variation or missing rate."""
    since: int
    """Events since the estimated change point, this one included."""
    n_cur: int
    """Those of them with a value."""


class Sequential:
    """All columns' sequential detectors.

    Parameters
    ----------
    references
        The columns.
    thresholds
        float64[F, K] in nats; infinite: that alternative is off.
    effects
        float64[F, K]: design effects of the scores.
    floor
        The change since the change point must exceed this, and what chance adds, to be an alarm.
    scale, confirmations
        Size of the windows, and cleared looks in a row, that end the rest after an alarm.
    memory
        Events kept to measure a change.

    **Blind to** changes below the floor, and to everything a column does while it rests.

    **Cost**: about 1 us an event for ten columns; memory 2 bytes a column and kept event.

    >>> column = NumberReference.from_values("x", np.arange(1_000.0))
    >>> tables = ScoreTables.of([column])
    >>> heights = np.full((1, len(ALTERNATIVES)), 15.0)
    >>> watch = Sequential(
    ...     [column],
    ...     tables,
    ...     heights,
    ...     effects=np.ones_like(heights),
    ...     floor=0.1,
    ...     scale=1_000,
    ...     confirmations=2,
    ... )
    >>> alarm, = watch.observe(column.codes(np.full(40, 900.0))[None, :])
    >>> alarm.index, alarm.alternative, alarm.since
    (18, 'up 1', 19)
    """

    def __init__(
        self,
        references: Sequence[NumberReference | CategoryReference],
        tables: ScoreTables,
        thresholds: Float64,
        *,
        effects: Float64,
        floor: float,
        scale: int,
        confirmations: int,
        memory: int = MEMORY,
    ) -> None:
        self._references = tuple(references)
        self._tables = tables
        self._cusum = MixtureCusum(tables)
        self._floor = floor
        self._effects = effects
        finite = np.where(np.isfinite(thresholds), thresholds, 1e12)
        self._limits: Int64 = np.ceil(finite * NATS).astype(np.int64).T[:, :, None].copy()
        self._memory = memory
        columns = len(self._references)
        self.recent: Codes = np.zeros((columns, 0), dtype=np.uint16)
        """uint16[F, at most memory]: the last events."""
        names = [reference.name for reference in self._references]
        self.rests = Rests(names, scale=scale, confirmations=confirmations)
        self.waiting: Int64 = np.zeros(columns, dtype=np.int64)
        """Events until a sum above its threshold is looked at again."""

    @property
    def sums(self) -> Int64:
        """int64[K, F]: the sums after the last event."""
        return self._cusum.sums

    @sums.setter
    def sums(self, sums: Int64) -> None:
        self._cusum.sums = sums

    def rearm(self, column: int) -> None:
        """Start a column again from nothing."""
        self.waiting[column] = 0
        self._cusum.sums[:, column] = 0

    def observe(self, codes: Codes) -> list[SequentialAlarm]:
        """Take in events uint16[F, n]; alarms in the order of events, then columns."""
        n = codes.shape[1]
        if n == 0 or codes.shape[0] == 0:
            return []
        path = self._cusum.observe(codes)
        self.rests.pass_events(n)
        over = path >= self._limits
        alarms: list[SequentialAlarm] = []
        if over.any():
            known = np.concatenate((self.recent, codes), axis=1)
            high = over.any(axis=0) & ~self.rests.resting[:, None]
            for column in np.flatnonzero(high.any(axis=1)):
                alarm = self._judge(int(column), high[column], path[:, column], known)
                if alarm is not None:
                    alarms.append(alarm)
                    self.rests.begin(int(column), events_ago=n - 1 - alarm.index)
        self.waiting = np.maximum(self.waiting - n, 0)
        self._remember(codes)
        alarms.sort(key=lambda alarm: (alarm.index, alarm.column))
        return alarms

    def _remember(self, codes: Codes) -> None:
        kept = max(self._memory - codes.shape[1], 0)
        recent = self.recent[:, max(self.recent.shape[1] - kept, 0) :]
        self.recent = np.concatenate((recent, codes[:, -self._memory :]), axis=1)

    def _judge(self, column: int, high: Bool, path: Int64, known: Codes) -> SequentialAlarm | None:
        """First event of the chunk at which the column's change exceeds the floor, if any."""
        n = high.size
        place = int(self.waiting[column])
        while place < n:
            later = np.flatnonzero(high[place:])
            if later.size == 0:
                return None
            place += int(later[0])
            excess = path[:, place] - self._limits[:, column, 0]
            k = int(np.argmax(excess))
            end = known.shape[1] - n + place + 1
            past = known[column, max(end - self._memory, 0) : end]
            since = self._since(column, k, past)
            measured = max(since, MISSING_EVENTS) if ALTERNATIVES[k].missing else since
            effect, n_cur = self._effect(column, k, past[-measured:])
            if effect > self._floor + self._doubt(column, k, n_cur):
                return SequentialAlarm(
                    index=place,
                    column=column,
                    alternative=ALTERNATIVES[k].name,
                    missing=ALTERNATIVES[k].missing > 0,
                    statistic=float(path[k, place]) / NATS,
                    threshold=float(self._limits[k, column, 0]) / NATS,
                    effect=effect,
                    since=since,
                    n_cur=n_cur,
                )
            place += max(since // RECHECK, 1)
            self.waiting[column] = max(place, n)
        return None

    def _since(self, column: int, k: int, past: Codes) -> int:
        """Length of the stretch up to now with the largest score: the change point's estimate."""
        scores = self._tables.of_column(column, k, past)
        backwards = np.cumsum(scores[::-1])
        return int(np.argmax(backwards)) + 1

    def _doubt(self, column: int, k: int, n_cur: int) -> float:
        """What chance adds to a distance of so few values, at most twice the floor.

        Without it a lasting trifle would be measured again and again until one stretch exceeds
        the floor by luck.
        """
        noise = NOISE * float(np.sqrt(self._effects[column, k] / max(n_cur, 1)))
        return min(noise, 2.0 * self._floor)

    def _effect(self, column: int, k: int, codes: Codes) -> tuple[float, int]:
        reference = self._references[column]
        if not ALTERNATIVES[k].missing:
            return distance(reference, codes)
        missing = np.count_nonzero(codes == NULL_CODE) / codes.size
        return float(missing - reference.missing_rate), int(codes.size)

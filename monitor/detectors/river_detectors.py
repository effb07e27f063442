"""Any drift detector of River by name, on the ranks of one column, kept within the budget.

In: the card's `detectors`, codes of consecutive events. Out: the events at which they alarm.
Never: a detector that alarmed on the reference more often than its share of the budget allows.

River's detectors keep state that only pickle could save. Here their state is a function of the
last events: each starts anew every `half` events and was fed the `half` before, so a restart that
has the last 2 `half` events goes on exactly as before.
"""

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import pdtr

from monitor.detectors.budget import Share
from monitor.detectors.distance import distance
from monitor.detectors.rest import Rests
from monitor.errors import ConfigError
from monitor.events import Float64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from schemas.model import Monitoring, RiverDetector

if TYPE_CHECKING:
    from river.base import DriftDetector

HALF = 2_048
"""Events after which a detector starts anew, and events it is fed beforehand."""
RECENT = 250
"""Events over which the size of a change is measured when a detector alarms."""
SEED = 1
LIKELY = 0.95
NO_WINDOWS = "the reference is too short for any window, so nothing could resolve its alarm"


def identity(detector: RiverDetector) -> str:
    """A detector of a card as one line.

    >>> identity(RiverDetector(name="ADWIN", feature="age", parameters={"delta": 0.01}))
    'ADWIN(delta=0.01) on age'
    """
    parameters = ", ".join(f"{name}={value}" for name, value in sorted(detector.parameters.items()))
    return f"{detector.name}({parameters}) on {detector.feature}"


def make(detector: RiverDetector) -> "DriftDetector":
    """A fresh River detector as the card asks; stochastic ones get a fixed seed.

    >>> make(RiverDetector(name="NoSuch", feature="age"))
    Traceback (most recent call last):
    ...
    monitor.errors.ConfigError: River has no drift detector 'NoSuch': one of ADWIN, ...
    """
    # Slow to import, and of use to cards that name such a detector alone.
    from river import drift
    from river.base import DriftDetector

    known = {
        name: kind
        for name, kind in vars(drift).items()
        if inspect.isclass(kind) and issubclass(kind, DriftDetector)
    }
    kind = known.get(detector.name)
    if kind is None:
        raise ConfigError(
            f"River has no drift detector {detector.name!r}: one of {', '.join(sorted(known))}"
        )
    parameters: dict[str, float | int | bool] = dict(detector.parameters)
    if "seed" in inspect.signature(kind).parameters:
        parameters.setdefault("seed", SEED)
    try:
        return kind(**parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"River's {identity(detector)} cannot be made: {error}") from None


class RiverStream:
    """One River detector on one column.

    Parameters
    ----------
    detector
        As the card names it.
    ranks
        float64[slots]: what the detector is fed for each code: its mid-rank in the reference.
    half
        See the module's first lines.

    **Blind to** what River's detector is blind to; ranks hide how far beyond the reference's
    range a value lies.

    **Cost**: Python per event, 1 to 50 us, twice (each event is fed to the next start too).

    >>> card = RiverDetector(name="ADWIN", feature="x")
    >>> stream = RiverStream(card, np.linspace(0, 1, 101))
    >>> low, high = np.full(500, 10, np.uint16), np.full(100, 90, np.uint16)
    >>> stream.observe(low), stream.observe(high)[:1]
    ([], [43])
    """

    def __init__(self, detector: RiverDetector, ranks: Float64, *, half: int = HALF) -> None:
        self._card = detector
        self._ranks = ranks.tolist()
        self._half = half
        self._now = make(detector)
        self._next = make(detector)
        self.events = 0
        """Events taken, those without a value included."""

    def observe(self, codes: Codes) -> list[int]:
        """Take in events uint16[n]; indexes at which the detector alarmed."""
        alarms = []
        for index, code in enumerate(codes.tolist()):
            if self.events and self.events % self._half == 0:
                self._now, self._next = self._next, make(self._card)
            self.events += 1
            if code == NULL_CODE:
                continue
            value = self._ranks[code]
            self._now.update(value)
            self._next.update(value)
            if self._now.drift_detected:
                alarms.append(index)
        return alarms

    def restore(self, events: int, recent: Codes) -> None:
        """Be as after `events` events, of which `recent` uint16[m] are the last, m >= 2 half."""
        begin = max(((events - 1) // self._half - 1) * self._half, 0)
        self._now, self._next = make(self._card), make(self._card)
        self.events = begin
        self.observe(recent[max(recent.size - (events - begin), 0) :])


def ranks_of(reference: NumberReference | CategoryReference) -> Float64:
    """What a detector is fed for each code of a column."""
    cdf = reference.cdf
    ranks: Float64 = (cdf[:-1] + cdf[1:]) / 2
    return ranks


class RiverWatch:
    """The card's River detectors that may run, with the effect floor and rest after an alarm.

    `off` says for each that may not why. An alarm counts when the distance of the last `RECENT`
    events from the reference exceeds the floor. `usable` False: no window size can be judged.
    """

    def __init__(
        self,
        profile: Profile,
        monitoring: Monitoring,
        share: Share,
        *,
        scale: int,
        half: int,
        usable: bool,
    ) -> None:
        known = dict(
            zip(profile.calibration.river_names, profile.calibration.river_alarms, strict=True)
        )
        rows = {name: row for row, name in enumerate(profile.names)}
        self._columns = profile.columns
        self._floor = monitoring.effect_floor
        self.off: dict[str, str] = {}
        """Reason by detector."""
        self._streams: list[tuple[int, str, RiverStream]] = []
        for detector in monitoring.detectors:
            name, row = identity(detector), rows.get(detector.feature, -1)
            reason = (
                NO_WINDOWS
                if not usable
                else reason_off(
                    int(known.get(name, -1)) if row >= 0 else -1, profile.n_rows, share.per_test
                )
            )
            if reason:
                self.off[name] = reason
            else:
                ranks = ranks_of(profile.columns[row])
                self._streams.append((row, name, RiverStream(detector, ranks, half=half)))
        self.rests = Rests(
            [profile.names[row] for row, _, _ in self._streams],
            scale=scale,
            confirmations=monitoring.confirmations,
        )

    def observe(self, codes: Codes, recent: Codes) -> list[tuple[int, int, str, float, int]]:
        """Alarms in uint16[F, n]: (index, column, detector, effect, values it rests on).

        `recent` uint16[F, m] are the events before them.
        """
        alarms = []
        n = codes.shape[1]
        self.rests.pass_events(n)
        for place, (row, name, stream) in enumerate(self._streams):
            known = np.concatenate((recent[row, -RECENT:], codes[row]))
            for index in stream.observe(codes[row]):
                end = known.size - n + index + 1
                effect, values = distance(self._columns[row], known[max(end - RECENT, 0) : end])
                if effect > self._floor and not self.rests.resting[place]:
                    self.rests.begin(place, events_ago=n - 1 - index)
                    alarms.append((index, row, name, effect, values))
        return alarms

    def why_off(self, detector: RiverDetector) -> str:
        """Why a detector of the card does not run, "" if it does."""
        return self.off.get(identity(detector), "")

    def restore(self, events: int, recent: Codes) -> None:
        """Be as after `events` events, the last of which are `recent` uint16[F, m]."""
        for row, _, stream in self._streams:
            stream.restore(events, recent[row])


def alarms_on_reference(
    detector: RiverDetector, references: Sequence[NumberReference | CategoryReference], codes: Codes
) -> int:
    """Alarms of a detector on its column's own reference, -1 where there is no such column."""
    for row, reference in enumerate(references):
        if reference.name == detector.feature:
            return len(RiverStream(detector, ranks_of(reference)).observe(codes[row]))
    return -1


def reason_off(alarms: int, n: int, false_alarms_per_event: float) -> str:
    """Why a detector may not run, "" if it may.

    It may while its alarms on the n reference events are no surprise under its budget.

    >>> reason_off(0, 25_000, 1e-7)
    ''
    >>> reason_off(40, 25_000, 1e-6)
    'it alarmed 40 times on 25000 reference events; its share of the budget allows 0.025'
    """
    if alarms < 0:
        return "the profile was built without it: run `plumbline profile` again"
    allowed = false_alarms_per_event * n
    if alarms and pdtr(alarms - 1, allowed) > LIKELY:
        return (
            f"it alarmed {alarms} times on {n} reference events; "
            f"its share of the budget allows {allowed:.2g}"
        )
    return ""

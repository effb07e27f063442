"""How far a fault moves a stream from its fault-free twin, in the units of an alert's floor.

In: the events of the twin from the onset on and what came instead of them. Out: a number in [0, 1]:
D (the KS distance) for numbers, total variation for categories, a difference of rates else.
Never: what a check said of either.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from producers.faults.fault import Injection, Sent, number_of, occurred_us
from schemas import ModelCard

_OLD_US: Final = 3_600_000_000
_AHEAD_US: Final = 60_000_000
Events = Sequence[Sent]
Measure = Callable[[Events, Events, str, ModelCard], float]


def effect_of(
    injection: Injection, twin: Events, faulted: Events, card: ModelCard
) -> dict[str, float]:
    """The effect of each fault of an injection by the feature it is on ("" for the whole)."""
    found: dict[str, float] = {}
    for fault, drawn in injection.faults:
        names = _named(fault.effect, drawn.features, card)
        for name in names:
            size = EFFECTS[fault.effect].measure(twin, faulted, name, card)
            found[name] = max(found.get(name, 0.0), size)
    return found


def distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The KS distance of two samples; 0 where one is empty.

    >>> distance(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.5
    """
    if not len(first) or not len(second):
        return 0.0
    places = np.union1d(first, second)
    below = [np.searchsorted(np.sort(x), places, side="right") / len(x) for x in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def variation(first: Counter[Any], second: Counter[Any]) -> float:
    """The total variation between two counts.

    >>> variation(Counter("aab"), Counter("abb"))
    0.3333333333333333
    """
    n, m = max(first.total(), 1), max(second.total(), 1)
    keys = first.keys() | second.keys()
    return math.fsum(abs(first[key] / n - second[key] / m) for key in keys) / 2


def _named(effect: str, features: tuple[str, ...], card: ModelCard) -> tuple[str, ...]:
    if effect in ("values", "missing", "type", "mode"):
        return tuple(name for name in features if name in card.features)
    if effect == "outputs":
        return tuple(name for name in features if name)
    return ("",)


def _values(twin: Events, faulted: Events, name: str, card: ModelCard) -> float:
    if card.features[name].type == "number":
        return distance(_numbers(twin, name), _numbers(faulted, name))
    counts = [Counter(sent.features.get(name) for sent in events) for events in (twin, faulted)]
    return variation(*counts)


def _outputs(twin: Events, faulted: Events, name: str, card: ModelCard) -> float:
    del card
    values = [[sent.event.get(name) for sent in events] for events in (twin, faulted)]
    if any(isinstance(value, float) for value in values[0]):
        return distance(*(np.array([v for v in each if v is not None]) for each in values))
    return variation(*(Counter(map(str, each)) for each in values))


def _mode(twin: Events, faulted: Events, name: str, card: ModelCard) -> float:
    """By how much one value's share has grown: the placeholder's."""
    del card
    before, after = (Counter(sent.features.get(name) for sent in e) for e in (twin, faulted))
    n, m = max(before.total(), 1), max(after.total(), 1)
    return max((after[value] / m - before[value] / n for value in after), default=0.0)


def _rate(count: Callable[[Events, str, ModelCard], float]) -> Measure:
    """A difference of rates, each a share of the events."""

    def measure(twin: Events, faulted: Events, name: str, card: ModelCard) -> float:
        return abs(
            count(faulted, name, card) / max(len(faulted), 1)
            - count(twin, name, card) / max(len(twin), 1)
        )

    return measure


def _missing(events: Events, name: str, card: ModelCard) -> float:
    hidden = card.features[name].hidden_nulls
    values = (sent.features.get(name) for sent in events)
    return float(sum(value is None or value in hidden for value in values))


def _type(events: Events, name: str, card: ModelCard) -> float:
    del card
    return float(sum(isinstance(sent.features.get(name), str) for sent in events))


def _incoherent(events: Events, _name: str, card: ModelCard) -> float:
    threshold = 0.5 if card.threshold is None else card.threshold
    found = ((sent.event.get("score"), sent.event["prediction"]) for sent in events)
    return float(sum(s is not None and (s >= threshold) != bool(p) for s, p in found))


def _out_of_range(events: Events, _name: str, _card: ModelCard) -> float:
    scores = (sent.event.get("score") for sent in events)
    return float(sum(s is not None and not 0 <= s <= 1 for s in scores))


def _status(events: Events, _name: str, _card: ModelCard) -> float:
    return float(sum(sent.event.get("status", "ok") != "ok" for sent in events))


def _resent(events: Events, _name: str, _card: ModelCard) -> float:
    return float(len(events) - len({sent.event["event_id"] for sent in events}))


def _repeated(events: Events, _name: str, _card: ModelCard) -> float:
    vectors = Counter(tuple(sent.features.values()) for sent in events)
    return float(len(events) - len(vectors))


def _old(events: Events, _name: str, _card: ModelCard) -> float:
    return float(sum(sent.sent_us - occurred_us(sent) > _OLD_US for sent in events))


def _ahead(events: Events, _name: str, _card: ModelCard) -> float:
    return float(sum(occurred_us(sent) - sent.sent_us > _AHEAD_US for sent in events))


def _leak(events: Events, _name: str, _card: ModelCard) -> float:
    return float(
        sum(
            any(
                datetime.fromisoformat(at) > datetime.fromisoformat(sent.event["occurred_at"])
                for at in (sent.event.get("feature_times") or {}).values()
            )
            for sent in events
        )
    )


def _lost(twin: Events, faulted: Events, _name: str, _card: ModelCard) -> float:
    return 1 - len(faulted) / max(len(twin), 1)


def _signal(value: Callable[[Sent], float | None]) -> Measure:
    """D of a number that an event has beside its features."""

    def measure(twin: Events, faulted: Events, _name: str, _card: ModelCard) -> float:
        found = [
            np.array([v for sent in events if (v := value(sent)) is not None])
            for events in (twin, faulted)
        ]
        return distance(found[0], found[1])

    return measure


def _lag_us(sent: Sent) -> float:
    return float(sent.sent_us - occurred_us(sent))


def _latency_ms(sent: Sent) -> float | None:
    found: float | None = sent.event.get("latency_ms")
    return found


def _age_s(sent: Sent) -> float | None:
    """How long before the prediction its oldest feature was known."""
    times = (sent.event.get("feature_times") or {}).values()
    at = datetime.fromisoformat(sent.event["occurred_at"])
    return max(((at - datetime.fromisoformat(t)).total_seconds() for t in times), default=None)


def _numbers(events: Events, name: str) -> NDArray[np.float64]:
    return np.array([v for sent in events if (v := number_of(sent, name)) is not None])


@dataclass(frozen=True, slots=True)
class Effect:
    """One way to say how far a stream is from its twin."""

    words: str
    measure: Measure


EFFECTS: Final[Mapping[str, Effect]] = {
    "values": Effect("D of a number, total variation of a category", _values),
    "outputs": Effect("D of the score, total variation of the answers", _outputs),
    "lag": Effect("D of send time minus event time", _signal(_lag_us)),
    "age": Effect("D of how old the oldest feature is", _signal(_age_s)),
    "latency": Effect("D of the latency", _signal(_latency_ms)),
    "mode": Effect("growth of the placeholder's rate", _mode),
    "missing": Effect("rate of events without the value", _rate(_missing)),
    "type": Effect("rate of numbers sent as text", _rate(_type)),
    "incoherent": Effect("rate of answers against their score", _rate(_incoherent)),
    "out_of_range": Effect("rate of scores outside 0 to 1", _rate(_out_of_range)),
    "status": Effect("rate of events that are not ok", _rate(_status)),
    "resent": Effect("rate of events with a known id", _rate(_resent)),
    "repeated": Effect("rate of events with a known feature vector", _rate(_repeated)),
    "old": Effect("rate of events sent more than an hour late", _rate(_old)),
    "ahead": Effect("rate of events more than a minute ahead", _rate(_ahead)),
    "leak": Effect("rate of events with a feature from after them", _rate(_leak)),
    "lost": Effect("rate of events that do not come", _lost),
}
"""Effects by name."""

RATES: Final = frozenset(EFFECTS) - {"values", "outputs"}
"""Effects that no column of the profile speaks of: the check states its own threshold."""

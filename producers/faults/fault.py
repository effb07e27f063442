"""What a fault is: words, expected alerts, parameters drawn by seed, a step for each event.

In: a model's traffic before the fault (its card and events), a seed, an onset. Out: an `Injection`:
the same fault with everything chosen, which turns a stream of events into the broken one.
Never: an event changed in place (the caller's stays what it was), a draw without a seed.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np

from producers.errors import FaultError
from producers.faults.traffic import Traffic

Draws = np.random.Generator
WHOLE: Final = ""
"""The name under which an alert is about the whole version and no single feature."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One prediction event as it lies on the topic, and when it was sent."""

    event: Mapping[str, Any]
    sent_us: int
    """Microseconds since 1970: the header `plumbline-sent-at`."""

    @property
    def features(self) -> Mapping[str, Any]:
        """The features of the event."""
        found: Mapping[str, Any] = self.event["features"]
        return found

    def with_features(self, features: Mapping[str, Any]) -> "Sent":
        """The same event with some features changed."""
        return replace(self, event={**self.event, "features": {**self.features, **features}})

    def with_fields(self, **fields: Any) -> "Sent":
        """The same event with some fields changed."""
        return replace(self, event={**self.event, **fields})


Step = Callable[[Sent, bool, Draws], Sequence[Sent]]
"""(event, whether the fault is on, draws) to what comes instead of it: none, one or several."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A fault's choices."""

    words: str
    """What exactly is done, with the numbers."""
    features: tuple[str, ...]
    """Features, outputs or `WHOLE` that an alert about it may name."""
    begin: Callable[[], Step]
    """A new step with no memory of any event."""
    cause: tuple[tuple[str, ...], ...] = ()
    """How a reason names the cause: of each group one word has to stand in it, in any case."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a pipeline breaks without an error."""

    name: str
    words: str
    """What it does."""
    expected: tuple[str, ...]
    """Names of the alert that says what it is."""
    effect: str
    """How far it moves the stream from its twin: a key of `producers.faults.effect.EFFECTS`."""
    draw: Callable[[Traffic, Draws], Drawn]
    accepted: tuple[str, ...] = ()
    """Names of alerts that are right too, if less exact."""
    names_cause: bool = False
    """Whether the alert has to name the cause as well."""
    needs: tuple[str, ...] = ()
    """Optional event fields without which the fault has nothing to break."""


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault with everything chosen: the same input gives the same output."""

    faults: tuple[tuple[Fault, Drawn], ...]
    """One, or several in the order in which they act."""
    seed: int
    onset: int
    """Index of the first event that it touches."""

    @property
    def name(self) -> str:
        """Names joined by +."""
        return "+".join(fault.name for fault, _ in self.faults)

    @property
    def words(self) -> str:
        """What is done, in one sentence."""
        return "; ".join(drawn.words for _, drawn in self.faults)

    def begin(self) -> Callable[[Sent], list[Sent]]:
        """A function to be given every event once, in order; gives what comes instead."""
        lines = [(drawn.begin(), _draws(fault.name, self.seed, 1)) for fault, drawn in self.faults]
        seen = 0

        def take(sent: Sent) -> list[Sent]:
            nonlocal seen
            on = seen >= self.onset
            seen += 1
            flowing = [sent]
            for step, draws in lines:
                flowing = [out for one in flowing for out in step(one, on, draws)]
            return flowing

        return take

    def stream(self, events: Iterable[Sent]) -> Iterator[Sent]:
        """The broken stream."""
        take = self.begin()
        for sent in events:
            yield from take(sent)


def inject(fault: Fault, traffic: Traffic, *, seed: int, onset: int) -> Injection:
    """Choose the parameters of a fault; FaultError where the traffic has nothing to break.

    `traffic` is what came before the onset; the index of events counts from 0.
    """
    for field in fault.needs:
        if not traffic.has(field):
            raise FaultError(
                f"{fault.name} breaks {field}, which the events of {traffic.card.model} do not "
                "have: log it, or drill with simulated signals"
            )
    drawn = fault.draw(traffic, _draws(fault.name, seed, 0))
    return Injection(((fault, drawn),), seed, onset)


def compose(first: Injection, second: Injection) -> Injection:
    """Both faults, one behind the other, from the earlier onset on.

    The second acts on what the first lets through.
    """
    if first.seed != second.seed:
        raise FaultError(f"composed faults share a seed, got {first.seed} and {second.seed}")
    return Injection(first.faults + second.faults, first.seed, min(first.onset, second.onset))


def each(change: Callable[[Sent, Draws], Sent]) -> Callable[[], Step]:
    """A fault without memory: one event in, one out."""

    def step(sent: Sent, on: bool, draws: Draws) -> Sequence[Sent]:
        return (change(sent, draws) if on else sent,)

    return lambda: step


def always(change: Callable[[Sent], Sent]) -> Callable[[], Step]:
    """A fault without memory or chance that touches every event."""
    return each(lambda sent, _draws: change(sent))


def some(share: float, change: Callable[[Sent], Sent]) -> Callable[[], Step]:
    """A fault without memory that touches a share of the events."""
    return each(lambda sent, draws: change(sent) if draws.random() < share else sent)


def number_of(sent: Sent, name: str) -> float | None:
    """A feature's number, None where it has none."""
    value = sent.features.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def occurred_us(sent: Sent) -> int:
    """The event time, microseconds since 1970."""
    return round(datetime.fromisoformat(sent.event["occurred_at"]).timestamp() * 1e6)


def _draws(name: str, seed: int, use: int) -> Draws:
    return np.random.default_rng([seed, zlib.crc32(name.encode()), use])

"""Faults of the stream itself: late, stale, repeated, replayed, thinned, stopped, leaking.

In: traffic, draws. Out: what is done to the events. Never: an event invented: what comes twice is
one that came before.
"""

from collections import deque
from datetime import datetime, timedelta
from typing import Any, Final

from producers.errors import FaultError
from producers.faults.fault import WHOLE, Drawn, Draws, Fault, Sent, Step, always, some
from producers.faults.traffic import Traffic

_US_PER_HOUR: Final = 3_600_000_000


def moved(text: str, hours: float) -> str:
    """A time as text, moved by hours.

    >>> moved("2013-03-01T05:00:00Z", -1.5)
    '2013-03-01T03:30:00+00:00'
    """
    return (datetime.fromisoformat(text) + timedelta(hours=hours)).isoformat()


def _late(_traffic: Traffic, draws: Draws) -> Drawn:
    hours = round(float(draws.uniform(2.0, 48.0)), 1)

    def change(sent: Sent) -> Sent:
        return Sent(sent.event, sent.sent_us + int(hours * _US_PER_HOUR))

    return Drawn(f"events arrive {hours:g} hours late", (WHOLE,), always(change))


def _stale(traffic: Traffic, draws: Draws) -> Drawn:
    known = [event for event in traffic.events if event.get("feature_times")]
    names = sorted(known[-1]["feature_times"])
    behind = int(draws.integers(200, 1_000))

    def begin() -> Step:
        kept: deque[tuple[dict[str, Any], dict[str, Any]]] = deque()

        def step(sent: Sent, on: bool, draws: Draws) -> tuple[Sent, ...]:
            del draws
            times = dict(sent.event.get("feature_times") or {})
            kept.append(({name: sent.features.get(name) for name in times}, times))
            if len(kept) <= behind:
                return (sent,)
            values, old = kept.popleft()
            if not on:
                return (sent,)
            return (sent.with_features(values).with_fields(feature_times={**times, **old}),)

        return step

    words = f"{', '.join(names)} are those of {behind} events before"
    return Drawn(words, (WHOLE, *names), begin)


def _repeated(_traffic: Traffic, draws: Draws) -> Drawn:
    share = round(float(draws.uniform(0.3, 1.0)), 2)
    fresh = int(draws.integers(30, 500))

    def begin() -> Step:
        kept: list[Sent] = []
        age = 0

        def step(sent: Sent, on: bool, draws: Draws) -> tuple[Sent, ...]:
            nonlocal age
            age += 1
            if not kept or age >= fresh:
                kept[:] = [sent]
                age = 0
            if on and draws.random() < share:
                return (sent.with_features(kept[0].features),)
            return (sent,)

        return step

    words = f"{share:.0%} of the events get one cached vector, renewed every {fresh} events"
    return Drawn(words, (WHOLE,), begin)


def _duplicates(_traffic: Traffic, draws: Draws) -> Drawn:
    share = round(float(draws.uniform(0.15, 1.0)), 2)

    def step(sent: Sent, on: bool, draws: Draws) -> tuple[Sent, ...]:
        return (sent, sent) if on and draws.random() < share else (sent,)

    return Drawn(f"{share:.0%} of the events are sent twice", (WHOLE,), lambda: step)


def _replayed(_traffic: Traffic, draws: Draws) -> Drawn:
    share = round(float(draws.uniform(0.3, 1.0)), 2)
    behind = int(draws.integers(2_000, 6_000))

    def begin() -> Step:
        kept: deque[Sent] = deque(maxlen=behind)

        def step(sent: Sent, on: bool, draws: Draws) -> tuple[Sent, ...]:
            out: tuple[Sent, ...] = (sent,)
            if on and kept and draws.random() < share:
                old = kept.popleft()
                again = old.with_fields(event_id=f"{old.event['event_id']}-again")
                out = (sent, Sent(again.event, sent.sent_us))
            kept.append(sent)
            return out

        return step

    words = f"beside {share:.0%} of the events comes one of {behind} events before, with a new id"
    return Drawn(words, (WHOLE,), begin)


def _future(_traffic: Traffic, draws: Draws) -> Drawn:
    share = round(float(draws.uniform(0.15, 1.0)), 2)
    hours = round(float(draws.uniform(6.0, 24.0 * 365)), 1)
    change = some(
        share, lambda sent: sent.with_fields(occurred_at=moved(sent.event["occurred_at"], hours))
    )
    return Drawn(f"{share:.0%} of the events are {hours:g} hours ahead", (WHOLE,), change)


def _thinned(_traffic: Traffic, draws: Draws) -> Drawn:
    share = round(float(draws.uniform(0.3, 0.9)), 2)

    def step(sent: Sent, on: bool, draws: Draws) -> tuple[Sent, ...]:
        return () if on and draws.random() < share else (sent,)

    return Drawn(f"{share:.0%} of the events are lost", (WHOLE,), lambda: step)


def _stopped(_traffic: Traffic, _draws: Draws) -> Drawn:
    def step(sent: Sent, on: bool, _draws: Draws) -> tuple[Sent, ...]:
        return () if on else (sent,)

    return Drawn("no event comes any more", (WHOLE,), lambda: step)


def _leak(traffic: Traffic, draws: Draws) -> Drawn:
    names: set[str] = set()
    for event in traffic.events:
        names |= (event.get("feature_times") or {}).keys()
    found = sorted(names & traffic.card.features.keys())
    if not found:
        raise FaultError(f"the feature times of {traffic.card.model} name no feature of the card")
    name = str(draws.choice(found))
    hours = round(float(draws.uniform(0.5, 24.0)), 1)
    share = round(float(draws.uniform(0.15, 1.0)), 2)

    def change(sent: Sent) -> Sent:
        times = sent.event.get("feature_times")
        if not times or name not in times:
            return sent
        later = moved(sent.event["occurred_at"], hours)
        return sent.with_fields(feature_times={**times, name: later})

    words = f"{name} is known {hours:g} hours after the prediction in {share:.0%} of the events"
    return Drawn(words, (name, WHOLE), some(share, change))


FAULTS: Final = (
    Fault("late_events", "events arrive hours late", ("StaleInputs",), "lag", _late),
    Fault(
        "stale_features",
        "features are those of many events before",
        ("StaleInputs",),
        "age",
        _stale,
        accepted=("RepeatedInputs",),
        needs=("feature_times",),
    ),
    Fault(
        "repeated_vector",
        "many events get the same features",
        ("RepeatedInputs",),
        "repeated",
        _repeated,
    ),
    Fault("duplicate_ids", "events are sent twice", ("DuplicateEvents",), "resent", _duplicates),
    Fault("replayed_old_data", "old events come again", ("ReplayedData",), "old", _replayed),
    Fault(
        "future_timestamps",
        "events claim a time that has not come",
        ("FutureTimestamps",),
        "ahead",
        _future,
    ),
    Fault("thinned_stream", "a share of the events is lost", ("StreamThinned",), "lost", _thinned),
    Fault("stopped_stream", "no event comes any more", ("StreamStopped",), "lost", _stopped),
    Fault(
        "feature_from_future",
        "a feature is known only after the prediction",
        ("FeatureLeak",),
        "leak",
        _leak,
        needs=("feature_times",),
    ),
)

"""Faults on the command line: chosen, injected, judged and told; for `backtest` and `drill`.

In: names of faults, a seed, traffic. Out: a `Broken` stream, what came of it, words and JSON.
Never: a fault of its own; those are in `producers.faults`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import chain, islice
from typing import Any, Final

import pyarrow as pa

from monitor.backtest.caught import WITHIN, Expectation, Firing, Outcome
from monitor.backtest.drill import MOST_EVENTS, Course, course, judged
from monitor.backtest.file_events import file_events
from monitor.backtest.labels import LabelCoverage
from monitor.backtest.result import BacktestResult
from monitor.backtest.run import as_profile
from monitor.backtest.shadow import Shadow
from monitor.backtest.store import ReportStore
from monitor.errors import ConfigError
from monitor.profiling.columns import Column, number_column, text_column, time_column
from monitor.profiling.dataset import FEATURE_TIME_PREFIX, SENT, Dataset
from producers.errors import FaultError, ProducerError
from producers.faults import fault_named
from producers.faults.effect import effect_of
from producers.faults.fault import Injection, Sent, compose, inject, occurred_us
from producers.faults.signals import simulated
from producers.faults.traffic import Traffic
from schemas.model import ModelCard
from schemas.values import HashKey

KNOWN: Final = 6_000
"""Events before the onset that a fault may look at or bring back."""
LEAST_KNOWN: Final = 500
"""Fewer events before the onset tell too little of what is usual."""

_UTC: Final = pa.timestamp("us", tz="UTC")


def sent_events(dataset: Dataset, card: ModelCard) -> Iterator[Sent]:
    """The rows of a file as sent events."""
    return (Sent(event, sent_us) for event, sent_us in file_events(dataset, card))


def needed(names: Sequence[str]) -> tuple[str, ...]:
    """The optional event fields without which the faults have nothing to break."""
    return tuple(dict.fromkeys(field for name in names for field in fault_named(name).needs))


def filled(
    events: Iterable[Sent], card: ModelCard, names: Sequence[str], seed: int
) -> Iterator[Sent]:
    """The events, with what the faults need simulated where it is missing."""
    return simulated(events, card, seed=seed, signals=needed(names))


def with_signals(
    dataset: Dataset, card: ModelCard, *, seed: int, signals: Sequence[str]
) -> Dataset:
    """A data set with simulated signals where it lacks them: a reference for drills."""
    if not signals:
        return dataset
    events = list(simulated(sent_events(dataset, card), card, seed=seed, signals=signals))
    columns: dict[str, Column] = dict(dataset.columns)
    values = [sent.event.get("latency_ms") for sent in events]
    if any(value is not None for value in values):
        columns["latency_ms"] = number_column("latency_ms", pa.array(values, pa.float64()))
    if "status" in signals:
        texts = pa.array([sent.event["status"] for sent in events])
        columns["status"] = text_column("status", texts)
    if "lag" in signals:
        columns[SENT] = time_column(
            SENT, pa.array([sent.sent_us for sent in events], pa.int64()).cast(_UTC)
        )
    names = {name for sent in events for name in sent.event.get("feature_times") or ()}
    for name in sorted(names):
        told = [(sent.event.get("feature_times") or {}).get(name) for sent in events]
        times = [None if text is None else datetime.fromisoformat(text) for text in told]
        column = FEATURE_TIME_PREFIX + name
        columns[column] = time_column(column, pa.array(times, _UTC))
    return Dataset(dataset.source, columns, dataset.n_rows)


def injection_of(
    names: Sequence[str], card: ModelCard, before: Sequence[Sent], *, seed: int
) -> Injection:
    """The faults with everything drawn, on from the event after `before`."""
    if len(before) < LEAST_KNOWN:
        raise FaultError(
            f"{len(before)} events before the onset, at least {LEAST_KNOWN} are needed: start "
            "earlier or let the fault begin later"
        )
    traffic = Traffic(card, [sent.event for sent in before[-KNOWN:]])
    parts = [
        inject(fault_named(name), traffic, seed=seed, onset=len(before[-KNOWN:])) for name in names
    ]
    return reduce(compose, parts)


def ready(injection: Injection, before: Sequence[Sent]) -> Callable[[Sent], list[Sent]]:
    """The injection as it stands at its onset: it has seen what came before."""
    take = injection.begin()
    for sent in before[-KNOWN:]:
        take(sent)
    return take


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of an injection."""

    injection: Injection
    onset: int
    effects: Mapping[str, float]
    outcomes: tuple[Outcome, ...]
    """One for each fault, in their order."""

    @property
    def caught(self) -> bool:
        """Whether every fault was."""
        return all(one.caught for one in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """The verdict as one JSON object."""
        return {
            "faults": [
                {
                    "name": fault.name,
                    "done": drawn.words,
                    "expected": [*fault.expected, *fault.accepted],
                    "caught": _firing_json(one.by),
                    "named": _firing_json(one.named_by),
                    "cause_named": _firing_json(one.cause_by) if fault.names_cause else None,
                }
                for (fault, drawn), one in zip(self.injection.faults, self.outcomes, strict=True)
            ],
            "seed": self.injection.seed,
            "onset": self.onset,
            "effects": dict(self.effects),
            "twin": [_firing_json(firing) for firing in self.outcomes[0].twin],
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """The verdict in words, each line with a style."""
        for (fault, drawn), one in zip(self.injection.faults, self.outcomes, strict=True):
            seed = self.injection.seed
            yield f"{fault.name}: {drawn.words}, from event {self.onset:,} on (seed {seed})", "bold"
            yield from _outcome_lines(fault.names_cause, fault.expected, one)
        sizes = ", ".join(f"{name or 'stream'} {size:.2f}" for name, size in self.effects.items())
        yield f"effect against the fault-free twin: {sizes}", ""
        usual = ", ".join(_name(firing) for firing in self.outcomes[0].twin)
        yield f"the twin raises {usual or 'nothing'} over the same events", ""


def verdict_of(
    injection: Injection,
    card: ModelCard,
    events: Sequence[Sent],
    faulted: Course,
    twin: Course,
    *,
    onset: int,
) -> Verdict:
    """Judge what was played; `events` are those from the onset on."""
    outcomes = tuple(
        judged(
            Expectation((*fault.expected, *fault.accepted), drawn.features, drawn.cause),
            faulted,
            twin,
        )
        for fault, drawn in injection.faults
    )
    effects = effect_of(injection, events[: faulted.source_events], list(faulted.came), card)
    return Verdict(injection, onset, effects, outcomes)


def broken_backtest(
    events: Dataset,
    compared: Dataset,
    card: ModelCard,
    names: Sequence[str],
    *,
    seed: int,
    onset: int | None,
    key: HashKey | None = None,
    labels: LabelCoverage | None = None,
) -> tuple[Verdict, BacktestResult]:
    """A backtest of events with faults in them, and what came of the faults.

    What the faults need and the files lack is simulated, in the reference too.
    """
    try:
        begin = onset_in(events.n_rows, onset)
        reference = with_signals(compared, card, seed=seed, signals=needed(names))
        shadow = Shadow(card, as_profile(reference, card, key), key, ReportStore())
        stream = filled(sent_events(events, card), card, names, seed + 1)
        before: deque[Sent] = deque(maxlen=KNOWN)
        moments_us: list[int] = []

        def kept(sent: Sent) -> Sequence[Sent]:
            before.append(sent)
            moments_us.append(occurred_us(sent))
            return (sent,)

        shadow.play(islice(stream, begin), kept)
        injection = injection_of(names, card, [*before], seed=seed)
        rest = [*islice(stream, MOST_EVENTS)]
        twin = course(shadow, rest, least=len(rest))
        faulted = course(shadow, rest, ready(injection, [*before]))
        verdict = verdict_of(injection, card, rest, faulted, twin, onset=begin)
        take = ready(injection, [*before])

        def passing(sent: Sent) -> Sequence[Sent]:
            came = take(sent)
            moments_us.extend(map(occurred_us, came))
            return came

        shadow.play(chain(rest, stream), passing)
    except ProducerError as error:
        raise ConfigError(str(error)) from error
    moments = time_column("occurred_at", pa.array(moments_us, pa.int64()).cast(_UTC))
    log = Dataset(f"{events.source} with faults", {"occurred_at": moments}, len(moments_us))
    return verdict, shadow.result(log, labels)


def onset_in(events: int, asked: int | None) -> int:
    """The index of the first faulty event: the one asked for, else the middle."""
    onset = events // 2 if asked is None else asked
    if not LEAST_KNOWN <= onset < events:
        raise ConfigError(
            f"onset {onset:,}: the fault begins at one of the {events:,} events, after at least "
            f"{LEAST_KNOWN}"
        )
    return onset


def _outcome_lines(
    names_cause: bool, expected: Sequence[str], one: Outcome
) -> Iterator[tuple[str, str]]:
    if one.by is None:
        yield f"  missed: no alert about it within {WITHIN:,} events", "red"
        return
    yield f"  caught after {one.by.delay:,} events by {_name(one.by)} ({one.by.check})", "green"
    if one.named_by is None:
        yield f"  not named: {' or '.join(expected)} was expected", "yellow"
        return
    reason = f": {one.named_by.reason}" if one.named_by.reason else ""
    yield f"  named after {one.named_by.delay:,} events by {_name(one.named_by)}{reason}", "green"
    if names_cause and one.cause_by is None:
        yield "  its reason does not name the cause", "yellow"


def _name(firing: Firing) -> str:
    return f"{firing.alertname} {firing.feature}".rstrip()


def _firing_json(firing: Firing | None) -> dict[str, Any] | None:
    if firing is None:
        return None
    return {
        "alertname": firing.alertname,
        "feature": firing.feature,
        "check": firing.check,
        "delay_events": firing.delay,
        "reason": firing.reason,
    }

"""The parts of the benchmark: each gives its rows one by one.

In: `Options`. Out: `Entry`s: one contestant on one stream. Never: a row for a contestant that
failed; that is said, and the others go on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from bench.detection.catalogue import FLOOR_0, NULLS, SHIFTS, Plan, plan_of, streams_of
from bench.detection.contestants import ALL, EVERY, NEVER, OURS, PEERS, Contestant, PeerError
from bench.detection.recorded import FLIGHT_STABLE, Recorded, car_loan, constants, flight_stream
from bench.detection.score import Row, row_of
from bench.detection.streams import Stream
from bench.detection.synthetic import PeerFiles, dummy_trials, our_trials
from bench.detection.tables import TableTrial, our_table_trial, peer_table_trial
from bench.peers.job import WINDOW
from monitor.backtest.alerts import BacktestAlert
from monitor.clock import to_datetime

RECORDED_SEEDS: Final = 5
SLOW: Final = ("kswin", "evidently")
"""They take one seed of the recorded streams."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is run."""

    quick: bool
    who: tuple[str, ...]
    processes: int
    references: int | None = None
    """Seeds of a null for Plumbline, instead of the plan's."""

    def plan(self, contestant: Contestant) -> Plan:
        """What a contestant is given."""
        plan = plan_of(contestant.plan, quick=self.quick)
        if self.references is None or contestant is not OURS:
            return plan
        return replace(plan, references=self.references)

    def named(self, among: Sequence[Contestant]) -> list[Contestant]:
        """Those of them that take part."""
        return [contestant for contestant in among if contestant.name in self.who]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a table."""

    stream: str
    contestant: str
    figures: dict[str, Any]


Part = Callable[[Options], Iterator[Entry]]


def nulls(options: Options) -> Iterator[Entry]:
    """Every stream without a change."""
    return _synthetic(NULLS, ALL, options, lambda plan: plan.references)


def shifts(options: Options) -> Iterator[Entry]:
    """Every stream with a change; once more with floor 0 for Plumbline."""
    yield from _synthetic(SHIFTS, ALL, options, lambda plan: plan.shift_seeds)
    yield from _synthetic(FLOOR_0, [OURS], options, lambda plan: plan.shift_seeds)


def flights(options: Options) -> Iterator[Entry]:
    """The real flight stream."""
    whole = flight_stream()
    for contestant in options.named((OURS, *PEERS)):
        recorded = whole.first(options.plan(contestant).flight_events)
        trials = _table_trials(contestant, [recorded])
        if not trials:
            continue
        alarms, alerts = trials[0].alarms, trials[0].alerts
        drifts = [alert.feature for alert in alerts if alert.labels["category"] == "drift"]
        names = drifts if contestant is OURS else [name for _, name in alarms]
        figures = {
            "alarms": len(alarms),
            "windows": len({event // WINDOW for event, _ in alarms}),
            "of_windows": len(recorded.events) // WINDOW,
            "stable": {name: names.count(name) for name in FLIGHT_STABLE},
            "seconds": trials[0].seconds,
            "alerts": [_told(alert) for alert in alerts],
        }
        yield Entry("flights", contestant.name, figures)


def loan(options: Options) -> Iterator[Entry]:
    """Car loans, the prefix cut at several random places."""
    return _recorded("loan", [car_loan(seed) for seed in _seeds(options)], options)


def constant(options: Options) -> Iterator[Entry]:
    """Constant features that start to vary."""
    return _recorded("constant", [constants(seed) for seed in _seeds(options)], options)


PARTS: Final[dict[str, Part]] = {
    "flights": flights,
    "loan": loan,
    "constant": constant,
    "shifts": shifts,
    "nulls": nulls,
}


def _synthetic(
    streams: Sequence[Stream],
    among: Sequence[Contestant],
    options: Options,
    seeds_of: Callable[[Plan], int],
) -> Iterator[Entry]:
    for stream in streams_of(streams, quick=options.quick):
        with PeerFiles(stream, [options.plan(peer) for peer in PEERS]) as files:
            for contestant in options.named(among):
                plan = options.plan(contestant)
                seeds = seeds_of(plan)
                try:
                    if contestant is OURS:
                        trials = our_trials(stream, plan, seeds, options.processes)
                    elif contestant in (NEVER, EVERY):
                        trials = dummy_trials(contestant, stream, plan, seeds)
                    else:
                        trials = files.trials(contestant, plan, seeds)
                except PeerError as error:
                    print(error)
                    continue
                if trials:
                    yield _entry(row_of(stream.name, contestant.name, trials))


def _entry(row: Row) -> Entry:
    return Entry(row.stream, row.contestant, asdict(row))


def _recorded(name: str, streams: Sequence[Recorded], options: Options) -> Iterator[Entry]:
    for contestant in options.named((OURS, *PEERS)):
        slow = contestant.name in SLOW
        if slow and options.quick:
            continue
        some = streams[:1] if slow else streams
        trials = _table_trials(contestant, some)
        if not trials:
            continue
        whole = contestant is OURS or contestant.tables
        given = [n for n in streams[0].changed if whole or n in streams[0].numbers]
        delays: dict[str, list[int]] = {}
        for trial in trials:
            for column, delay in trial.delays().items():
                delays.setdefault(column, []).append(delay)
        figures = {
            "runs": len(trials),
            "events": sum(len(trial.recorded.events) for trial in trials),
            "false_alarms": sum(len(trial.false_alarms()) for trial in trials),
            "caught": sum(len(trial.delays()) for trial in trials),
            "of": len(given) * len(trials),
            "delays": {column: float(np.median(found)) for column, found in delays.items()},
        }
        yield Entry(name, contestant.name, figures)


def _table_trials(contestant: Contestant, streams: Sequence[Recorded]) -> list[TableTrial]:
    if contestant is OURS:
        return [our_table_trial(recorded) for recorded in streams]
    try:
        return [peer_table_trial(contestant, recorded) for recorded in streams]
    except PeerError as error:
        print(error)
        return []


def _seeds(options: Options) -> range:
    return range(1 if options.quick else RECORDED_SEEDS)


def _told(alert: BacktestAlert) -> tuple[str, str, str, str, str]:
    """Alert, feature, test, day of firing, day of resolving or nothing."""
    return (
        alert.labels["alertname"],
        alert.feature,
        alert.fired.finding.measurement.check,
        _day(alert.fired.moved_us),
        "" if alert.resolved_event is None else _day(alert.moves[-1].moved_us),
    )


def _day(moment_us: int) -> str:
    return f"{to_datetime(moment_us):%Y-%m-%d}"

"""The command: run the parts, keep their results, write the page."""

import argparse
import json
import logging
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.detection.catalogue import FLOOR_0, NULLS, SHIFTS, Plan, plan_of
from bench.detection.contestants import (
    ALL,
    CACHE,
    EVERY,
    NEVER,
    OURS,
    PEERS,
    ROOT,
    Contestant,
    pins,
)
from bench.detection.recorded import FLIGHT_STABLE, Recorded, car_loan, constants, flight_stream
from bench.detection.report import markdown
from bench.detection.score import Row, row_of
from bench.detection.streams import Stream
from bench.detection.synthetic import PeerFiles, dummy_trials, our_trials
from bench.detection.tables import TableTrial, our_table_trial, peer_table_trial
from bench.detection.targets import targets
from bench.machine import machine_line, versions_line
from bench.peers.job import WINDOW
from monitor.backtest.alerts import BacktestAlert
from monitor.clock import to_datetime

PAGE: Final = ROOT / "bench" / "DETECTION.md"
RECORDED_SEEDS: Final = 5


@dataclass(frozen=True, slots=True)
class Options:
    """What is run."""

    quick: bool
    who: tuple[str, ...]
    processes: int
    references: int | None

    def plan(self, contestant: Contestant) -> Plan:
        plan = plan_of(contestant.plan, quick=self.quick)
        if self.references is None or contestant is not OURS:
            return plan
        return Plan(self.references, plan.null_events, plan.shift_seeds)

    @property
    def contestants(self) -> list[Contestant]:
        return [contestant for contestant in ALL if contestant.name in self.who]

    @property
    def peers(self) -> list[Contestant]:
        return [contestant for contestant in PEERS if contestant.name in self.who]


def nulls(options: Options) -> list[dict[str, Any]]:
    """Every stream without a change."""
    return _synthetic(NULLS, options, lambda plan: plan.references)


def shifts(options: Options) -> list[dict[str, Any]]:
    """Every stream with a change; once more with floor 0 for Plumbline."""
    rows = _synthetic(SHIFTS, options, lambda plan: plan.shift_seeds)
    alone = Options(options.quick, (OURS.name,), options.processes, options.references)
    if OURS.name in options.who:
        rows += _synthetic(FLOOR_0, alone, lambda plan: plan.shift_seeds)
    return rows


def flights(options: Options) -> list[dict[str, Any]]:
    """The real flight stream; windows of 1,000 events."""
    recorded = flight_stream()
    rows = []
    for contestant in options.contestants:
        if contestant in (NEVER, EVERY) or (options.quick and contestant.name == "kswin"):
            continue
        trial = _table_trial(contestant, recorded)
        windows = {event // WINDOW for event, _ in trial.alarms}
        drifts = trial.alarms
        if contestant is OURS:
            drifts = tuple(
                (alert.firing_event, alert.feature)
                for alert in trial.alerts
                if alert.labels["category"] == "drift"
            )
        stable = {name: sum(name == n for _, n in drifts) for name in FLIGHT_STABLE}
        rows.append(
            {
                "contestant": contestant.name,
                "alarms": len(trial.alarms),
                "windows": len(windows),
                "of_windows": len(recorded.events) // WINDOW,
                "stable": stable,
                "seconds": trial.seconds,
                "alerts": [_told(alert) for alert in trial.alerts],
            }
        )
        _say(f"flights, {contestant.title}: {len(trial.alarms)} alarms")
    return rows


def loan(options: Options) -> list[dict[str, Any]]:
    """Car loans, the prefix cut at several random places."""
    return _recorded([car_loan(seed) for seed in range(_seeds(options))], options)


def constant(options: Options) -> list[dict[str, Any]]:
    """Constant features that start to vary."""
    return _recorded([constants(seed) for seed in range(_seeds(options))], options)


PARTS: Final[dict[str, Callable[[Options], list[dict[str, Any]]]]] = {
    "flights": flights,
    "loan": loan,
    "constant": constant,
    "shifts": shifts,
    "nulls": nulls,
}


def _synthetic(
    streams: Sequence[Stream], options: Options, seeds_of: Callable[[Plan], int]
) -> list[dict[str, Any]]:
    rows: list[Row] = []
    for stream in streams:
        plans = {peer: options.plan(peer) for peer in options.peers}
        longest = max((plan.null_events for plan in plans.values()), default=0)
        most = max((seeds_of(plan) for plan in plans.values()), default=0)
        with PeerFiles(stream, longest, most) as files:
            for contestant in options.contestants:
                plan = options.plan(contestant)
                seeds = seeds_of(plan)
                if contestant is OURS:
                    trials = our_trials(stream, plan.null_events, seeds, options.processes)
                elif contestant in (NEVER, EVERY):
                    trials = dummy_trials(contestant, stream, plan.null_events, seeds)
                else:
                    trials = files.trials(contestant, plan.null_events, seeds)
                if not trials:
                    continue
                rows.append(row_of(stream.name, contestant.name, trials))
                _say(_summary(rows[-1]))
    return [asdict(row) for row in rows]


def _recorded(streams: Sequence[Recorded], options: Options) -> list[dict[str, Any]]:
    rows = []
    for contestant in options.contestants:
        if contestant in (NEVER, EVERY):
            continue
        few = contestant.name in ("kswin", "evidently")
        trials = [_table_trial(contestant, recorded) for recorded in streams[: 1 if few else None]]
        delays: dict[str, list[int]] = {}
        for trial in trials:
            for name, delay in trial.delays().items():
                delays.setdefault(name, []).append(delay)
        given = [*streams[0].numbers, *streams[0].categories]
        seen = [
            name
            for name in streams[0].changed
            if contestant is OURS or contestant.tables or name in streams[0].numbers
        ]
        assert set(seen) <= set(given)
        rows.append(
            {
                "contestant": contestant.name,
                "runs": len(trials),
                "events": sum(len(trial.recorded.events) for trial in trials),
                "false_alarms": sum(len(trial.false_alarms()) for trial in trials),
                "caught": sum(len(trial.delays()) for trial in trials),
                "of": len(seen) * len(trials),
                "delays": {name: float(np.median(found)) for name, found in delays.items()},
            }
        )
        _say(f"{streams[0].card.model}, {contestant.title}: {rows[-1]}")
    return rows


def _table_trial(contestant: Contestant, recorded: Recorded) -> TableTrial:
    if contestant is OURS:
        return our_table_trial(recorded)
    return peer_table_trial(contestant, recorded)


def _seeds(options: Options) -> int:
    return 1 if options.quick else RECORDED_SEEDS


def _summary(row: Row) -> str:
    caught = "" if row.caught is None else f", caught {row.caught} of {row.seeds}"
    delays = "" if row.delays is None else f", delays {row.delays}"
    rate = f"{row.false_alarms} false alarms in {row.events:,} events (bound {row.upper_bound:.2f})"
    speed = "" if np.isinf(row.events_per_s) else f", {row.events_per_s:,.0f} ev/s"
    return f"{row.stream}, {row.contestant}: {rate}{caught}{delays}{speed}"


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def _told(alert: BacktestAlert) -> tuple[str, str, str, str, str]:
    """Alert, feature, test, day of firing, day of resolving or nothing."""
    fired, last = alert.fired, alert.moves[-1]
    return (
        alert.labels["alertname"],
        alert.feature,
        fired.finding.measurement.check,
        _day(fired.moved_us),
        "" if alert.resolved_event is None else _day(last.moved_us),
    )


def _day(moment_us: int) -> str:
    return f"{to_datetime(moment_us):%Y-%m-%d}"


def _made(options: Options) -> str:
    """Where and from what a part's figures come."""
    ours = versions_line("numpy", "scipy", "river")
    peers = [peer for peer in options.peers if peer.environment]
    packages = {"alibi_detect": "alibi-detect"}
    theirs = {
        peer.environment: pins(peer.environment)[packages.get(peer.environment, peer.environment)]
        for peer in peers
    }
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    named = ", ".join(f"{name} {found}" for name, found in theirs.items())
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return "; ".join(filter(None, (f"{when}, commit {commit}", machine_line(), ours, named)))


def main() -> None:
    """Run what is asked for; after each part, keep its result and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, some two minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS), metavar="PART")
    names = tuple(contestant.name for contestant in ALL)
    parser.add_argument("--who", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--jobs", type=int, default=1, help="seeds of ours run at a time")
    parser.add_argument("--references", type=int, help="seeds of a null for ours (default 20)")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    options = Options(chosen.quick, tuple(chosen.who), chosen.jobs, chosen.references)
    folder = CACHE / "detection" / ("quick" if options.quick else "full")
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "DETECTION.md" if options.quick else PAGE
    for name in chosen.only:
        start = time.monotonic()
        rows = PARTS[name](options)
        part = {
            "rows": _merged(folder / f"{name}.json", rows, options),
            "made": _made(options),
            "minutes": (time.monotonic() - start) / 60,
        }
        _replace(folder / f"{name}.json", json.dumps(part))
        parts = {
            part: json.loads((folder / f"{part}.json").read_text())
            for part in PARTS
            if (folder / f"{part}.json").exists()
        }
        _replace(page, markdown(targets(parts), parts, options.quick))
    print(page.read_text())


def _merged(file: Path, rows: list[dict[str, Any]], options: Options) -> list[dict[str, Any]]:
    """With `--who`, the rows of the others stay as they were measured before."""
    kept = json.loads(file.read_text())["rows"] if file.exists() else []
    kept = [row for row in kept if row["contestant"] not in options.who]
    streams = list(dict.fromkeys(row.get("stream", "") for row in [*rows, *kept]))
    order = [contestant.name for contestant in ALL]
    return sorted(
        [*rows, *kept],
        key=lambda row: (streams.index(row.get("stream", "")), order.index(row["contestant"])),
    )


def _replace(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, file)


if __name__ == "__main__":
    main()

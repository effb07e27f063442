"""How many incidents do ten months of real flights make, and does a drill still open its own?

    python -m bench.incidents [--report bench/INCIDENTS.md]

In: the flights of 2013 from March to December with their labels; for the drills, with simulated
latency, status, send and feature times, and twenty faults of `producers.faults`, two a month. Out:
a page: every incident with its alerts and the first sentence of its head; every drill with the
incident that it made. Never: an incident left out, a drill that shares the state of another: each
is played in a branch of its own.
"""

import argparse
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from bench.drills.traffic import CARD, SEED, scored, site
from bench.machine import commit_line, machine_line
from monitor.alerts import AlertMove, AlertState
from monitor.backtest.run import run_backtest
from monitor.backtest.shadow import Shadow
from monitor.cli.faults import KNOWN, sent_events
from monitor.clock import to_datetime
from monitor.profiling.card import load_card
from monitor.profiling.dataset import frame_dataset
from producers import flights
from producers.faults import FAULTS
from producers.faults.fault import Drawn, Sent, inject
from producers.faults.signals import simulated
from producers.faults.traffic import Traffic

ROOT: Final = Path(__file__).parents[1]
MOST: Final = 12
"""Incidents that ten months may make."""
WITHIN: Final = 4_000
"""Events of the source after an onset within which a drill has to be told."""
ONSET_FROM: Final = 0.2
ONSET_TO: Final = 0.7
"""Where in its month an onset may lie."""
ENDED: Final = (AlertState.RESOLVED, AlertState.SUPERSEDED)
DRILLS: Final = (
    ("2013-03", "unit_miles_to_km"),
    ("2013-03", "stuck_feature"),
    ("2013-04", "null_burst"),
    ("2013-04", "fallback_burst"),
    ("2013-05", "column_gone"),
    ("2013-05", "truncated_categories"),
    ("2013-06", "swapped_columns"),
    ("2013-06", "latency_jump"),
    ("2013-07", "default_value"),
    ("2013-07", "duplicate_ids"),
    ("2013-08", "hidden_nulls"),
    ("2013-08", "stale_features"),
    ("2013-09", "time_zone"),
    ("2013-09", "incoherent_scores"),
    ("2013-10", "column_renamed"),
    ("2013-10", "future_timestamps"),
    ("2013-11", "reencoded_categories"),
    ("2013-11", "constant_prediction"),
    ("2013-12", "new_category"),
    ("2013-12", "unit_fahrenheit_to_celsius"),
)
"""(month, fault)."""


@dataclass(slots=True)
class Incident:
    """Alerts with one incident id."""

    id: str
    opened_us: int
    moves: list[AlertMove] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Its alerts in the order in which they fired."""
        fired = [move for move in self.moves if move.state is AlertState.FIRING]
        return list(dict.fromkeys(name_of(move) for move in fired))

    @property
    def head(self) -> AlertMove:
        """The last move at which its cause was told: of the alert that none inhibits."""
        heads = [move for move in self.moves if "inhibited_by" not in move.annotations]
        fired = [move for move in heads if move.state is AlertState.FIRING]
        return (fired or heads or self.moves)[0]

    @property
    def closed_us(self) -> int | None:
        """When its last alert ended; None while one is on."""
        on: set[str] = set()
        for move in self.moves:
            (on.discard if move.state in ENDED else on.add)(move.fingerprint)
        return None if on else self.moves[-1].moved_us


@dataclass(frozen=True, slots=True)
class Drill:
    """A fault along the months, and what was told of it."""

    month: str
    fault: str
    words: str
    told: AlertMove | None
    """The first firing that names kind and feature."""
    after: int
    """Events of the source from the onset to it."""
    how: str
    """`own`, `joined` an open incident of the same feature, or what is wrong."""
    owner: bool
    sentence: bool

    @property
    def right(self) -> bool:
        """Whether it did what it must."""
        return self.how in ("own", "joined") and self.owner and self.sentence


def incidents_of(moves: Iterable[AlertMove]) -> list[Incident]:
    """The incidents of published moves, in the order of their opening."""
    found: dict[str, Incident] = {}
    for move in moves:
        mark = move.annotations.get("incident")
        if mark is not None:
            found.setdefault(mark, Incident(mark, move.starts_us)).moves.append(move)
    return list(found.values())


def whole() -> Sequence[AlertMove]:
    """All moves of the ten months, labels included: what the demo's worker makes of them."""
    reference, stream = scored()
    return run_backtest(stream, load_card(CARD), reference, labels=flights.arrivals(stream)).moves


def name_of(move: AlertMove) -> str:
    """Kind and feature."""
    return " ".join(filter(None, (move.labels["alertname"], move.labels.get("feature"))))


def flow() -> Iterator[Sent]:
    """The flights from March on."""
    card = site().card
    return simulated(sent_events(frame_dataset(scored()[1], card), card), card, seed=SEED + 1)


def onsets(drills: Sequence[tuple[str, str]]) -> list[tuple[int, str, str]]:
    """(index of the first faulty event, month, fault), in order of the stream."""
    months = scored()[1]["occurred_at"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m")
    months = pd.Series(months.to_numpy())
    found = []
    for number, (month, fault) in enumerate(drills):
        rows = np.flatnonzero((months == month).to_numpy())
        share = np.random.default_rng([SEED, number]).uniform(ONSET_FROM, ONSET_TO)
        found.append((int(rows[0] + share * len(rows)), month, fault))
    return sorted(found)


def drilled(drills: Sequence[tuple[str, str]]) -> tuple[Shadow, list[Drill]]:
    """Play the stream up to the last drill, and every drill in a branch at its onset."""
    place = site()
    shadow = Shadow(place.card, place.profile)
    events = flow()
    known: deque[Sent] = deque(maxlen=KNOWN)
    ahead: deque[Sent] = deque()
    told: list[Drill] = []
    played = 0
    for onset, month, fault in onsets(drills):
        ahead.extend(islice(events, max(onset + WITHIN - played - len(ahead), 0)))
        part = [ahead.popleft() for _ in range(onset - played)]
        shadow.play(part)
        known.extend(part)
        played = onset
        told.append(_drill(shadow, month, fault, list(known), list(islice(ahead, WITHIN))))
    return shadow, told


def _drill(at_onset: Shadow, month: str, name: str, known: list[Sent], rest: list[Sent]) -> Drill:
    fault, card = FAULTS[name], at_onset.card
    traffic = Traffic(card, [sent.event for sent in known[-3_000:]])
    injection = inject(fault, traffic, seed=SEED, onset=len(known))
    take = injection.begin()
    for sent in known:
        take(sent)
    [(_, drawn)] = injection.faults
    before = len(at_onset.placed)
    branch = at_onset.branch()
    branch.play(rest, take)
    fired = [
        one
        for one in branch.placed[before:]
        if one.move.state is AlertState.FIRING
        and one.move.labels["alertname"] in (*fault.expected, *fault.accepted)
        and one.move.labels.get("feature", "") in drawn.features
    ]
    if not fired:
        names = {name_of(one.move) for one in branch.placed[before:] if one.move.published}
        how = "not told" + (f" ({', '.join(sorted(names))})" if names else "")
        return Drill(month, name, injection.words, None, 0, how, owner=False, sentence=False)
    first = fired[0]
    move = first.move
    return Drill(
        month=month,
        fault=name,
        words=injection.words,
        told=move,
        after=first.source_events - at_onset.source_events,
        how=_how(move, incidents_of(one.move for one in at_onset.placed)),
        owner=card.owner is not None and move.annotations.get("owner") == card.owner.team,
        sentence=_says(move, drawn),
    )


def _how(move: AlertMove, before: Sequence[Incident]) -> str:
    """Whether the incident of a move is its own."""
    mark = move.annotations.get("incident", "")
    open_before = {one.id: one for one in before if one.closed_us is None}
    if mark not in open_before:
        return "own"
    feature = move.labels.get("feature", "")
    others = {one.labels.get("feature", "") for one in open_before[mark].moves}
    if feature and feature in others:
        return "joined"
    return f"in the incident of {name_of(open_before[mark].head)}"


def _says(move: AlertMove, drawn: Drawn) -> bool:
    """Whether the first sentence of an alert names its kind and its feature."""
    first = move.annotations["summary"].split(";")[0]
    feature = move.labels.get("feature", "")
    return feature in first and all(
        any(word.lower() in first.lower() for word in group) for group in drawn.cause
    )


def markdown(
    moves: Sequence[AlertMove], drills: Sequence[Drill], again: bool, minutes: float
) -> str:
    """The whole page."""
    found = incidents_of(moves)
    right = sum(drill.right for drill in drills)
    lines = [
        "# Incidents",
        "",
        (
            f"The flights of New York from March to December, all checks on, and {len(drills)} "
            f"drills along them; by `python -m bench.incidents`, {minutes:.1f} minutes "
            f"({machine_line()}; {commit_line()})."
        ),
        "",
        "| demanded | found | |",
        "|---|---|---|",
        f"| at most {MOST} incidents in ten months | {len(found)} | {_yes(len(found) <= MOST)} |",
        (
            f"| played again from scratch: the same ids | {'equal' if again else 'others'} | "
            f"{_yes(again)} |"
        ),
        (
            f"| each drill opens its own incident, or adds its cause to an open one of the same "
            f"feature, with the owner and the first sentence | {right} of {len(drills)} | "
            f"{_yes(right == len(drills))} |"
        ),
        "",
        "## The ten months",
        "",
        "| incident | opened | closed | alerts in the order in which they fired | its head says |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.id[:8]} | {_day(one.opened_us)} | "
        f"{_day(one.closed_us) if one.closed_us else 'on'} | {', '.join(one.names)} | "
        f"{one.head.annotations['summary']} |"
        for one in found
    ]
    lines += [
        "",
        "## The drills",
        "",
        "| month | fault | what was done | alert | after | incident | owner | sentence | it says |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(drill) for drill in drills]
    return "\n".join(lines) + "\n"


def _row(drill: Drill) -> str:
    told = drill.told
    cells = (
        *(drill.month, drill.fault, drill.words),
        name_of(told) if told else "-",
        f"{drill.after:,}" if told else "-",
        *(drill.how, _yes(drill.owner), _yes(drill.sentence)),
        told.annotations["summary"] if told else "-",
    )
    return "| " + " | ".join(cells) + " |"


def _yes(holds: bool) -> str:
    return "yes" if holds else "**no**"


def _day(at_us: int) -> str:
    return f"{to_datetime(at_us):%Y-%m-%d}"


def main() -> None:
    """Run it and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.incidents", description=__doc__)
    parser.add_argument("--report", type=Path, help="where the page goes beside the screen")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    began_s = time.monotonic()
    moves, again = whole(), whole()
    ids = [[move.event_id for move in run] for run in (moves, again)]
    _, drills = drilled(DRILLS)
    minutes = (time.monotonic() - began_s) / 60
    page = markdown(moves, drills, ids[0] == ids[1], minutes)
    if chosen.report:
        chosen.report.write_text(page)
    print(page)


if __name__ == "__main__":
    main()

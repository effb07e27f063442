"""What the benchmark is to show, and whether it does.

In: results by part. Out: `Target`s. Never: a target left out because it was not measured: it then
says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.detection.catalogue import FLOOR_0, NULLS
from bench.detection.contestants import OURS
from bench.detection.score import Row
from bench.detection.streams import BUDGET

NULL_EVENTS: Final = 20_000_000
ALLOWED_TIMES_BUDGET: Final = 2.0
FLOOR_0_DELAYS: Final = {
    "mean 0.25, floor 0": 520,
    "mean 0.5, floor 0": 160,
    "mean 1, floor 0": 60,
    "ramp to 0.5, floor 0": 1_100,
    "variance x 1.5, floor 0": 700,
}
DEPENDENT_DELAYS: Final = {"AR(1) .9: mean 1": 1_500, "AR(1) .9: mean 2": 500}


@dataclass(frozen=True, slots=True)
class Target:
    """One promise and its measurement."""

    name: str
    wanted: str
    measured: str
    verdict: str
    """met, not met, or not measured."""


def targets(parts: Mapping[str, Mapping[str, Any]]) -> list[Target]:
    """All of them, in the order of the page."""
    found = [*_null_targets(_ours(parts, "nulls")), *_delay_targets(_ours(parts, "shifts"))]
    found += _flight_targets(parts.get("flights"))
    found += _recorded_targets(parts.get("loan"), "car loan")
    found += _recorded_targets(parts.get("constant"), "constant features")
    return found


def _ours(parts: Mapping[str, Mapping[str, Any]], part: str) -> dict[str, Row]:
    rows = (Row(**row) for row in parts.get(part, {}).get("rows", []))
    return {row.stream: row for row in rows if row.contestant == OURS.name}


def _null_targets(rows: Mapping[str, Row]) -> Iterable[Target]:
    allowed = ALLOWED_TIMES_BUDGET * BUDGET * 1e6
    for stream in NULLS:
        wanted = f"upper bound at most {allowed:g} per million, {NULL_EVENTS:,} events"
        row = rows.get(stream.name)
        if row is None:
            yield _unmeasured(stream.name, wanted)
            continue
        measured = f"{row.upper_bound:.2f} ({row.false_alarms} in {row.events:,})"
        met = row.upper_bound <= allowed and row.events >= NULL_EVENTS
        yield Target(stream.name, wanted, measured, _verdict(met))


def _delay_targets(rows: Mapping[str, Row]) -> Iterable[Target]:
    assert set(FLOOR_0_DELAYS) <= {stream.name for stream in FLOOR_0}
    for name, longest in (FLOOR_0_DELAYS | DEPENDENT_DELAYS).items():
        wanted = f"median delay at most {longest:,}"
        row = rows.get(name)
        if row is None or row.delays is None:
            yield _unmeasured(name, wanted)
            continue
        middle = row.delays[1]
        yield Target(name, wanted, f"{middle:,.0f}", _verdict(middle <= longest))


def _flight_targets(part: Mapping[str, Any] | None) -> Iterable[Target]:
    wanted = {
        "flights: stable five": "no drift alert",
        "flights: temp": "firing in May, resolved by the end of December",
        "flights: score": "firing by the end of April",
    }
    rows = [row for row in part["rows"] if row["contestant"] == OURS.name] if part else []
    if not rows:
        yield from (_unmeasured(name, words) for name, words in wanted.items())
        return
    stable = sum(rows[0]["stable"].values())
    drifts = [alert for alert in rows[0]["alerts"] if alert[0].endswith("Drift")]
    temp = [alert[3:] for alert in drifts if alert[1] == "temp"]
    score = [alert[3:] for alert in drifts if alert[1] == "score"]
    may = any(fired < "2013-06" and (ended or "9") >= "2013-05" for fired, ended in temp)
    met = (not stable, may and all(temp_end for _, temp_end in temp), _by(score, "2013-05"))
    measured = (str(stable), _spells(temp), _spells(score))
    for (name, words), figure, is_met in zip(wanted.items(), measured, met, strict=True):
        yield Target(name, words, figure, _verdict(is_met))


def _recorded_targets(part: Mapping[str, Any] | None, name: str) -> Iterable[Target]:
    wanted = "clean columns stay quiet, changed ones fire"
    rows = [row for row in part["rows"] if row["contestant"] == OURS.name] if part else []
    if not rows:
        yield _unmeasured(name, wanted)
        return
    row = rows[0]
    measured = f"{row['false_alarms']} false alarms, {row['caught']} of {row['of']} caught"
    met = not row["false_alarms"] and row["caught"] == row["of"]
    yield Target(name, wanted, measured, _verdict(met))


def _by(spells: Sequence[Sequence[str]], month: str) -> bool:
    return any(fired < month for fired, _ in spells)


def _spells(spells: Sequence[Sequence[str]]) -> str:
    return ", ".join(f"{fired} to {ended or 'the end'}" for fired, ended in spells) or "never"


def _unmeasured(name: str, wanted: str) -> Target:
    return Target(name, wanted, "", "not measured")


def _verdict(met: bool) -> str:
    return "met" if met else "**not met**"

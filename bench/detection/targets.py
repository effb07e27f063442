"""What the benchmark is to show, and whether it does.

In: results by part. Out: `Target`s. Never: a target left out because it was not measured: it then
says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.detection.catalogue import FLOOR_0, NULLS
from bench.detection.contestants import OURS
from bench.detection.results import Results
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

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One promise and its measurement."""

    name: str
    wanted: str
    measured: str
    verdict: str
    """met, not met, or not measured."""


def targets(results: Results) -> list[Target]:
    """All of them, in the order of the page."""
    found = [*_null_targets(_ours(results, "nulls")), *_delay_targets(_ours(results, "shifts"))]
    found += _flight_targets(_ours(results, "flights").get("flights"))
    found += _recorded_targets(_ours(results, "loan").get("loan"), "car loan")
    found += _recorded_targets(_ours(results, "constant").get("constant"), "constant features")
    return found


def _ours(results: Results, part: str) -> dict[str, Figures]:
    """Plumbline's figures of a part by stream."""
    entries = (measured.entry for measured in results.get(part, []))
    return {entry.stream: entry.figures for entry in entries if entry.contestant == OURS.name}


def _null_targets(found: Mapping[str, Figures]) -> Iterable[Target]:
    allowed = ALLOWED_TIMES_BUDGET * BUDGET * 1e6
    for stream in NULLS:
        wanted = f"upper bound at most {allowed:g} per million, {NULL_EVENTS:,} events"
        if stream.name not in found:
            yield _unmeasured(stream.name, wanted)
            continue
        row = Row(**found[stream.name])
        measured = f"{row.upper_bound:.2f} ({row.false_alarms} in {row.events:,})"
        met = row.upper_bound <= allowed and row.events >= NULL_EVENTS
        yield Target(stream.name, wanted, measured, _verdict(met))


def _delay_targets(found: Mapping[str, Figures]) -> Iterable[Target]:
    assert set(FLOOR_0_DELAYS) <= {stream.name for stream in FLOOR_0}
    for name, longest in (FLOOR_0_DELAYS | DEPENDENT_DELAYS).items():
        wanted = f"median delay at most {longest:,}"
        delays = Row(**found[name]).delays if name in found else None
        if delays is None:
            yield _unmeasured(name, wanted)
            continue
        middle = delays[1]
        yield Target(name, wanted, f"{middle:,.0f}", _verdict(middle <= longest))


def _flight_targets(figures: Figures | None) -> Iterable[Target]:
    wanted = {
        "flights: stable five": "no drift alert",
        "flights: temp": "firing in May, resolved by the end of December",
        "flights: score": "firing by the end of April",
    }
    if figures is None:
        yield from (_unmeasured(name, words) for name, words in wanted.items())
        return
    stable = sum(figures["stable"].values())
    drifts = [alert for alert in figures["alerts"] if alert[0].endswith("Drift")]
    temp = [alert[3:] for alert in drifts if alert[1] == "temp"]
    score = [alert[3:] for alert in drifts if alert[1] == "score"]
    may = any(fired < "2013-06" and (ended or "9") >= "2013-05" for fired, ended in temp)
    met = (not stable, may and all(temp_end for _, temp_end in temp), _by(score, "2013-05"))
    measured = (str(stable), _spells(temp), _spells(score))
    for (name, words), figure, is_met in zip(wanted.items(), measured, met, strict=True):
        yield Target(name, words, figure, _verdict(is_met))


def _recorded_targets(figures: Figures | None, name: str) -> Iterable[Target]:
    wanted = "clean columns stay quiet, changed ones fire"
    if figures is None:
        yield _unmeasured(name, wanted)
        return
    measured = (
        f"{figures['false_alarms']} false alarms, {figures['caught']} of {figures['of']} caught"
    )
    met = not figures["false_alarms"] and figures["caught"] == figures["of"]
    yield Target(name, wanted, measured, _verdict(met))


def _by(spells: Sequence[Sequence[str]], month: str) -> bool:
    return any(fired < month for fired, _ in spells)


def _spells(spells: Sequence[Sequence[str]]) -> str:
    return ", ".join(f"{fired} to {ended or 'the end'}" for fired, ended in spells) or "never"


def _unmeasured(name: str, wanted: str) -> Target:
    return Target(name, wanted, "", "not measured")


def _verdict(met: bool) -> str:
    return "met" if met else "**not met**"

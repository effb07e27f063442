"""The page: targets, tables, machine, versions.

In: results by part, as JSON keeps them. Out: Markdown. Never: a figure that is not in a result.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from bench.detection.catalogue import FLOOR_0, NULLS, SHIFTS
from bench.detection.contestants import ALL, OURS
from bench.detection.parts import Entry
from bench.detection.results import Measured, Results
from bench.detection.score import Row
from bench.detection.targets import Target, targets

TITLES: Final = {contestant.name: contestant.title for contestant in ALL}
NOTES: Final = """\
How to read it. Every alarm counts, as its practice raises it: of Plumbline an alert that fires (on
a feature, the prediction, or the whole model), of windowed practices a feature in a tumbling window
of 1,000 events, of event-by-event detectors a detection on a feature. On streams with a change, an
alarm before the onset and one on an unchanged feature are false; the first one on the changed
feature from the onset on catches it, and its delay counts the events from the onset to the alarm,
both included (a window alarms at its end). A missed change counts as infinite in the median. The
changed feature, the warm-up of 3,000 to 8,000 events and the noise come from the seed; 10,000
events follow the onset (KSWIN 1,000, Evidently 2,000: they are slow). The bound is one-sided, 95 %,
Poisson, over all seeds; a seed has a reference of its own (40,000 rows; weekly 84,000), so that the
calibration is judged too. Plumbline watches an eleventh column, the prediction, and its budget is
for all eleven. ev/s is per second of processor time: of Plumbline the pipeline from columns to
alert moves, of a peer its whole job. Of the car loans, salary_range changes by less than
Plumbline's default floor (total variation .09): an alarm on it after the onset counts neither way.
"""


def markdown(results: Results, *, quick: bool) -> str:
    """The whole page."""
    lines = ["# Detection benchmark", "", "Written by `make bench-detection`; do not edit."]
    if quick:
        lines += ["", "**A quick run: sizes too small to conclude anything from.**"]
    lines += ["", "## Targets", "", *_targets(targets(results))]
    for part, (title, table) in _TABLES.items():
        if part in results:
            entries = [measured.entry for measured in _ordered(results[part])]
            lines += ["", f"## {title}", "", *table(entries)]
    lines += ["", "## Notes", "", NOTES, *_made(results), ""]
    return "\n".join(lines)


def summary(entry: Entry) -> str:
    """One line for the screen."""
    hidden = ("stream", "contestant", "alerts")
    figures = {name: value for name, value in entry.figures.items() if name not in hidden}
    return f"{entry.stream}, {entry.contestant}: {figures}"


def _ordered(rows: Sequence[Measured]) -> list[Measured]:
    """By stream as the catalogue has them, then by contestant."""
    streams = [stream.name for stream in (*NULLS, *SHIFTS, *FLOOR_0)]
    places = {name: place for place, name in enumerate(streams)}
    who = {name: place for place, name in enumerate(TITLES)}
    known = [row for row in rows if row.entry.stream in places or not places.keys() & _names(rows)]
    return sorted(
        known,
        key=lambda row: (places.get(row.entry.stream, 0), who[row.entry.contestant]),
    )


def _names(rows: Sequence[Measured]) -> set[str]:
    return {row.entry.stream for row in rows}


def _targets(targets: Sequence[Target]) -> Iterable[str]:
    yield from _head("target", "wanted", "measured", "met")
    for target in targets:
        yield _line(target.name, target.wanted, target.measured, target.verdict)


def _nulls(entries: Sequence[Entry]) -> Iterable[str]:
    yield from _head(
        "stream",
        "contestant",
        "seeds",
        "events",
        "false alarms",
        "per million",
        "upper bound",
        "per seed: min, median, max",
        "ev/s",
    )
    for row in (Row(**entry.figures) for entry in entries):
        rate = 1e6 * row.false_alarms / max(row.events, 1)
        yield _line(
            row.stream,
            _title(row.contestant),
            str(row.seeds),
            f"{row.events:,}",
            f"{row.false_alarms:,}",
            _figure(rate),
            _figure(row.upper_bound),
            ", ".join(_figure(value) for value in row.rates),
            _figure(row.events_per_s),
        )


def _shifts(entries: Sequence[Entry]) -> Iterable[str]:
    yield from _head(
        "stream", "contestant", "caught", "delay: median (10 to 90 %)", "false alarms", "in events"
    )
    for row in (Row(**entry.figures) for entry in entries):
        low, middle, high = row.delays or (np.inf,) * 3
        yield _line(
            row.stream,
            _title(row.contestant),
            f"{row.caught} of {row.seeds}",
            f"{_figure(middle)} ({_figure(low)} to {_figure(high)})",
            f"{row.false_alarms:,}",
            f"{row.events:,}",
        )


def _flights(entries: Sequence[Entry]) -> Iterable[str]:
    yield from _head("contestant", "alarms", "windows with one", "on the stable five", "seconds")
    for entry in entries:
        figures = entry.figures
        stable = ", ".join(f"{name} {n:,}" for name, n in figures["stable"].items() if n)
        yield _line(
            _title(entry.contestant),
            f"{figures['alarms']:,}",
            f"{figures['windows']} of {figures['of_windows']}",
            stable or "none",
            f"{figures['seconds']:.0f}",
        )
    yield ""
    yield "The stable five: distance, carrier, origin, sched_min, dow; tools that take arrays"
    yield "only are not given carrier and origin. Plumbline's alerts:"
    yield ""
    yield from _head("alert", "feature", "test", "fired", "resolved")
    for entry in entries:
        for alert in entry.figures["alerts"]:
            yield _line(*alert)


def _recorded(entries: Sequence[Entry]) -> Iterable[str]:
    yield from _head(
        "contestant", "runs", "false alarms", "in events", "caught", "median delay by column"
    )
    for entry in entries:
        figures = entry.figures
        delays = [f"{column} {_figure(delay)}" for column, delay in figures["delays"].items()]
        yield _line(
            _title(entry.contestant),
            str(figures["runs"]),
            f"{figures['false_alarms']:,}",
            f"{figures['events']:,}",
            f"{figures['caught']} of {figures['of']}",
            ", ".join(delays) or "none",
        )


def _made(results: Results) -> Iterable[str]:
    """What was measured with what, and for how long."""
    found: dict[str, list[str]] = {}
    for part, rows in results.items():
        for row in rows:
            names = found.setdefault(row.made, [])
            name = f"{TITLES[row.entry.contestant]} ({part})"
            names += [] if name in names else [name]
    yield from (f"- {made}: {', '.join(names)}" for made, names in found.items())
    for part, rows in results.items():
        yield f"- {part}: {sum(row.minutes for row in rows):.0f} minutes"


def _title(name: str) -> str:
    return f"**{TITLES[name]}**" if name == OURS.name else TITLES[name]


def _head(*cells: str) -> Iterable[str]:
    yield _line(*cells)
    yield _line(*("---" for _ in cells))


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _figure(value: float) -> str:
    """Three digits, thousands apart.

    >>> [_figure(value) for value in (0.0, 0.1234, 12.34, 12345.6, float("inf"))]
    ['0', '0.123', '12.3', '12,346', 'never']
    """
    if not np.isfinite(value):
        return "never"
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


_TABLES: Final[Mapping[str, tuple[str, Callable[[Sequence[Entry]], Iterable[str]]]]] = {
    "nulls": ("Streams without a change", _nulls),
    "shifts": ("Streams with a change", _shifts),
    "flights": ("Flights, March to December 2013, reference February", _flights),
    "loan": ("NannyML's synthetic_car_loan, a random prefix cut", _recorded),
    "constant": ("Features constant in the reference", _recorded),
}

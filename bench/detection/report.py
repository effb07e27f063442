"""The page: targets, tables, machine, versions.

In: results by part, as JSON keeps them. Out: Markdown. Never: a figure that is not in a result.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from bench.detection.contestants import ALL, OURS
from bench.detection.score import Row
from bench.detection.targets import Target

TITLES: Final = {contestant.name: contestant.title for contestant in ALL}
NOTES: Final = """\
How to read it. Every alarm counts, as its practice raises it: of Plumbline an alert that fires (on
a feature, the prediction, or the whole model), of windowed practices a feature in a tumbling window
of 1,000 events, of event-by-event detectors a detection on a feature. On streams with a change, an
alarm before the onset and one on an unchanged feature are false; the first one on the changed
feature from the onset on catches it, and its delay counts the events from the onset to the alarm,
both included (a window alarms at its end). A missed change counts as infinite in the median. The
changed feature, the warm-up of 3,000 to 8,000 events and the noise come from the seed; 10,000
events follow the onset. The bound is one-sided, 95 %, Poisson, over all seeds; a seed has a
reference of its own (40,000 rows; weekly 84,000), so that the calibration is judged too. Plumbline
watches an eleventh column, the prediction, and its budget is for all eleven. ev/s is per second of
processor time: of Plumbline the pipeline from columns to alert moves, of a peer its whole job.
"""


def markdown(targets: Sequence[Target], parts: Mapping[str, Mapping[str, Any]], quick: bool) -> str:
    """The whole page."""
    lines = ["# Detection benchmark", ""]
    lines.append("Written by `make bench-detection`; do not edit.")
    if quick:
        lines += ["", "**A quick run: sizes too small to conclude anything from.**"]
    lines += ["", "## Targets", "", *_targets(targets)]
    if "nulls" in parts:
        lines += ["", "## Streams without a change", "", *_nulls(_rows(parts["nulls"]))]
    if "shifts" in parts:
        lines += ["", "## Streams with a change", "", *_shifts(_rows(parts["shifts"]))]
    for name, title in (
        ("flights", "Flights, March to December 2013, reference February"),
        ("loan", "NannyML's synthetic_car_loan, a random prefix cut"),
        ("constant", "Features constant in the reference"),
    ):
        if name in parts:
            lines += ["", f"## {title}", "", *_recorded(name, parts[name]["rows"])]
    lines += ["", "## Notes", "", NOTES, *_made(parts), ""]
    return "\n".join(lines)


def _rows(part: Mapping[str, Any]) -> list[Row]:
    return [Row(**row) for row in part["rows"]]


def _targets(targets: Sequence[Target]) -> Iterable[str]:
    yield from _head("target", "wanted", "measured", "met")
    for target in targets:
        yield _line(target.name, target.wanted, target.measured, target.verdict)


def _nulls(rows: Sequence[Row]) -> Iterable[str]:
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
    for row in rows:
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


def _shifts(rows: Sequence[Row]) -> Iterable[str]:
    yield from _head(
        "stream", "contestant", "caught", "delay: median (10 to 90 %)", "false alarms", "in events"
    )
    for row in rows:
        low, middle, high = row.delays or (np.inf,) * 3
        yield _line(
            row.stream,
            _title(row.contestant),
            f"{row.caught} of {row.seeds}",
            f"{_figure(middle)} ({_figure(low)} to {_figure(high)})",
            f"{row.false_alarms:,}",
            f"{row.events:,}",
        )


def _recorded(name: str, rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    if name == "flights":
        yield from _head(
            "contestant", "alarms", "windows with one", "on the stable five", "seconds"
        )
        for row in rows:
            stable = ", ".join(f"{n} {k}" for k, n in row["stable"].items() if n) or "none"
            windows = f"{row['windows']} of {row['of_windows']}"
            yield _line(
                _title(row["contestant"]),
                f"{row['alarms']:,}",
                windows,
                stable,
                f"{row['seconds']:.0f}",
            )
        yield ""
        yield "The stable five: distance, carrier, origin, sched_min, dow; tools that take arrays"
        yield "only are not given carrier and origin. Plumbline's alerts:"
        yield ""
        yield from _head("alert", "feature", "test", "fired", "resolved")
        for row in rows:
            for alert in row["alerts"]:
                yield _line(*alert)
        return
    yield from _head(
        "contestant", "runs", "false alarms", "in events", "caught", "median delay by column"
    )
    for row in rows:
        delays = ", ".join(f"{column} {_figure(d)}" for column, d in row["delays"].items())
        yield _line(
            _title(row["contestant"]),
            str(row["runs"]),
            f"{row['false_alarms']:,}",
            f"{row['events']:,}",
            f"{row['caught']} of {row['of']}",
            delays or "none",
        )


def _made(parts: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for name, part in parts.items():
        yield f"- {name}: {part['made']}, {part['minutes']:.1f} minutes"


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

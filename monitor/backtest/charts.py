"""Charts of a backtest as SVG text: when alerts fired, and effects against their thresholds.

In: a `BacktestResult`. Out: SVG elements to stand in a page. Never: a name that is not escaped, a
script, a reference to anything outside.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from monitor.alerts import AlertState
from monitor.backtest.alerts import BacktestAlert, event_of
from monitor.backtest.result import BacktestResult
from monitor.clock import to_datetime
from monitor.events import Float64, Int64

WIDTH: Final = 900
SMALL_WIDTH: Final = 440
LABEL_WIDTH: Final = 230
POINTS: Final = 300
"""Most points of a line: of each stretch of looks the largest effect is drawn."""
EFFECT_CHECKS: Final = ("ks", "total_variation")
_TICKS: Final = 5
_ROW: Final = 24
_HEIGHT: Final = 150
_STEPS: Final = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0)
"""Distances between the lines of a grid."""


@dataclass(frozen=True, slots=True)
class Series:
    """The looks of one test at one scale, in their order."""

    feature: str
    check: str
    scale: int
    events: Int64
    effect: Float64
    threshold: Float64
    """What the effect has to exceed: the test's threshold, at least the card's floor."""
    drift: int
    """Looks whose verdict was drift."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Rows of the file from left to right."""

    n: int
    left: float
    width: float
    occurred_us: Int64 | None

    def x(self, event: float) -> float:
        return self.left + self.width * event / max(self.n, 1)

    def ticks(self, count: int) -> Iterator[tuple[float, str]]:
        for event in np.linspace(0, self.n - 1, count).astype(int).tolist():
            if self.occurred_us is None:
                yield self.x(event), f"{event:,}"
            else:
                yield self.x(event), f"{to_datetime(int(self.occurred_us[event])):%Y-%m-%d}"


def timeline(result: BacktestResult) -> str:
    """One line for each kind of alert: pale while pending, dark while firing."""
    rows: dict[str, list[BacktestAlert]] = {}
    for alert in result.alerts:
        rows.setdefault(alert.name, []).append(alert)
    height = _ROW * len(rows) + 30
    axis = _Axis(result.events, LABEL_WIDTH, WIDTH - LABEL_WIDTH - 40, result.occurred_us)
    parts = [_open(WIDTH, height, f"Timeline of {len(result.alerts)} alerts")]
    for place, (name, alerts) in enumerate(rows.items()):
        top = place * _ROW
        middle = top + _ROW / 2
        parts.append(
            f'<text x="{LABEL_WIDTH - 8}" y="{middle + 4}" text-anchor="end">{escape(name)}</text>'
            f'<line class="grid" x1="{LABEL_WIDTH}" x2="{WIDTH - 40}" y1="{middle}" y2="{middle}"/>'
        )
        parts += [_bars(alert, axis, top, result.events) for alert in alerts]
    parts.append(_tick_labels(axis, height - 12))
    return "".join([*parts, "</svg>"])


def series_of(result: BacktestResult) -> list[Series]:
    """The windowed looks by column, test and scale, in the order of the profile's columns."""
    table = result.findings
    checks = np.array(table["check"].to_pylist(), dtype=object)
    features = np.array(table["feature"].to_pylist(), dtype=object)
    scales = np.asarray(table["scale"].to_numpy(), dtype=np.int64)
    events = np.asarray(table["last_offset"].to_numpy(), dtype=np.int64)
    effect = np.asarray(table["effect"].to_numpy(), dtype=np.float64)
    floor = result.card.monitoring.effect_floor
    threshold = np.maximum(np.asarray(table["threshold"].to_numpy(), dtype=np.float64), floor)
    drift = np.array(table["verdict"].to_pylist(), dtype=object) == "drift"
    windowed = scales > 0
    found = []
    for feature in dict.fromkeys([*result.profile.names, *features.tolist()]):
        of_feature = windowed & (features == feature)
        for check in dict.fromkeys(checks[of_feature].tolist()):
            of_check = of_feature & (checks == check)
            for scale in np.unique(scales[of_check]).tolist():
                rows = np.flatnonzero(of_check & (scales == scale))
                alarms = int(drift[rows].sum())
                line = (events[rows], effect[rows], threshold[rows], alarms)
                found.append(Series(str(feature), str(check), scale, *line))
    return found


def effects(result: BacktestResult) -> Iterator[str]:
    """Small multiples: the effect of each column, and of every other test that saw a drift."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for series in series_of(result):
        groups.setdefault((series.feature, series.check), []).append(series)
    for (feature, check), lines in groups.items():
        if check in EFFECT_CHECKS or any(line.drift for line in lines):
            yield _multiple(result, f"{feature or 'all columns'}: {check}", lines)


def _multiple(result: BacktestResult, title: str, lines: Sequence[Series]) -> str:
    axis = _Axis(result.events, 38, SMALL_WIDTH - 52, result.occurred_us)
    drawn = [
        (line.scale, _thinned(line.events, line.effect), _thinned(line.events, line.threshold))
        for line in lines
    ]
    shown = [values for _, effect, threshold in drawn for values in (effect[1], threshold[1])]
    finite = np.concatenate(shown)
    finite = finite[np.isfinite(finite)]
    top = max(float(finite.max(initial=0.0)) * 1.05, 0.1)
    bottom = min(float(finite.min(initial=0.0)), 0.0)
    step = next((step for step in _STEPS if top <= 3 * step), top / 2)

    def y(value: float) -> float:
        return 22 + (_HEIGHT - 50) * (top - value) / (top - bottom)

    parts = [_open(SMALL_WIDTH, _HEIGHT, f"Effect over time, {title}")]
    parts.append(f'<text class="title" x="38" y="13">{escape(title)}</text>')
    parts += [
        f'<line class="grid" x1="38" x2="{SMALL_WIDTH - 14}" y1="{y(value):.1f}" '
        f'y2="{y(value):.1f}"/><text x="33" y="{y(value) + 4:.1f}" text-anchor="end">'
        f"{value:.2f}</text>"
        for value in np.arange(0.0, top, step).tolist()
    ]
    for place, (scale, effect, threshold) in enumerate(drawn):
        label = f"{scale:,} events"
        parts.append(_line(f"limit s{place % 4}", axis, threshold, y, f"threshold at {label}"))
        parts.append(_line(f"effect s{place % 4}", axis, effect, y, label))
        parts.append(
            f'<text class="s{place % 4}" x="{SMALL_WIDTH - 14 - 85 * (len(drawn) - 1 - place)}" '
            f'y="13" text-anchor="end">{label}</text>'
        )
    parts.append(_tick_labels(axis, _HEIGHT - 8, count=3))
    return "".join([*parts, "</svg>"])


def _line(
    names: str,
    axis: _Axis,
    points: tuple[Float64, Float64],
    y: Callable[[float], float],
    title: str,
) -> str:
    pairs = zip(points[0].tolist(), points[1].tolist(), strict=True)
    spots = " ".join(f"{axis.x(e):.1f},{y(v):.1f}" for e, v in pairs if np.isfinite(v))
    return f'<polyline class="{names}" points="{spots}"><title>{escape(title)}</title></polyline>'


def _thinned(events: Int64, values: Float64) -> tuple[Float64, Float64]:
    """At most POINTS points: of each stretch the largest value, where it stands."""
    places = [
        int(part[np.argmax(np.nan_to_num(values[part], nan=-np.inf))])
        for part in np.array_split(np.arange(len(events)), min(POINTS, len(events)))
        if len(part)
    ]
    return events[places].astype(np.float64), values[places]


def _bars(alert: BacktestAlert, axis: _Axis, top: float, n: int) -> str:
    """A stretch for each move, up to the next one."""
    ends = [*(event_of(move) for move in alert.moves[1:]), n]
    if alert.resolved_event is not None:
        ends[-1] = alert.resolved_event
    bars = []
    for move, end in zip(alert.moves, ends, strict=True):
        if move.state is AlertState.RESOLVED:
            continue
        left, right = axis.x(event_of(move)), axis.x(end)
        words = f"{move.state.value} at row {event_of(move):,}: {move.reason}"
        bars.append(
            f'<rect class="{move.state.value}" x="{left:.1f}" y="{top + 5}" '
            f'width="{max(right - left, 1.5):.1f}" height="{_ROW - 10}">'
            f"<title>{escape(words)}</title></rect>"
        )
    return "".join(bars)


def _tick_labels(axis: _Axis, y: float, *, count: int = _TICKS) -> str:
    ticks = list(axis.ticks(count))
    anchors = ["start", *["middle"] * (len(ticks) - 2), "end"]
    return "".join(
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(label)}</text>'
        for (x, label), anchor in zip(ticks, anchors, strict=True)
    )


def _open(width: int, height: int, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}">'
    )

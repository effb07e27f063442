"""Every panel in every state, over made-up data with names that try to break out of the page.

In: nothing. Out: samples for the gallery page. Never: a panel left out; the list is `PANELS`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from math import nan, sin
from typing import Any, Final

from monitor.audit.explanation import (
    AlertFact,
    Ancestor,
    Contributions,
    EarlierPrediction,
    Explanation,
    FeatureFact,
    Outcome,
    Place,
)
from monitor.dashboard.alerts import (
    AlertRow,
    Behind,
    EffectLine,
    Evidence,
    Moment,
    MoveRow,
    Number,
)
from monitor.dashboard.budget import Budget, FamilyShare, Fired
from monitor.dashboard.distribution import Bin, Distribution
from monitor.dashboard.events import EventRow, RejectionCount
from monitor.dashboard.heat import Cell, FaultCount, HeatMap, HeatRow, Quality
from monitor.dashboard.model_page import VersionRow
from monitor.dashboard.overview import ModelRow, Overview
from monitor.dashboard.panel import Panel, State
from monitor.dashboard.panels import PANELS
from monitor.dashboard.performance import (
    Calibration,
    Comparison,
    Level,
    MetricLine,
    Performance,
    ReliabilityBin,
    SegmentRow,
    Segments,
    VerdictRow,
    VersionLevels,
)
from monitor.dashboard.runbooks import as_html, runbook
from monitor.dashboard.traffic import Levels, Traffic, VersionLine

HOSTILE: Final = "<script>alert('name')</script>"
NOTES: Final = {
    State.OK: "",
    State.EMPTY: "Nothing in this time range: choose a longer one.",
    State.STALE: "The newest event was stored 3 hours ago.",
    State.LOADING: "",
    State.ERROR: "ClickHouse at 127.0.0.1:8123 could not query: connection refused.",
}
_SINCE: Final = datetime(2013, 3, 1, tzinfo=UTC)
_TIMES: Final = tuple(_SINCE + timedelta(days=day) for day in range(24))
_WAVE: Final = tuple(0.5 + 0.2 * sin(day / 4) for day in range(24))


@dataclass(frozen=True, slots=True)
class Sample:
    """One panel in one state."""

    id: str
    name: str
    panel: Panel[Any]


@cache
def every_panel() -> tuple[Sample, ...]:
    """Each panel of `PANELS` in each state.

    >>> {sample.panel.state for sample in every_panel()} == set(State)
    True
    """
    made = _made()
    return tuple(
        Sample(
            f"{name}-{state.value}",
            name,
            Panel(state, NOTES[state], made[name] if state in (State.OK, State.STALE) else None),
        )
        for name in PANELS
        for state in (State.OK, State.STALE, State.EMPTY, State.LOADING, State.ERROR)
    )


def _made() -> dict[str, Any]:
    return dict(_lists()) | dict(_charts()) | dict(_of_alert()) | dict(_of_prediction())


def _lists() -> Iterator[tuple[str, Any]]:
    row = ModelRow(
        model="delays",
        model_version="2",
        versions=2,
        task="binary",
        owner="flight-operations",
        contact="ops@example.com",
        health="critical",
        words="1 critical on",
        critical=1,
        warnings=2,
        inhibited=1,
        events=24_000,
        traffic=tuple(900 + 100 * (day % 7) for day in range(24)),
        last_at=_TIMES[-1],
    )
    quiet = replace(
        row, model=HOSTILE, health="untested", words="no reference profile", critical=0, warnings=0,
        inhibited=0, events=0, traffic=(0,) * 24, last_at=None, owner="",
    )  # fmt: skip
    yield "models", Overview(
        _SINCE, _TIMES[-1], "1 d", (row, quiet), 2,
        {"critical": 1, "warning": 0, "silent": 0, "untested": 1, "ok": 0},
    )  # fmt: skip
    yield "moves", (
        MoveRow("a" * 16, "delays", "2", "FeatureDrift", "temp", "", "warning", "firing",
                "pending", "confirmed by 2 looks in a row: ks 0.31 against 0.20", _TIMES[9]),
        MoveRow("b" * 16, "delays", "2", "MissingValues", HOSTILE, "", "critical", "resolved",
                "recovering", "clear for 2 looks in a row", _TIMES[8]),
    )  # fmt: skip
    yield "alerts", (_alert(), replace(_alert(), feature=HOSTILE, cause="FeatureDrift temp"))
    yield (
        "versions",
        tuple(
            VersionRow(name, at, before, why, "sha256:" + "3b" * 32, "", events, _SINCE, _TIMES[-1])
            for name, at, before, why, events in (
                ("2", _TIMES[0], "1", "drift of temp", 18_000),
                ("1", None, "", "", 6_000),
            )
        ),
    )
    yield "rejections", (RejectionCount("missing_field", 12, _TIMES[3]),)
    yield (
        "events",
        (
            EventRow("2013-03-01/UA 1", "2", _TIMES[1], "true", 0.41, "ok", {HOSTILE: "missing"}),
            EventRow("2013-03-01/UA 2", "2", _TIMES[1], "false", None, "fallback", {}),
        ),
    )


def _charts() -> Iterator[tuple[str, Any]]:
    yield "traffic", Traffic(
        _TIMES, "1 d", 48_000,
        (VersionLine("1", (1_200,) * 12 + (0,) * 12), VersionLine("2", (0,) * 12 + (2_000,) * 12)),
    )  # fmt: skip
    cells = tuple(Cell((day % 8) - 2, f"ks 0.{day} of 0.200 needed") for day in range(24))
    map_ = HeatMap(
        _TIMES, "1 d", 86_400,
        (HeatRow("score", 1.8, 4, cells), HeatRow(HOSTILE, 0.4, 0, cells[::-1])),
    )  # fmt: skip
    yield "drift", map_
    yield (
        "quality",
        Quality(
            replace(map_, rows=tuple(replace(row, worst=row.worst / 10) for row in map_.rows)),
            (FaultCount(HOSTILE, "hidden_null", 31),),
        ),
    )
    bins = tuple(Bin(f"{n} to {n + 1}", n, n + 1, 0.1 - n / 300, n / 145) for n in range(17))
    yield "distribution", Distribution(
        HOSTILE, "number", _SINCE, _TIMES[-1], 24_000, 12, 96, 96, 0.312, "KS distance", 24_951,
        bins,
    )  # fmt: skip
    yield "score", Levels(
        "score", _TIMES, "1 d", _WAVE, tuple(v - 0.2 for v in _WAVE), tuple(v + 0.2 for v in _WAVE),
        0.45,
    )  # fmt: skip
    line = MetricLine(
        "log_loss", "nats", _WAVE, tuple(v - 0.05 for v in _WAVE), tuple(v + 0.05 for v in _WAVE),
        tuple(v * 0.95 for v in _WAVE), (0.53,) * 24, 0.502,
    )  # fmt: skip
    bare = replace(line, metric="auc", unit="", baseline=(nan,) * 24, estimated=(nan,) * 24)
    yield "performance", Performance(_TIMES, 24_000, 23_100, (line, bare))
    yield (
        "calibration",
        Calibration(
            23_100,
            -0.031,
            tuple(ReliabilityBin(n / 10 + 0.05, n / 13, 3_000 - 300 * n) for n in range(9)),
        ),
    )
    yield "segments", Segments(
        "log_loss", "nats",
        (SegmentRow("", 24_000, 23_100, 0.5, 0.52, 0.49, 0.55),
         SegmentRow(f"origin={HOSTILE}", 8_000, 7_900, 0.6, 0.61, 0.55, 0.67)),
    )  # fmt: skip
    verdict = VerdictRow(
        "2", "1", _TIMES[20], "regressed", "matched", 4_800, 0.05, 0.02, 0.08, 0.02, True, True
    )
    yield "comparison", Comparison(
        ("log_loss", "auc"),
        (VersionLevels("1", 6_000, (Level("log_loss", 0.5), Level("auc", 0.66))),
         VersionLevels("2", 18_000, (Level("log_loss", 0.55), Level("auc", nan)))),
        (verdict,),
    )  # fmt: skip
    yield "budget", Budget(
        _SINCE, _TIMES[-1], 1.0, 1.0, 3,
        (FamilyShare("sequential", 13, 0.77), FamilyShare("windows", 30, 0.11)),
        (Fired("FeatureDrift", "drift", 3),),
    )  # fmt: skip


def _alert() -> AlertRow:
    return AlertRow(
        fingerprint="a" * 16, model="delays", model_version="2", alertname="FeatureDrift",
        severity="critical", category="drift", feature="temp", segment="", state="firing",
        reason="confirmed by 2 looks in a row: ks 0.31 against 0.20 (last 1000 events)",
        starts_at=_TIMES[8], moved_at=_TIMES[9], check="ks", scale=1_000, effect=0.31, limit=0.2,
        owner="flight-operations", acknowledged_by="", silenced_by="", cause="",
    )  # fmt: skip


def _of_alert() -> Iterator[tuple[str, Any]]:
    yield "evidence", Evidence(
        sentence=f"delays 2: {HOSTILE} in the last 1000 events differs: ks 0.31, threshold 0.20.",
        check="ks", scale=1_000, verdict="drift",
        numbers=(Number("effect", 0.31), Number("n_ref", 24_951), Number("p_value", 1e-9)),
        ranked=(), offsets="plumbline.predictions:1:4000-4999", since=_TIMES[8], until=_TIMES[9],
    )  # fmt: skip
    yield (
        "effects",
        (
            EffectLine("ks", 1_000, _TIMES, _WAVE, (0.6,) * 24),
            EffectLine("ks", 4_000, _TIMES, tuple(v / 2 for v in _WAVE), (0.4,) * 24),
        ),
    )
    yield (
        "timeline",
        (
            Moment(
                _TIMES[10], "decision", "silence", "ann", f"we know {HOSTILE}", _TIMES[12], False
            ),
            Moment(_TIMES[9], "move", "firing", "", "confirmed by 2 looks in a row", None, True),
        ),
    )
    yield "behind", (
        Behind("b" * 16, "PredictionDrift", "score", "", "warning", "firing",
               "confirmed by 2 looks in a row", _TIMES[9], inhibited_here=True),
    )  # fmt: skip
    yield "ranked", (Number(HOSTILE, 0.48), Number("dow", 0.33), Number("score", -0.1))
    yield "runbook", as_html(runbook("FeatureDrift"))


def _of_prediction() -> Iterator[tuple[str, Any]]:
    place = Place("the reference", 99.7, 0.01, 166.7, 24_951, 300.0, 850.0, 1_439.0, unseen=False)
    fact = FeatureFact("sched_min", 1_410.0, True, "", "number", "raw", None, place, "", 0.21)
    page = Explanation(
        event_id="2013-03-01/UA 1", model="delays", model_version="2", occurred_at=_TIMES[1],
        sent_at=_TIMES[1], appended_at=_TIMES[1], topic="plumbline.predictions", partition=1,
        offset=4_000, registered=True, repeated=False, role="live", status="ok", request_id="",
        entity_id="UA 1", trace_id="", latency_ms=4.2, prediction="true", prediction_number=1.0,
        score=0.41, scores={}, segments={},
        features=(
            fact,
            FeatureFact("temp", None, True, "hidden_null", "number", "raw", None, None,
                        "no value was logged", None),
            FeatureFact(HOSTILE, HOSTILE, True, "", "category", "raw", None,
                        replace(place, percentile=None, one_in=None, reference_low=None,
                                reference_median=None, reference_high=None, unseen=True), "", -0.1),
        ),
        contributions=Contributions(source="sent", note="", others={}, imitated_score=None),
        card=None,
        lineage=(Ancestor("2", _TIMES[0], "flight-operations", "drift of temp", "", "1"),),
        alerts=(AlertFact("a" * 16, "FeatureDrift", "warning", "temp", "", "firing", _TIMES[8],
                          _TIMES[9], None, "confirmed", 0.31, 0.2),),
        earlier=(EarlierPrediction("2013-02-28/UA 1", "1", _SINCE, "false", 0.2,
                                   {HOSTILE: (1.0, None)}, "true"),),
        outcome=Outcome("true", _TIMES[2], _TIMES[2], "event_id", (), right=True, loss=0.89,
                        loss_name="log loss", late=False),
        resends=(), namesakes=(), notes=(),
    )  # fmt: skip
    yield "alerts_then", page.alerts
    yield from ((name, page) for name in ("features", "outcome", "earlier", "lineage"))

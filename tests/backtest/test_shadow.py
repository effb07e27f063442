"""A shadow: the pipeline over events in memory, its branches, its clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.backtest.drill import MOST_EVENTS, course
from monitor.backtest.file_events import file_events
from monitor.backtest.run import run_backtest
from monitor.backtest.shadow import Shadow
from monitor.backtest.store import ReportStore
from monitor.profiling.dataset import frame_dataset
from monitor.sketches.profile import Profile
from schemas.model import ModelCard
from tests.backtest.conftest import rows, shifted


@dataclass(frozen=True)
class One:
    event: dict[str, Any]
    sent_us: int


def events_of(frame: pd.DataFrame, card: ModelCard) -> list[One]:
    return [One(event, at) for event, at in file_events(frame_dataset(frame, card), card)]


@pytest.fixture(scope="module")
def events(card: ModelCard) -> list[One]:
    return events_of(rows(6_000, seed=11), card)


def doubled(sent: One) -> list[One]:
    features = {**sent.event["features"], "items": sent.event["features"]["items"] + 8}
    return [One({**sent.event, "features": features}, sent.sent_us)]


def test_it_says_what_a_backtest_says(card: ModelCard, profile: Profile) -> None:
    frame = shifted(6_000, seed=3, at=2_000, sigma=1.5)
    expected = run_backtest(frame, card, profile)
    report = ReportStore()
    shadow = Shadow(card, profile, report=report)
    shadow.play(events_of(frame, card))
    found = shadow.result(frame_dataset(frame, card))
    assert [a.to_json() for a in found.alerts] == [a.to_json() for a in expected.alerts]
    assert found.alerts
    assert found.tested == expected.tested == 6_000


def test_a_branch_goes_on_as_the_whole_would_and_changes_nothing(
    card: ModelCard, profile: Profile, events: list[One]
) -> None:
    shadow = Shadow(card, profile)
    shadow.play(events[:1_900])
    faulty = course(shadow, events[1_900:], doubled)
    again = course(shadow, events[1_900:], doubled)
    assert faulty == again
    assert faulty.firings[0].feature == "items"
    assert faulty.firings[0].delay < 500
    assert shadow.source_events == 1_900
    assert not shadow.placed
    whole = Shadow(card, profile)
    whole.play([*events[:1_900], *(one for e in events[1_900:3_900] for one in doubled(e))])
    moves = [(p.move.event_id, p.move.state, p.log_events) for p in whole.placed]
    branch = shadow.branch()
    branch.play(events[1_900:3_900], doubled)
    assert [(p.move.event_id, p.move.state, p.log_events) for p in branch.placed] == moves
    shadow.play(events[1_900:3_900])
    assert not shadow.placed, "the fault-free twin stays silent"


def test_the_send_time_is_the_clock_that_sees_a_silence(
    card: ModelCard, profile: Profile, events: list[One]
) -> None:
    shadow = Shadow(card, profile)
    shadow.play(events[:1_000])
    found = course(shadow, events[1_000:], lambda _: [])
    assert [f.alertname for f in found.firings] == ["StreamStopped"]
    # 15 minutes may be silent, an event comes each second, and the clock ticks every 15 minutes.
    assert 900 <= found.firings[0].delay <= 1_900
    assert found.came == ()


def test_a_course_waits_for_as_many_events_in_the_log_and_not_for_ever(
    card: ModelCard, profile: Profile, events: list[One]
) -> None:
    shadow = Shadow(card, profile)
    keep = iter(np.arange(10_000) % 2 == 0)
    half = course(shadow, events, lambda sent: [sent] if next(keep) else [])
    assert len(half.came) == 2_000
    assert half.source_events == 3_999
    endless = (events[i % 6_000] for i in range(10 * MOST_EVENTS))
    assert course(shadow, endless, lambda _: []).source_events == MOST_EVENTS


def test_rows_of_a_file_are_the_events_that_a_producer_would_have_sent(card: ModelCard) -> None:
    frame = rows(3, seed=1).assign(
        latency_ms=[1.5, np.nan, 3.0],
        sent_at=pd.date_range("2026-01-01", periods=3, freq="min", tz="UTC"),
        feature_time_items=pd.Series(
            ["2025-12-31T23:00:00Z", None, None], dtype="datetime64[us, UTC]"
        ),
    )
    dataset = frame_dataset(frame, card)

    def told() -> Iterator[tuple[Any, ...]]:
        for event, sent_us in file_events(dataset, card):
            yield event.get("latency_ms"), event.get("feature_times"), sent_us % 3_600_000_000

    assert list(told()) == [
        (1.5, {"items": "2025-12-31T23:00:00+00:00"}, 0),
        (None, None, 60_000_000),
        (3.0, None, 120_000_000),
    ]

"""A backtest says what the monitor would have said, and at which row."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from monitor.alerts import AlertState
from monitor.backtest.alerts import alerts_of, events_under_alert
from monitor.backtest.run import run_backtest
from monitor.errors import ConfigError, ProfileError
from monitor.profiling.dataset import frame_dataset
from monitor.sketches.profile import Profile
from schemas.model import ModelCard
from tests.backtest.conftest import rows, shifted

N, CHANGE, BACK = 30_000, 10_000, 18_000


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return shifted(N, seed=2, at=CHANGE, sigma=1.5, until=BACK)


def test_a_change_fires_after_it_came_and_resolves_after_it_went(
    frame: pd.DataFrame, card: ModelCard, profile: Profile
) -> None:
    result = run_backtest(frame, card, profile)
    first = result.alerts[0]
    assert (first.feature, first.labels["alertname"]) == ("items", "FeatureDrift")
    assert CHANGE <= first.firing_event < CHANGE + 100
    assert first.pending_event <= first.firing_event
    assert first.resolved_event is not None
    assert BACK < first.resolved_event < N
    assert {alert.feature for alert in result.alerts} <= {"items", ""}
    assert (result.events, result.tested, result.repeated) == (N, N, 0)
    assert first.resolved_event - first.firing_event <= result.under_alert < N - CHANGE
    assert result.expected_false_alarms == pytest.approx(N / 1_000_000)


def test_a_sequential_alarm_fires_at_its_very_event(
    frame: pd.DataFrame, card: ModelCard, profile: Profile
) -> None:
    alert = run_backtest(frame, card, profile).alerts[0]
    measurement = alert.fired.finding.measurement
    assert measurement.immediate
    assert alert.firing_event == alert.fired.finding.span.last_event
    shorter = run_backtest(frame[: alert.firing_event], card, profile)
    assert shorter.alerts == ()
    exact = run_backtest(frame[: alert.firing_event + 1], card, profile)
    assert [a.firing_event for a in exact.alerts] == [alert.firing_event]


def test_the_json_has_the_alerts_by_the_rows_of_the_file(
    frame: pd.DataFrame, card: ModelCard, profile: Profile
) -> None:
    before = rows(500, seed=9, model_version="0")
    result = run_backtest(pd.concat([before, frame]), card, profile)
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert written["events"] == N + 500
    assert written["other_versions"] == {"0": 500}
    first = next(alert for alert in written["alerts"] if alert["feature"] == "items")
    assert {"alertname", "category", "severity", "starts_at", "values", "moves"} <= set(first)
    assert first["pending_event"] <= first["firing_event"]
    assert CHANGE + 500 <= first["firing_event"] < CHANGE + 600
    fired_at = pd.Timestamp(first["starts_at"])
    assert fired_at == frame["occurred_at"].iloc[first["pending_event"] - 500]
    unresolved = [a for a in written["alerts"] if a["resolved_event"] is None]
    assert [a["alertname"] for a in unresolved] == ["UnregisteredModel"]


def test_rows_are_taken_in_the_order_of_the_file(
    frame: pd.DataFrame, card: ModelCard, profile: Profile
) -> None:
    turned = frame.assign(occurred_at=frame["occurred_at"].to_numpy()[::-1])
    forward, backward = (run_backtest(f, card, profile) for f in (frame, turned))
    assert [a.firing_event for a in backward.alerts] == [a.firing_event for a in forward.alerts]
    assert forward.time is not None
    assert backward.time is not None
    assert (forward.time.backward_steps, backward.time.backward_steps) == (0, N - 1)


def test_resends_and_rows_that_are_no_predictions_are_counted_and_kept_out(
    card: ModelCard, profile: Profile
) -> None:
    frame = rows(2_000, seed=4).astype({"prediction": object})
    frame.loc[10:14, "prediction"] = None
    result = run_backtest(pd.concat([frame, frame[:300]]), card, profile)
    assert (result.events, result.tested, result.repeated) == (2_300, 1_995, 295)
    assert sum(result.refused.values()) == 10
    assert result.alerts == ()


def test_the_same_rows_give_the_same_findings_however_they_are_batched(
    frame: pd.DataFrame,
    card: ModelCard,
    profile: Profile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = run_backtest(frame, card, profile)
    monkeypatch.setattr("monitor.backtest.rows.BATCH_ROWS", 777)
    pieces = run_backtest(frame, card, profile)
    assert pieces.findings.to_pylist() == whole.findings.to_pylist()
    assert [m.event_id for m in pieces.moves] == [m.event_id for m in whole.moves]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_every_format_gives_the_same_alerts(
    suffix: str, frame: pd.DataFrame, card: ModelCard, profile: Profile, tmp_path: Path
) -> None:
    from monitor.profiling.dataset import read_dataset

    path = tmp_path / f"events.{suffix}"
    short = frame[: CHANGE + 1_000]
    if suffix == "csv":
        short.to_csv(path, index=False)
    elif suffix == "parquet":
        short.to_parquet(path)
    else:
        short.to_json(path, orient="records", lines=True, date_format="iso", double_precision=15)
    fired = run_backtest(read_dataset(path, card), card, profile).alerts
    expected = run_backtest(short, card, profile).alerts
    assert [a.to_json() for a in fired] == [a.to_json() for a in expected]
    assert len(expected) > 0


def test_an_alert_that_comes_back_is_one_and_an_unconfirmed_one_is_none(
    frame: pd.DataFrame, card: ModelCard, profile: Profile
) -> None:
    moves = run_backtest(frame, card, profile).moves
    life = [m for m in moves if m.labels.get("feature") == "items"]
    pending, firing = life[0], life[1]
    assert (pending.state, firing.state) == (AlertState.PENDING, AlertState.FIRING)
    fired, unconfirmed = alerts_of([pending, firing, firing])
    assert (len(fired), fired[0].resolved_event, unconfirmed) == (1, None, 0)
    assert alerts_of([pending]) == ((), 1)


def test_rows_under_several_alerts_are_counted_once(
    frame: pd.DataFrame, card: ModelCard, profile: Profile
) -> None:
    [alert, *_] = run_backtest(frame[: CHANGE + 500], card, profile).alerts
    assert events_under_alert([alert, alert], alert.firing_event + 40) == 40
    assert events_under_alert([], 100) == 0


def test_events_without_times_are_told_by_their_rows(
    frame: pd.DataFrame, card: ModelCard, reference: pd.DataFrame
) -> None:
    bare = frame.drop(columns=["occurred_at", "event_id"])[: CHANGE + 200]
    result = run_backtest(bare, card, frame_dataset(reference, card))
    assert result.time is None
    assert CHANGE <= result.alerts[0].firing_event < CHANGE + 100


def test_a_profile_of_other_windows_is_refused(frame: pd.DataFrame, profile: Profile) -> None:
    card = ModelCard.model_validate(
        {"model": "orders", "model_version": "9", "task": "binary"}
        | {"features": {"items": {"type": "number"}}}
    )
    with pytest.raises(ProfileError, match="does not fit"):
        run_backtest(frame, card, profile)
    with pytest.raises(ConfigError, match="no column amount"):
        run_backtest(
            pd.DataFrame({"x": np.zeros(3)}),
            card.model_copy(update={"features": {"amount": card.features["items"]}}),
            profile,
        )

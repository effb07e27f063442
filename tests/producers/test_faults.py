"""Every fault: drawn by seed, silent before its onset, valid on the topic, different after it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from monitor.findings import KINDS
from producers.errors import FaultError
from producers.faults import FAULTS, fault_named
from producers.faults.effect import EFFECTS, RATES, distance, effect_of
from producers.faults.fault import Injection, Sent, compose, inject, occurred_us
from producers.faults.signals import simulated
from producers.faults.traffic import Traffic
from schemas import ModelCard, PredictionEvent
from schemas.model import FeatureSpec

ONSET = 1_200
AFTER = 800
CARD = ModelCard(
    model="shop",
    model_version="1",
    task="binary",
    threshold=0.3,
    features={
        "temp": FeatureSpec(type="number", min=-30, max=120, description="degrees Fahrenheit"),
        "price": FeatureSpec(type="number", min=0, max=500, hidden_nulls=(-999,)),
        "minute": FeatureSpec(type="number", min=0, max=1439),
        "weight": FeatureSpec(type="number", nullable=True),
        "dow": FeatureSpec(type="number", min=0, max=6),
        "country": FeatureSpec(type="category"),
        "plan": FeatureSpec(type="category", categories=("Basic", "Plus", "Pro")),
    },
)


@pytest.fixture(scope="module")
def events() -> list[Sent]:
    rng = np.random.default_rng(5)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = []
    for i in range(ONSET + AFTER):
        at = start + timedelta(minutes=i)
        temp = 50 + 10 * rng.normal()
        score = float(rng.beta(2, 5))
        event = {
            "schema_version": "1.0",
            "event_id": f"e{i}",
            "model": "shop",
            "model_version": "1",
            "occurred_at": at.isoformat(),
            "features": {
                "temp": round(temp, 2),
                "price": round(float(rng.lognormal(3, 0.6)), 2),
                "minute": (7 * 60 + int(rng.normal(300, 120))) % 1440,
                "weight": round(0.8 * temp + float(rng.normal(0, 4)), 2),
                "dow": at.weekday(),
                "country": str(rng.choice(["DE", "FR", "US", "JP"], p=[0.5, 0.3, 0.15, 0.05])),
                "plan": str(rng.choice(["Basic", "Plus", "Pro"], p=[0.6, 0.3, 0.1])),
            },
            "prediction": score >= 0.3,
            "score": score,
        }
        made.append(Sent(event, occurred_us(Sent(event, 0))))
    return list(simulated(made, CARD, seed=1))


def broken(name: str, events: list[Sent], seed: int = 1, onset: int = ONSET) -> Injection:
    traffic = Traffic(CARD, [sent.event for sent in events[:onset]])
    return inject(fault_named(name), traffic, seed=seed, onset=onset)


def after(injection: Injection, events: list[Sent]) -> list[Sent]:
    return list(injection.stream(events))[ONSET:]


def test_every_expected_alert_is_a_kind_that_the_monitor_has() -> None:
    kinds = {kind.alertname for kind in KINDS.values()}
    for fault in FAULTS.values():
        assert {*fault.expected, *fault.accepted} <= kinds, fault.name


def test_there_are_many_with_words_and_a_kind() -> None:
    assert len(FAULTS) >= 25
    for name, fault in FAULTS.items():
        assert name == fault.name
        assert fault.words
        assert fault.expected
        assert fault.effect in EFFECTS
    assert EFFECTS.keys() > RATES


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault(name: str, events: list[Sent]) -> None:
    before = [orjson.dumps(sent.event) for sent in events]
    injection = broken(name, events)
    came = list(injection.stream(events))
    assert [orjson.dumps(sent.event) for sent in events] == before, (
        "events are not changed in place"
    )
    assert came[:ONSET] == events[:ONSET], "nothing happens before the onset"
    assert came == list(injection.stream(events)), "a second run gives the same"
    assert came == list(broken(name, events).stream(events)), "the same seed draws the same"
    for sent in came[ONSET:]:
        PredictionEvent.model_validate_json(orjson.dumps(sent.event))
    effects = effect_of(injection, events[ONSET:], came[ONSET:], CARD)
    assert all(0 <= size <= 1 for size in effects.values())
    largest = max(effects.values())
    assert largest < 0.1 if name == "joint_shuffle" else largest > 0.05, (injection.words, effects)
    words = {broken(name, events, seed=seed).words for seed in range(12)}
    assert len(words) > 1 or name in (
        "stopped_stream",
        "unit_fahrenheit_to_celsius",
        "constant_prediction",
    )


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_has_an_effect_on_the_twin_itself(name: str, events: list[Sent]) -> None:
    injection = broken(name, events)
    rest = events[ONSET:]
    assert max(effect_of(injection, rest, rest, CARD).values()) == 0


def changed(name: str, events: list[Sent], seed: int = 1) -> tuple[Injection, list[Sent]]:
    injection = broken(name, events, seed)
    return injection, after(injection, events)


def test_units_are_the_units(events: list[Sent]) -> None:
    injection, came = changed("unit_fahrenheit_to_celsius", events)
    [(_, drawn)] = injection.faults
    assert drawn.features == ("temp",)
    for sent, twin in zip(came, events[ONSET:], strict=True):
        assert sent.features["temp"] == pytest.approx((twin.features["temp"] - 32) / 1.8)
    injection, came = changed("unit_miles_to_km", events)
    [name] = injection.faults[0][1].features
    assert came[0].features[name] == pytest.approx(events[ONSET].features[name] * 1.609344)


def test_a_time_zone_stays_within_the_day(events: list[Sent]) -> None:
    injection, came = changed("time_zone", events, seed=3)
    assert injection.faults[0][1].features == ("minute",)
    moved = {
        (sent.features["minute"] - twin.features["minute"]) % 1440
        for sent, twin in zip(came, events[ONSET:], strict=True)
    }
    assert len(moved) == 1
    assert moved.pop() % 60 == 0
    assert all(0 <= sent.features["minute"] < 1440 for sent in came)


def test_swapped_columns_carry_each_other(events: list[Sent]) -> None:
    injection, came = changed("swapped_columns", events)
    first, second = injection.faults[0][1].features
    assert came[5].features[first] == events[ONSET + 5].features[second]
    assert came[5].features[second] == events[ONSET + 5].features[first]


def test_a_shuffle_keeps_the_values_and_breaks_their_company(events: list[Sent]) -> None:
    injection, came = changed("joint_shuffle", events)
    _, name = injection.faults[0][1].features
    values = [np.array([s.features[name] for s in part]) for part in (came, events[ONSET:])]
    assert distance(*values) < 0.1
    other = "weight" if name == "temp" else "temp"
    others = np.array([sent.features[other] for sent in came])
    assert abs(np.corrcoef(values[0], others)[0, 1]) < 0.2
    assert np.corrcoef(values[1], others)[0, 1] > 0.8


def test_placeholders_are_not_in_the_card(events: list[Sent]) -> None:
    for seed in range(20):
        injection, came = changed("hidden_nulls", events, seed)
        [name] = injection.faults[0][1].features
        known = {sent.features[name] for sent in events}
        new = {sent.features[name] for sent in came} - known
        assert len(new) == 1
        assert new.isdisjoint(CARD.features[name].hidden_nulls)


def test_resent_events_keep_their_id_and_old_ones_get_a_new_one(events: list[Sent]) -> None:
    _, twice = changed("duplicate_ids", events)
    assert max(Counter(sent.event["event_id"] for sent in twice).values()) == 2
    injection = broken("replayed_old_data", events, onset=ONSET)
    again = list(injection.stream(events))
    ids = [sent.event["event_id"] for sent in again]
    assert len(ids) == len(set(ids)) > len(events)
    old = [sent for sent in again if sent.sent_us - occurred_us(sent) > 3.6e9]
    assert len(old) == len(again) - len(events)


def test_streams_that_stop_thin_out_or_come_late(events: list[Sent]) -> None:
    assert changed("stopped_stream", events)[1] == []
    assert 0 < len(changed("thinned_stream", events)[1]) < AFTER
    late = changed("late_events", events)[1]
    assert late[0].event == events[ONSET].event
    assert late[0].sent_us - events[ONSET].sent_us >= 2 * 3_600_000_000


def test_stale_features_bring_their_old_times(events: list[Sent]) -> None:
    injection, came = changed("stale_features", events)
    names = [name for name in injection.faults[0][1].features if name]
    old = came[10].event["feature_times"]
    source = next(s for s in events if s.event["feature_times"] == {n: old[n] for n in names})
    assert {n: source.features[n] for n in names} == {n: came[10].features[n] for n in names}
    assert source.sent_us < came[10].sent_us


def test_a_schema_breaks_as_it_says(events: list[Sent]) -> None:
    injection, came = changed("column_gone", events)
    assert injection.faults[0][1].features[0] not in came[0].features
    injection, came = changed("column_renamed", events)
    old, new = injection.faults[0][1].features
    assert old not in came[0].features
    assert came[0].features[new] == events[ONSET].features[old]
    injection, came = changed("type_changed", events)
    [name] = injection.faults[0][1].features
    assert came[0].features[name] == str(events[ONSET].features[name])


def test_composed_faults_act_one_behind_the_other(events: list[Sent]) -> None:
    both = compose(broken("column_gone", events), broken("duplicate_ids", events))
    assert both.name == "column_gone+duplicate_ids"
    gone = both.faults[0][1].features[0]
    came = after(both, events)
    assert len(came) > AFTER
    assert all(gone not in sent.features for sent in came)
    with pytest.raises(FaultError, match="share a seed"):
        compose(broken("column_gone", events, 1), broken("duplicate_ids", events, 2))


def plain(**fields: Any) -> list[Sent]:
    event = {
        "event_id": "e",
        "model": "m",
        "model_version": "1",
        "occurred_at": "2026-01-01T00:00:00+00:00",
        "features": {"x": 1.0, "c": "a"},
        "prediction": "yes",
        **fields,
    }
    return [Sent(event, 0)] * 10


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, fault in FAULTS.items()
        if fault.effect in ("values", "mode", "type", "latency", "age", "leak", "out_of_range")
    ],
)
def test_traffic_without_anything_to_break_is_told(name: str) -> None:
    card = ModelCard(
        model="m",
        model_version="1",
        task="multiclass",
        features={"x": FeatureSpec(type="number"), "c": FeatureSpec(type="category")},
    )
    traffic = Traffic(card, [sent.event for sent in plain()])
    with pytest.raises(FaultError, match=r" of m | m has "):
        inject(fault_named(name), traffic, seed=1, onset=5)


def test_an_unknown_fault_is_told_with_the_known_ones() -> None:
    with pytest.raises(FaultError, match="no fault 'bogus': one of unit_miles_to_km"):
        fault_named("bogus")


def test_simulated_signals_replace_nothing(events: list[Sent]) -> None:
    told = {"latency_ms": 7.0, "status": "error", "feature_times": {"x": "2025-01-01T00:00:00Z"}}
    [sent, *_] = simulated(plain(**told), CARD, seed=1)
    assert {name: sent.event[name] for name in told} == told
    [bare, *_] = simulated(plain(), CARD, seed=1, signals=("latency_ms",))
    assert bare.event["latency_ms"] > 0
    assert "feature_times" not in bare.event
    assert [*simulated(events[:50], CARD, seed=9)] == events[:50]


def test_every_fault_is_documented_as_it_is() -> None:
    text = (Path(__file__).parents[2] / "docs" / "drills.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    wanted = []
    for fault in FAULTS.values():
        kinds = ", ".join(f"`{kind}`" for kind in fault.expected)
        if fault.accepted:
            kinds += f" (or {', '.join(f'`{kind}`' for kind in fault.accepted)})"
        if fault.names_cause:
            kinds += ", cause named"
        effect = EFFECTS[fault.effect].words
        wanted.append(f"| `{fault.name}` | {fault.words} | {kinds} | {effect} |")
    assert rows == wanted

"""Labels against what was logged: another value offline, and a feature that knows the answer."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from monitor.errors import StorageError
from monitor.labelled import LOOK_LABELS
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.sketches.profile import Profile
from schemas import FeatureSpec, ModelCard
from schemas.alert import AlertEvent
from tests.pipeline.harness import MODEL, MONITORING, TOPICS, LogRecord, Plant

N = 1_200
FEATURES = {"amount": FeatureSpec(type="number"), "shop": FeatureSpec(type="category")}


def _frame(n: int, seed: int, *, leak: bool) -> pd.DataFrame:
    """Events whose score ranks the answers a little; with `leak`, `amount` is the answer."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(size=n)
    label = rng.uniform(size=n) < 0.3 + 0.4 * score
    return pd.DataFrame(
        {
            "amount": np.where(label, 1.0, -1.0) * leak + rng.normal(size=n) * (0.1 if leak else 1),
            "shop": rng.choice(["a", "b", "c"], n),
            "score": score,
            "prediction": np.where(score > 0.5, "1", "0"),
            "label": label,
        }
    )


def _card(profile: Profile | None = None) -> ModelCard:
    return ModelCard(
        model=MODEL,
        model_version="1",
        task="binary",
        features=FEATURES,
        monitoring=MONITORING,
        profile_hash=None if profile is None else profile.hash,
    )


@cache
def _reference(leak: bool) -> Profile:
    frame = _frame(6_000, 1, leak=leak).drop(columns="label")
    return build_profile(frame_dataset(frame, _card(), source="the reference"), _card())[0]


def _plant(rows: pd.DataFrame, *, leak: bool) -> Plant:
    """One that has taken and stored `rows` as events."""
    profile = _reference(leak)
    plant = Plant(_card(profile))
    plant.store.save_profile(profile.hash, profile.to_bytes())
    return plant.run(
        [
            LogRecord(i, MODEL.encode(), orjson.dumps(_event(i, row)), timestamp=_sent_ms(i))
            for i, row in enumerate(_rows(rows))
        ]
    )


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _sent_ms(i: int) -> int:
    return 1_767_225_600_500 + 1_000 * i


def _event(i: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema_version": "1.0",
        "event_id": f"e{i}",
        "model": MODEL,
        "model_version": "1",
        "occurred_at": pd.Timestamp(_sent_ms(i) - 500, unit="ms", tz="UTC").isoformat(),
        "features": {"amount": row["amount"], "shop": row["shop"]},
        "prediction": row["prediction"],
        "score": row["score"],
    }


def _label(
    plant: Plant,
    rows: pd.DataFrame,
    first: int,
    offline: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> None:
    """LOOK_LABELS labels come, and the clock ticks."""
    records = []
    for i, row in enumerate(_rows(rows.iloc[:LOOK_LABELS])):
        label: dict[str, Any] = {"schema_version": "1.0", "model": MODEL, "event_id": f"e{i}"}
        label |= {"label": bool(row["label"]), "observed_at": "2026-01-02T00:00:00Z"}
        if offline is not None:
            label["offline_features"] = offline(row)
        value = orjson.dumps(label)
        records.append(LogRecord(first + i, MODEL.encode(), value, topic=TOPICS.labels))
    plant.take(records)
    plant.pipeline.on_tick()
    plant.commit()


def _told(plant: Plant, alertname: str) -> list[tuple[str, str, bool]]:
    """(state, feature, clock) of every published move of an alert."""
    events = [
        AlertEvent.model_validate_json(value)
        for values in plant.alerts().values()
        for value in values
        if value is not None
    ]
    return [
        (event.state, event.data.alerts[0].labels["feature"], event.clock)
        for event in events
        if event.data.alerts[0].labels["alertname"] == alertname
    ]


def test_another_value_offline_fires_for_its_feature_and_ends_when_both_agree() -> None:
    rows = _frame(N, 3, leak=False)
    plant = _plant(rows, leak=False)
    _label(plant, rows, 0, lambda row: {"amount": row["amount"] * 1.1, "shop": row["shop"]})
    assert _told(plant, "OfflineMismatch") == [("firing", "amount", True)]
    for look in (1, 2):
        agreed = look * LOOK_LABELS
        _label(plant, rows, agreed, lambda row: {"amount": row["amount"], "shop": row["shop"]})
    assert [state for state, *_ in _told(plant, "OfflineMismatch")] == [
        "firing",
        "recovering",
        "resolved",
    ]
    assert _told(plant, "FeatureLeak") == []


def test_a_category_and_a_null_are_compared_as_they_stand() -> None:
    rows = _frame(N, 4, leak=False)
    plant = _plant(rows, leak=False)
    _label(plant, rows, 0, lambda row: {"amount": None, "shop": row["shop"].upper()})
    assert sorted(_told(plant, "OfflineMismatch")) == [
        ("firing", "amount", True),
        ("firing", "shop", True),
    ]


def test_a_feature_that_knows_the_answer_is_a_leak_and_labels_alone_are_none() -> None:
    rows = _frame(N, 5, leak=True)
    plant = _plant(rows, leak=True)
    _label(plant, rows, 0)
    assert _told(plant, "FeatureLeak") == [("firing", "amount", True)]
    honest = _frame(N, 6, leak=False)
    clean = _plant(honest, leak=False)
    _label(clean, honest, 0)
    assert _told(clean, "FeatureLeak") == []


def test_a_store_that_is_away_loses_no_look() -> None:
    rows = _frame(N, 7, leak=True)
    plant = _plant(rows, leak=True)
    plant.store.refusals.append(StorageError("away", retryable=True))
    records = plant.pipeline
    with pytest.raises(StorageError):
        _label(plant, rows, 0)
    records.on_tick()
    plant.commit()
    assert _told(plant, "FeatureLeak") == [("firing", "amount", True)]
    assert plant.reborn().open_alerts() == {"FeatureLeak"}


def test_too_few_labels_and_labels_of_strangers_say_nothing() -> None:
    rows = _frame(N, 8, leak=True)
    plant = _plant(rows, leak=True)
    _label(plant, rows.iloc[: LOOK_LABELS - 1], 0)
    assert plant.alerts() == {}

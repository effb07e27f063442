"""A model with labels: its card, its reference, and logs of predictions and labels."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import orjson
import pandas as pd

from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.sketches.profile import Profile
from monitor.storage.memory import MemoryStore
from schemas import FeatureSpec, ModelCard, Monitoring
from tests.pipeline.harness import MODEL, TOPICS, LogRecord, Plant

HOUR_MS = 3_600_000
FIRST_MS = 1_767_225_600_000
PER_HOUR = 600
FEATURES = {"amount": FeatureSpec(type="number"), "shop": FeatureSpec(type="category")}
MONITORING = Monitoring(pane_events=50, scales=(200,), events_per_day=24.0 * PER_HOUR)


def frame(hours: int, seed: int, *, leak: bool = False) -> pd.DataFrame:
    """Events of some hours whose scores are right; with `leak`, `amount` is the answer."""
    n = hours * PER_HOUR
    rng = np.random.default_rng(seed)
    amount = rng.normal(size=n)
    score = 1 / (1 + np.exp(-amount))
    label = rng.uniform(size=n) < score
    if leak:
        amount = np.where(label, 1.0, -1.0) + rng.normal(0.0, 0.1, n)
    return pd.DataFrame(
        {
            "amount": amount,
            "shop": rng.choice(["a", "b", "c"], n),
            "score": score,
            "prediction": np.where(score > 0.5, "1", "0"),
            "label": label,
            "sent_ms": FIRST_MS + np.arange(n) * (HOUR_MS // PER_HOUR),
        }
    )


def card(version: str = "1", **changed: Any) -> ModelCard:
    """The card of a version; its reference has labels."""
    return ModelCard(
        model=MODEL,
        model_version=version,
        task="binary",
        features=FEATURES,
        label_horizon_hours=1.0,
        monitoring=MONITORING,
        profile_hash=reference().hash,
    ).model_copy(update=changed)


@cache
def reference() -> Profile:
    """Ten hours with labels."""
    bare = ModelCard(
        model=MODEL, model_version="1", task="binary", features=FEATURES, monitoring=MONITORING
    )
    rows = frame(10, 1).drop(columns="sent_ms")
    return build_profile(frame_dataset(rows, bare, source="the reference"), bare)[0]


def predictions(
    rows: pd.DataFrame,
    version: str = "1",
    *,
    role: str = "live",
    score: Callable[[dict[str, Any]], float] | None = None,
) -> list[tuple[int, dict[str, Any]]]:
    """(sent, event) of each row; the request is the row's number."""
    found = []
    for place, row in zip(rows.index, rows.to_dict("records"), strict=True):
        said = row["score"] if score is None else score({str(key): row[key] for key in row})
        event = {
            "schema_version": "1.0",
            "event_id": f"{version}-{place}",
            "request_id": f"r{place}",
            "model": MODEL,
            "model_version": version,
            "occurred_at": _moment(row["sent_ms"]),
            "features": {"amount": row["amount"], "shop": row["shop"]},
            "prediction": "1" if said > 0.5 else "0",
            "score": said,
            "role": role,
        }
        found.append((int(row["sent_ms"]), event))
    return found


def labels(
    rows: pd.DataFrame,
    *,
    delay_ms: int = HOUR_MS // 2,
    offline: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> list[tuple[int, dict[str, Any]]]:
    """(observed, label) of each row, by request."""
    found = []
    for place, row in zip(rows.index, rows.to_dict("records"), strict=True):
        at_ms = int(row["sent_ms"]) + delay_ms
        label = {
            "schema_version": "1.0",
            "model": MODEL,
            "request_id": f"r{place}",
            "label": bool(row["label"]),
            "observed_at": _moment(at_ms),
        }
        if offline is not None:
            label["offline_features"] = offline({str(k): v for k, v in row.items()})
        found.append((at_ms, label))
    return found


def log(
    values: Sequence[tuple[int, dict[str, Any]]], topic: str = TOPICS.predictions
) -> list[LogRecord]:
    """Records in the order of their times."""
    ordered = sorted(values, key=lambda one: one[0])
    return [
        LogRecord(place, MODEL.encode(), orjson.dumps(value), topic=topic, timestamp=at_ms)
        for place, (at_ms, value) in enumerate(ordered)
    ]


def plant(*cards: ModelCard, store: MemoryStore | None = None) -> Plant:
    """A pipeline that knows the reference."""
    found = Plant(*cards, store=store)
    found.store.save_profile(reference().hash, reference().to_bytes())
    return found


def merged(one: Sequence[LogRecord], two: Sequence[LogRecord]) -> list[LogRecord]:
    """Two partitions in the order of time."""
    return sorted([*one, *two], key=lambda record: record.timestamp)


def _moment(at_ms: int) -> str:
    return pd.Timestamp(at_ms, unit="ms", tz="UTC").isoformat()

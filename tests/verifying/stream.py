"""A stream with every kind of value and of trouble, through the pipeline into a real store.

In: a store. Out: its rows, as a worker would have left them. Never: a broker.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd

from monitor.backtest.record import RowRecord
from monitor.backtest.wiring import LIMITS, MEMBERSHIP, TOPICS
from monitor.broker import Partition
from monitor.clock import ManualClock
from monitor.events import Record
from monitor.judging.judge import Judge
from monitor.pipeline import Pipeline
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.publishing.memory import MemoryPublisher
from monitor.roster import Roster
from monitor.storage.clickhouse import ClickHouseStore
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from schemas import FeatureSpec, ModelCard, Monitoring, fingerprint
from schemas.contract import SENT_AT_HEADER
from tests.pipeline import harness, labelled_log

MODEL = "loans"
START = pd.Timestamp("2026-01-01", tz="UTC")
EVENTS = 6_500
BATCH = 700

CARD = ModelCard(
    model=MODEL,
    model_version="1",
    task="binary",
    features={
        "income": FeatureSpec(type="number", min=-4, hidden_nulls=(-999,)),
        "debt": FeatureSpec(type="number", nullable=True),
        "member": FeatureSpec(type="boolean"),
        "plan": FeatureSpec(type="category", categories=("a", "b", "c")),
    },
    monitoring=Monitoring(scales=(1_000,)),
)


def rows(n: int, seed: int) -> pd.DataFrame:
    """Independent events."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(size=n)
    return pd.DataFrame(
        {
            "income": rng.normal(size=n),
            "debt": rng.normal(size=n),
            "member": rng.uniform(size=n) < 0.3,
            "plan": rng.choice(["a", "b", "c"], size=n, p=[0.5, 0.3, 0.2]),
            "score": score,
            "prediction": score > 0.5,
            "occurred_at": START + pd.to_timedelta(np.arange(n), unit="s"),
        }
    )


def events() -> Iterator[dict[str, Any]]:
    """Income moves, debt goes missing, plans get new names; and every kind of odd value."""
    frame = rows(EVENTS, seed=2)
    frame.loc[3_000:, "income"] += 1.0
    for i, logged in enumerate(frame.to_dict("records")):
        row: dict[str, Any] = {str(name): value for name, value in logged.items()}
        at = row.pop("occurred_at")
        answer = {"score": row.pop("score"), "prediction": row.pop("prediction")}
        features: dict[str, Any] = row
        if i > 4_000 and i % 3 == 0:
            features["debt"] = None
        if i > 5_000 and i % 4 == 0:
            features["plan"] = f"new-{i % 8}"
        odd = {11: -999, 23: "12", 37: -7.5, 41: True, 53: 2**70}.get(i % 211)
        if odd is not None:
            features["income"] = odd
        if i % 301 == 5:
            del features["member"]
        if i % 307 == 5:
            features["surprise"] = i
        if i % 101 == 7:
            at += pd.Timedelta(days=40)  # far from the future
        yield {
            "event_id": f"e{i - 60 if i % 97 == 63 else i}",  # some are sent again
            "model": MODEL,
            "model_version": "1",
            "occurred_at": at.isoformat(),
            "features": features,
            **answer,
            "latency_ms": 10.0 + i % 7,
            "feature_times": {"debt": (START + pd.Timedelta(seconds=i - 30)).isoformat()},
            "scores": {"1": answer["score"], "0": 1.0 - answer["score"]},
            **({"attributions": {"income": i % 5 - 2.0, "debt": 0.5}} if i % 2 else {}),
        }


def stored(store: ClickHouseStore) -> ModelCard:
    """Run it into a store; gives the card that acted."""
    profile, _ = build_profile(frame_dataset(rows(20_000, seed=1), CARD), CARD)
    card = CARD.model_copy(update={"profile_hash": profile.hash})
    store.save_profile(profile.hash, profile.to_bytes())
    store.save_card(card, appended_us=0)
    records = []
    for offset, event in enumerate(events(), 100):
        sent_us = int((START + pd.Timedelta(seconds=offset - 99)).timestamp() * 1e6)
        records.append(
            RowRecord(
                topic=TOPICS.predictions,
                partition=0,
                offset=offset,
                timestamp=sent_us // 1_000,
                key=MODEL.encode(),
                value=orjson.dumps(_jsonable(event)),
                headers=((SENT_AT_HEADER, b"%d" % sent_us),),
            )
        )
    feed(store, card, records)
    return card


def stored_with_labels(store: ClickHouseStore) -> None:
    """Thirty hours of another model, whose answers are wrong in the second half."""
    card, profile = labelled_log.card(), labelled_log.reference()
    store.save_profile(profile.hash, profile.to_bytes())
    store.save_card(card, appended_us=0)
    rows = labelled_log.frame(30, seed=5)
    wrong = rows.index >= len(rows) // 2
    rows["label"] = rows["label"].to_numpy() ^ wrong
    truths = labelled_log.log(labelled_log.labels(rows), TOPICS.labels)
    feed(
        store,
        card,
        labelled_log.merged(labelled_log.log(labelled_log.predictions(rows)), truths),
    )


def stored_with_acceptance(store: ClickHouseStore) -> None:
    """A drift that is accepted in the middle of a pane, a second shift, and the end of both."""
    card, profile = harness.whole_card(), harness.reference()
    store.save_profile(profile.hash, profile.to_bytes())
    store.save_card(card, appended_us=0)
    drift = {
        "alertname": "FeatureDrift",
        "severity": "warning",
        "category": "drift",
        "model": card.model,
        "model_version": card.model_version,
        "feature": "amount",
    }
    order = harness.command("accept", fingerprint(drift), until="2026-01-01T01:06:40Z")
    feed(
        store,
        card,
        [
            *harness.events(430),
            *harness.events(679, first=430, drift=[(0, 679)]),
            order,
            *harness.events(691, first=1_109, drift=[(0, 691)]),
            *harness.events(500, first=1_800),
            *harness.events(2_300, first=2_300, drift=[(0, 2_300)]),
        ],
        batch=370,
    )


def feed(
    store: ClickHouseStore, card: ModelCard, records: Sequence[Record], *, batch: int = BATCH
) -> None:
    """Run the log of one model into a store."""
    telemetry = Telemetry(clock := ManualClock())
    pipeline = Pipeline(
        validator=Validator(LIMITS, TOPICS.predictions, TOPICS.labels, None),
        roster=Roster(store.load_profile, 100_000),
        judge=Judge(),
        store=store,
        publisher=MemoryPublisher(),
        topics=TOPICS,
        clock=clock,
        telemetry=telemetry,
        unregistered_limit=10,
    )
    pipeline.on_card(card)
    ends: dict[Partition, int] = {(TOPICS.predictions, 0): 0, (TOPICS.labels, 0): 0}
    for start in range(0, len(records), batch):
        taken = records[start : start + batch]
        pipeline.on_batch([one for one in taken if one.topic != TOPICS.commands])
        pipeline.on_commands([one for one in taken if one.topic == TOPICS.commands])
        ends |= {(one.topic, one.partition): one.offset + 1 for one in taken}
        pipeline.commit(ends, MEMBERSHIP)


def _jsonable(event: dict[str, Any]) -> Any:
    """2**70 is no integer that orjson writes; as a float it is the same number."""
    features = event["features"]
    if features.get("income") == 2**70:
        features["income"] = float(2**70)
    return event

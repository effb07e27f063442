"""A week of real flights as a log: two versions, faults, resends, refusals, corrections, drift.

In: nothing. Out: records of the topics and the same as data frames, which the tests ask pandas.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd

from producers import flights
from schemas import FeatureSpec, ModelCard, Monitoring, Owner
from tests.pipeline.harness import PREDICTIONS, TOPICS, LogRecord

MODEL = "flight-delay"
FIRST, SECOND, GHOST = "2013-01", "2013-02", "ghost"
ROWS = 6_000
SWITCH = 4_500
"""From here the second version answers."""
DRIFT = 1_500
"""From here all distances are doubled."""
DRIFT_END = 3_500
NUMBERS = ("sched_min", "distance", "dow", "temp", "dewp", "humid", "wind_speed", "precip", "visib")
CATEGORIES = ("carrier", "origin", "dest")
APPENDED_MS = 1_800_000_000_000
"""The log is read years after the flights: append times and event times differ."""


@dataclass(frozen=True, slots=True)
class Log:
    """What was sent, as records and as tables."""

    predictions: list[LogRecord]
    labels: list[LogRecord]
    sent: pd.DataFrame
    """Every accepted prediction once, in event time, with `features`."""
    truths: pd.DataFrame
    """Every label in the order of its topic."""
    refused: pd.DataFrame
    """Every refused record of the predictions topic."""
    resent: int
    reference: pd.DataFrame


def cards() -> tuple[ModelCard, ModelCard]:
    """Both versions' cards."""
    specs: dict[str, FeatureSpec] = {
        name: FeatureSpec(type="number", nullable=True) for name in NUMBERS
    }
    specs |= {name: FeatureSpec(type="category") for name in CATEGORIES}
    specs["temp"] = FeatureSpec(type="number", nullable=True, hidden_nulls=(-999,))
    specs["humid"] = FeatureSpec(type="number", nullable=True, min=0, max=100)
    specs["dow"] = FeatureSpec(type="number", sensitivity="drop")
    common: dict[str, Any] = {
        "model": MODEL,
        "task": "binary",
        "threshold": 0.3,
        "features": specs,
        "label_horizon_hours": 24,
        "monitoring": Monitoring(scales=(1_000,), confirmations=1),
    }
    first = ModelCard(
        **common,
        model_version=FIRST,
        owner=Owner(team="flight-operations", contact="ops@example.com", runbook="https://r/1"),
    )
    second = ModelCard(
        **common,
        model_version=SECOND,
        owner=Owner(team="flight-science", contact="science@example.com"),
        previous_version=FIRST,
        retrain_reason="February came",
    )
    return first, second


def make_log() -> Log:
    """The same log every time."""
    table = flights.load_flights()
    scored = flights.predict(flights.train(table), table)
    month = scored["occurred_at"].between(
        flights.TRAINING_END, flights.STREAM_START, inclusive="left"
    )
    reference = scored[month].reset_index(drop=True)
    march = scored[scored["occurred_at"] >= flights.STREAM_START].head(ROWS).reset_index(drop=True)
    sent = _sent(march)
    records, offset, refused, resent = [], 0, [], 0
    for row, event in enumerate(_events(sent)):
        records.append(_record(offset, PREDICTIONS, orjson.dumps(event)))
        sent.loc[row, "offset"] = offset
        offset += 1
        if row % 250 == 77:  # sent again
            records.append(_record(offset, PREDICTIONS, orjson.dumps(event)))
            offset, resent = offset + 1, resent + 1
        if row % 400 == 5:
            broken = orjson.dumps(event)[:-20] if row % 800 == 5 else _without(event, "prediction")
            reason = "not_json" if row % 800 == 5 else "missing_field"
            records.append(_record(offset, PREDICTIONS, broken))
            refused.append({"offset": offset, "reason": reason, "size": len(broken)})
            offset += 1
    truths = _truths(sent)
    labels = [
        _record(place, TOPICS.labels, orjson.dumps(label))
        for place, label in enumerate(_labels(truths))
    ]
    return Log(records, labels, sent, truths, pd.DataFrame(refused), resent, reference)


def _sent(march: pd.DataFrame) -> pd.DataFrame:
    sent = march.copy()
    sent["offset"] = 0
    row = np.arange(len(sent))
    sent["distance"] = sent["distance"].astype(float)
    sent.loc[DRIFT:DRIFT_END, "distance"] *= 2.0
    sent["model_version"] = np.where(row < SWITCH, FIRST, SECOND)
    sent.loc[row % 500 == 9, "model_version"] = GHOST
    sent["fault"] = ""
    sent.loc[row % 150 == 3, "temp"] = -999.0
    sent.loc[row % 150 == 3, "fault"] = "hidden_null"
    sent.loc[row % 600 == 4, "humid"] = 130.0
    sent.loc[row % 600 == 4, "fault"] = "out_of_range"
    sent.loc[sent["model_version"] == GHOST, "fault"] = ""
    sent["status"] = np.where(row % 700 == 11, "fallback", "ok")
    sent["entity_id"] = sent["event_id"].str.split("-").str[3:5].str.join("-")
    sent["request_id"] = np.where(row % 3 == 0, "request-" + sent["event_id"], "")
    sent["latency_ms"] = 5.0 + row % 10
    sent["attributed"] = row % 1_000 == 0
    return sent


def _events(sent: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[Any, Any]] = sent.to_dict("records")
    events = []
    for row in rows:
        features = {name: None if pd.isna(row[name]) else float(row[name]) for name in NUMBERS}
        features |= {name: row[name] for name in CATEGORIES}
        event = {
            "schema_version": "1.0",
            "event_id": row["event_id"],
            "model": MODEL,
            "model_version": row["model_version"],
            "occurred_at": row["occurred_at"].isoformat(),
            "features": features,
            "prediction": bool(row["prediction"]),
            "score": float(row["score"]),
            "entity_id": row["entity_id"],
            "segments": {"origin": row["origin"]},
            "status": row["status"],
            "latency_ms": row["latency_ms"],
        }
        if row["request_id"]:
            event["request_id"] = row["request_id"]
        if row["attributed"]:
            event["attributions"] = {"distance": 0.2, "temp": -0.05, "bias": 0.1}
        events.append(event)
    return events


def _truths(sent: pd.DataFrame) -> pd.DataFrame:
    """Labels at their arrivals; a third names the request; every 40th was another at first."""
    known = sent[sent["label"].notna()].sort_values(["observed_at", "event_id"])
    row = np.arange(len(known))
    truths = pd.DataFrame(
        {
            "event_id": np.where(known["request_id"] == "", known["event_id"], ""),
            "request_id": known["request_id"],
            "label": known["label"].astype(bool).to_numpy(),
            "observed_at": known["observed_at"].to_numpy(),
            "of": known["event_id"].to_numpy(),
        }
    )
    wrong = truths[row % 40 == 0].copy()
    wrong["label"] = ~wrong["label"]
    wrong.index = wrong.index - 0.5
    both: pd.DataFrame = pd.concat([truths, wrong]).sort_index()
    return both.reset_index(drop=True)


def _labels(truths: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[Any, Any]] = truths.to_dict("records")
    return [
        {
            "schema_version": "1.0",
            "model": MODEL,
            **(
                {"event_id": row["event_id"]}
                if row["event_id"]
                else {"request_id": row["request_id"]}
            ),
            "label": row["label"],
            "observed_at": row["observed_at"].isoformat(),
        }
        for row in rows
    ]


def _record(offset: int, topic: str, value: bytes) -> LogRecord:
    return LogRecord(
        offset=offset,
        key=MODEL.encode(),
        value=value,
        topic=topic,
        timestamp=APPENDED_MS + offset,
    )


def _without(event: dict[str, Any], name: str) -> bytes:
    kept = {key: value for key, value in event.items() if key != name}
    return orjson.dumps(kept | {"event_id": f"refused-{event['event_id']}"})

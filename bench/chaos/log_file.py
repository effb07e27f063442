"""The input: a file of records by seed, the one truth that everything is recounted from.

In: a plan. Out: lines `kind TAB model TAB payload`, kind being v (valid), r (a resend: the bytes of
a valid record again) or i (invalid); and the cards and references of the models.
"""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pandas as pd

from bench.chaos.plan import Plan
from monitor.events import Float64, Int64
from schemas import FeatureSpec, ModelCard, Monitoring
from schemas.model import RiverDetector

VALID, RESEND, INVALID = b"v", b"r", b"i"
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
REFERENCE_ROWS: Final = 12_000
SHOPS: Final = ("a", "b", "c", "d", "e")
STRANGERS: Final = 2
"""Models that send events and have no card."""
INVALID_SHARE, RESEND_SHARE, NULL_SHARE = 0.01, 0.005, 0.01
REMEMBERED: Final = 50
"""A resend repeats one of so many last records of its model."""
SPELLS: Final = ((0.12, 0.27), (0.42, 0.55), (0.7, 0.86))
"""Shares of a model's events between which it drifts."""
NEVER_MINUTES: Final = 1e7
"""No model ever counts as stopped: what the clock sees no replay repeats."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record of the input."""

    kind: bytes
    model: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Stream:
    """All events as columns; `place` is the number of an event among those of its model."""

    model: Int64
    place: Int64
    count: Int64
    amount: Float64
    items: Float64
    answer: Float64
    shop: Int64
    absent: Int64


def name_of(model: int) -> str:
    """Name of a model.

    >>> name_of(7)
    'model-07'
    """
    return f"model-{model:02d}"


def cards(plan: Plan) -> list[ModelCard]:
    """The registered versions: every tenth model has two, every eighth a River detector."""
    return [
        ModelCard(
            model=name_of(model),
            model_version=version,
            task="regression",
            features={
                "amount": FeatureSpec(type="number", nullable=True),
                "items": FeatureSpec(type="number"),
                "shop": FeatureSpec(type="category"),
            },
            monitoring=Monitoring(
                pane_events=100,
                scales=(400, 2_000),
                stopped_after_minutes=NEVER_MINUTES,
                detectors=(RiverDetector(name="ADWIN", feature="items"),) if model % 8 == 0 else (),
            ),
        )
        for model in range(plan.models)
        for version in (("1", "2") if _has_two(model) else ("1",))
    ]


def reference(seed: int) -> pd.DataFrame:
    """What the models were trained on."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        rng.normal(size=(REFERENCE_ROWS, 3)), columns=["amount", "items", "prediction"]
    )
    frame["shop"] = rng.choice(SHOPS[:4], REFERENCE_ROWS)
    frame["occurred_at"] = pd.date_range(START - timedelta(days=1), periods=len(frame), freq="s")
    return frame


def write(plan: Plan, file: Path) -> None:
    """Write the input of a plan."""
    rng = np.random.default_rng(plan.seed)
    stream = _stream(plan, rng)
    chance = rng.uniform(size=plan.events)
    recent = [deque[bytes](maxlen=REMEMBERED) for _ in range(plan.models + STRANGERS)]
    with file.open("wb") as out:
        for row in range(plan.events):
            model = int(stream.model[row])
            name = name_of(model).encode()
            payload = orjson.dumps(_event(stream, row))
            kind = VALID
            if chance[row] < INVALID_SHARE:
                kind, payload = INVALID, _spoilt(payload, row)
            elif chance[row] < INVALID_SHARE + RESEND_SHARE and recent[model]:
                kind, payload = RESEND, recent[model][row % len(recent[model])]
            else:
                recent[model].append(payload)
            out.write(b"%b\t%b\t%b\n" % (kind, name, payload))


def read(file: Path) -> Iterator[Line]:
    """The records of an input file, in their order."""
    with file.open("rb") as lines:
        for line in lines:
            kind, model, payload = line[:-1].split(b"\t", 2)
            yield Line(kind, model, payload)


def event_id(payload: bytes) -> str:
    """Id of a valid record."""
    return str(orjson.loads(payload)["event_id"])


def _has_two(model: int) -> bool:
    return model % 10 == 3


def _stream(plan: Plan, rng: np.random.Generator) -> _Stream:
    n, total = plan.events, plan.models + STRANGERS
    weights = np.concatenate([rng.uniform(0.3, 3.0, plan.models), np.full(STRANGERS, 0.1)])
    model = rng.choice(total, n, p=weights / weights.sum())
    count = np.bincount(model, minlength=total)
    order = np.argsort(model, kind="stable")
    place = np.empty(n, np.int64)
    place[order] = np.arange(n) - np.repeat(np.cumsum(count) - count, count)
    amount, items, answer = rng.normal(size=(3, n))
    shop = rng.integers(0, 4, n)
    absent = (rng.uniform(size=n) < NULL_SHARE).astype(np.int64)
    spell_of = rng.permuted(np.tile(np.arange(4), (total, 1)), axis=1)[:, : len(SPELLS)]
    share = place / count[model]
    for number, (begin, end) in enumerate(SPELLS):
        inside = (share >= begin) & (share < end)
        kind = spell_of[model, number]
        amount[inside & (kind == 0)] += 1.5
        items[inside & (kind == 1)] *= 2.5
        swapped = inside & (kind == 2) & (rng.uniform(size=n) < 0.6)
        shop[swapped] = 4
        absent[inside & (kind == 3) & (rng.uniform(size=n) < 0.5)] = 1
    return _Stream(model, place, count, amount, items, answer, shop, absent)


def _event(stream: _Stream, row: int) -> dict[str, Any]:
    model, place = int(stream.model[row]), int(stream.place[row])
    later = _has_two(model) and 2 * place >= stream.count[model]
    return {
        "event_id": f"{model:02d}-{place}",
        "schema_version": "1.0",
        "model": name_of(model),
        "model_version": "2" if later else "1",
        "occurred_at": START + timedelta(milliseconds=100 * row),
        "features": {
            "amount": None if stream.absent[row] else float(stream.amount[row]),
            "items": float(stream.items[row]),
            "shop": SHOPS[stream.shop[row]],
        },
        "prediction": float(stream.answer[row]),
    }


def _spoilt(payload: bytes, row: int) -> bytes:
    """An invalid record; no two are alike, because each holds its row."""
    fields = json.loads(payload)
    fields["event_id"] = f"spoilt-{row}"
    kind = row % 6
    if kind == 0:
        return json.dumps(fields).encode()[:-2]
    if kind == 1:
        return b"\xff\xfe%d" % row
    if kind == 2:
        del fields["occurred_at"]
    elif kind == 3:
        fields["occurred_at"] = "yesterday"
    elif kind == 4:
        fields["prediction"] = [1, 2]
    else:
        fields["features"] = {"amount": {"deep": "[" * 50}}
        fields["model_version"] = 7
    return json.dumps(fields).encode()

"""A database as after a year of traffic, made inside ClickHouse: for benchmarks of reading.

In: a store's connection and how many predictions. Out: predictions with ten features over twelve
months, labels, three registered versions with a real profile, alerts. Never: a row through Python,
so that ten million take a minute or two; a random draw: every value is a hash of its row's number.

One model, an entity for every 200 predictions, a request for each; the last quarter of the year is
another version's. Each month is inserted in `PARTS` pieces, as merges leave a month.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pandas as pd

from monitor.clock import to_us
from monitor.decisions import Boundary, Change, card_hash
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.storage import ClickHouseStore
from schemas import FeatureSpec, ModelCard, Owner

MODEL: Final = "delays"
TOPIC: Final = "plumbline.predictions"
START: Final = datetime(2025, 1, 1, tzinfo=UTC)
MONTHS: Final = 12
PARTS: Final = 4
PER_ENTITY: Final = 200
REFERENCE_ROWS: Final = 25_000
CARRIERS: Final = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "WN", "VX", "FL", "AS", "F9")
ORIGINS: Final = ("EWR", "JFK", "LGA")
VERSIONS: Final = ("1", "2", "3")
"""The first was never asked; the third answers from October on."""
NUMBERS: Final = ("temp", "dewp", "humid", "wind_speed", "precip", "sched_min", "distance")
STRINGS: Final = ("carrier", "origin", "dest")

_VALUES: Final = """
    sipHash64(number) / 18446744073709551616. AS u,
    sipHash64(number, 1) / 18446744073709551616. AS v,
    sipHash64(number, 2) / 18446744073709551616. AS w,
    toUnixTimestamp64Micro(occurred_at) / 86400e6 AS day,
    round(55 + 25 * sin(day / 58.1 - 1.9) + 20 * (u - v), 1) AS temp,
    round(temp - 25 * w, 1) AS dewp,
    round(100 - 60 * w, 2) AS humid,
    round(30 * u * v, 1) AS wind_speed,
    if(w > 0.93, round(w - 0.93, 2), 0) AS precip,
    toFloat64(300 + intDiv(sipHash64(number, 3), 7) % 1140) AS sched_min,
    toFloat64(80 + sipHash64(number, 4) % 2500) AS distance,
    {carriers} [1 + toUInt32(12 * u * w)] AS carrier,
    {origins} [1 + number % 3] AS origin,
    concat('D', toString(sipHash64(number, 5) % 100)) AS dest,
    round(1 / (1 + exp(2.2 - 2 * u - 6 * precip)), 6) AS p
"""
_PREDICTIONS: Final = """
INSERT INTO predictions (model, model_version, event_id, occurred_at, appended_at, sent_at,
    request_id, entity_id, latency_ms, prediction, prediction_number, score, numbers, strings,
    faults, segments, topic, partition, offset)
WITH
    fromUnixTimestamp64Micro(toInt64({start_us} + number * {step_us}), 'UTC') AS occurred_at,
    {values}
SELECT '{model}', if(toMonth(occurred_at) < 10, '2', '3'), concat('event-', hex(sipHash64(number))),
    occurred_at, occurred_at + INTERVAL 300 MILLISECOND, occurred_at,
    concat('request-', hex(sipHash64(number, 9))),
    concat('entity-', toString(sipHash64(number, 8) % {entities})), 3 + 20 * v * v,
    if(p >= 0.5, 'true', 'false'), toFloat64(p >= 0.5), p,
    mapFromArrays(['temp', 'dewp', 'humid', 'wind_speed', 'precip', 'sched_min', 'distance'],
        [if(v < 0.001, -999., temp), dewp, humid, wind_speed, precip, sched_min, distance]),
    map('carrier', carrier, 'origin', origin, 'dest', dest),
    if(v < 0.001, map('temp', 'hidden_null'), map()), map('origin', origin), '{topic}', 0, number
FROM numbers({first}, {count})
SETTINGS max_execution_time = 0, max_insert_threads = 1
"""
_LABELS: Final = """
INSERT INTO labels (model, event_id, label, label_number, observed_at, appended_at, topic,
    partition, offset)
WITH sipHash64(event_id, 7) / 18446744073709551616. < score AS late
SELECT model, event_id, if(late, 'true', 'false'), toFloat64(late),
    occurred_at + INTERVAL 6 HOUR, appended_at + INTERVAL 6 HOUR, 'plumbline.labels', 0, offset
FROM predictions
WHERE offset >= {first} AND offset < {first} + {count} AND offset % 20 != 0
SETTINGS max_execution_time = 0, max_insert_threads = 1, max_partitions_per_insert_block = 100
"""
_ALERTS: Final = """
INSERT INTO alerts (event_id, fingerprint, model, model_version, alertname, severity, feature,
    category, annotations, state, previous, reason, published, starts_at, moved_at, check, scale,
    verdict, effect, threshold, topic, first_offset, last_offset, started_at, ended_at)
WITH
    ['pending', 'firing', 'recovering', 'resolved'] AS states,
    intDiv(number, 4) AS alert,
    {names} AS features,
    fromUnixTimestamp64Micro(toInt64({start_us} + alert * {year_us} / {alerts}), 'UTC') AS starts,
    starts + toIntervalHour(30 * (number % 4)) AS moved
SELECT hex(sipHash64(number)), lower(hex(sipHash64(alert % 40))), '{model}',
    if(toMonth(moved) < 10, '2', '3'), 'FeatureDrift', 'warning', features[1 + alert % 10],
    'drift', map('owner', 'delays team'), states[1 + number % 4],
    if(number % 4 = 0, '', states[number % 4]), 'two windows in a row', number % 4 > 0, starts,
    moved, 'ks', 1000, 'drift', 0.35, 0.21, '{topic}',
    toInt64(alert * {rows} / {alerts}), toInt64(alert * {rows} / {alerts}) + 1000 * (number % 4),
    starts, moved
FROM numbers(4 * {alerts})
"""
_REFERENCE: Final = """
WITH
    fromUnixTimestamp64Micro(toInt64({start_us} - (1 + number) * {step_us}), 'UTC') AS occurred_at,
    {values}
SELECT occurred_at, temp, dewp, humid, wind_speed, precip, sched_min, distance, carrier, origin,
    dest, p AS score, p >= 0.5 AS prediction
FROM numbers({count})
ORDER BY occurred_at
"""


def step_us(rows: int) -> int:
    """Time between two predictions, so that `rows` of them fill the year."""
    return int(timedelta(days=365) / timedelta(microseconds=1)) // rows


def event_id_of(store: ClickHouseStore, number: int) -> str:
    """The id of prediction `number`."""
    [row] = store.connection.query(
        f"SELECT concat('event-', hex(sipHash64(toUInt64({number})))) AS id"
    )
    return str(row["id"])


def fill(store: ClickHouseStore, rows: int, *, alerts: int = 400) -> ModelCard:
    """Fill an empty database; gives the card of the newest version."""
    store.migrate()
    card = _register(store, rows)
    for first, count in _pieces(rows):
        _run(store, _PREDICTIONS, rows, first=first, count=count)
        _run(store, _LABELS, rows, first=first, count=count)
    _run(store, _ALERTS, rows, alerts=alerts)
    return card


def _pieces(rows: int) -> Iterator[tuple[int, int]]:
    size = -(-rows // (MONTHS * PARTS))
    for first in range(0, rows, size):
        yield first, min(size, rows - first)


def _run(store: ClickHouseStore, sql: str, rows: int, **values: int) -> None:
    store.connection.command(_written(sql, rows, **values))


def _written(sql: str, rows: int, **values: int) -> str:
    return sql.format(
        values=_VALUES.format(carriers=list(CARRIERS), origins=list(ORIGINS)),
        model=MODEL,
        topic=TOPIC,
        names=list(NUMBERS + STRINGS),
        start_us=to_us(START),
        year_us=step_us(rows) * rows,
        step_us=step_us(rows),
        entities=max(rows // PER_ENTITY, 1),
        rows=rows,
        **values,
    )


def _register(store: ClickHouseStore, rows: int) -> ModelCard:
    """Three versions, one after the other, with one profile of the stream's own kind."""
    sample = store.connection.query(_written(_REFERENCE, rows, count=REFERENCE_ROWS))
    features = {name: FeatureSpec(type="number") for name in NUMBERS} | {
        name: FeatureSpec(type="category") for name in STRINGS
    }
    features["temp"] = FeatureSpec(type="number", hidden_nulls=(-999,))
    cards = [
        ModelCard(
            model=MODEL,
            model_version=version,
            owner=Owner(team="delays team", contact="delays@example.com"),
            task="binary",
            threshold=0.5,
            features=features,
            label_horizon_hours=24,
            previous_version=VERSIONS[number - 1] if number else None,
            retrain_reason="the yearly retraining" if number else None,
        )
        for number, version in enumerate(VERSIONS)
    ]
    dataset = frame_dataset(pd.DataFrame(sample), cards[-1], source="the reference")
    profile = build_profile(dataset, cards[-1])[0]
    store.save_profile(profile.hash, profile.to_bytes())
    named = {"profile_hash": profile.hash, "dataset_fingerprint": dataset.fingerprint()}
    cards = [card.model_copy(update=named) for card in cards]
    october = rows * 273 // 365
    for card, offset in zip(cards, (0, 0, october), strict=True):
        store.save_card(card, appended_us=to_us(START) - 1)
        boundary = Boundary(
            model=MODEL,
            model_version=card.model_version,
            change=Change.BEGUN,
            topic=TOPIC,
            partition=0,
            offset=offset,
            card_hash=card_hash(card),
            reason="its first event",
            at_us=to_us(START) + offset * step_us(rows),
        )
        if card.model_version != VERSIONS[0]:
            store.store_decisions([boundary], [])
    return cards[-1]

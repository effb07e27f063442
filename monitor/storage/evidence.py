"""What `plumbline verify` asks: alerts, and everything that their numbers were computed from.

In: a connection (of the reader's account) and values. Out: rows as dictionaries, predictions as
Arrow tables. Never: a judgement, a row changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from monitor.storage.connection import Connection

MOVES: Final = """
SELECT event_id, fingerprint, model, model_version, alertname, segment, category, feature, state,
    previous, clock, check, scale, verdict, statistic, effect, threshold, p_value, n_ref, n_cur,
    n_effective, smallest_visible, values, annotations, topic, partition, first_event, last_event,
    first_offset, last_offset, started_at, ended_at
FROM alerts FINAL
WHERE ({model:String} = '' OR model = {model:String})
    AND ({id:String} = '' OR fingerprint = {id:String} OR event_id = {id:String})
ORDER BY model, model_version, last_offset, moved_at, event_id
"""
DRIFTS: Final = """
SELECT fingerprint, model_version, alertname, feature, state, starts_at, moved_at
FROM alerts FINAL
WHERE model = {model:String} AND category = 'drift'
    AND state IN ('firing', 'resolved', 'superseded')
ORDER BY moved_at, event_id
"""
CARDS: Final = """
SELECT card_hash, card FROM cards FINAL
WHERE model = {model:String} AND model_version = {version:String}
"""
BOUNDARIES: Final = """
SELECT change, topic, partition, offset, card_hash FROM boundaries FINAL
WHERE model = {model:String} AND model_version = {version:String}
ORDER BY partition, offset
"""
BASELINES: Final = """
SELECT * FROM baselines FINAL
WHERE model = {model:String} AND model_version = {version:String}
    AND topic = {topic:String} AND partition = {partition:Int32}
ORDER BY offset, turn, column
"""
PANES: Final = """
SELECT pane, column, first_event, last_event, first_offset, last_offset, started_at, ended_at, n,
    missing, mean, minimum, maximum, xxh3(sketch) AS sketch_hash, counts, faults
FROM pane_summaries FINAL
WHERE model = {model:String} AND model_version = {version:String}
    AND topic = {topic:String} AND partition = {partition:Int32}
    AND last_offset >= {first:Int64} AND first_offset <= {last:Int64}
ORDER BY last_offset, column
"""
PROFILE: Final = "SELECT content FROM profiles WHERE profile_hash = {hash:String} LIMIT 1"
ERASED: Final = """
SELECT count() AS erasures, sum(found['predictions']) AS events FROM erasures
WHERE model IN ('', {model:String}) AND found['predictions'] > 0
"""
OLDEST: Final = """
SELECT count() AS rows, min(offset) AS first_offset, min(appended_at) AS appended_at
FROM predictions
WHERE model = {model:String} AND model_version = {version:String}
    AND topic = {topic:String} AND partition = {partition:Int32}
"""
PREDICTIONS: Final = """
SELECT event_id, occurred_at, sent_at, appended_at, repeated, role, status, latency_ms, prediction,
    prediction_number, score, scores, numbers, strings, faults, feature_times, attributions, offset
FROM predictions FINAL
WHERE model = {model:String} AND model_version = {version:String}
    AND topic = {topic:String} AND partition = {partition:Int32} AND registered
    AND offset >= {first:Int64} AND offset <= {last:Int64}
    AND occurred_at >= fromUnixTimestamp64Micro({since_us:Int64})
ORDER BY offset
"""
ANSWERS: Final = """
SELECT model_version, offset, occurred_at, sent_at FROM predictions FINAL
WHERE model = {model:String} AND topic = {topic:String} AND partition = {partition:Int32}
    AND registered
ORDER BY offset
"""
TRUTHS: Final = """
SELECT model, offset, observed_at, appended_at FROM labels FINAL
WHERE topic = {topic:String} AND partition = {partition:Int32}
ORDER BY offset
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Log:
    """The events of one model version on one partition."""

    model: str
    version: str
    topic: str
    partition: int

    @property
    def parameters(self) -> dict[str, Any]:
        """For the questions about it."""
        return {
            "model": self.model,
            "version": self.version,
            "topic": self.topic,
            "partition": self.partition,
        }


class Evidence:
    """Questions about alerts and what they rest on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def moves(self, *, model: str = "", id: str = "") -> list[Row]:
        """The moves of alerts, those never published included, in the order of the log.

        `id` is a fingerprint or the id of one move; empty: of all alerts.
        """
        return self._connection.query(MOVES, {"model": model, "id": id})

    def drifts(self, model: str) -> list[Row]:
        """When alerts of drift of a model fired and ended, in order of event time."""
        return self._connection.query(DRIFTS, {"model": model})

    def cards(self, log: Log) -> list[Row]:
        """Every registration of a version, its card as bytes."""
        parameters = {"model": log.model, "version": log.version}
        return self._connection.query(CARDS, parameters, binary=("card",))

    def boundaries(self, log: Log) -> list[Row]:
        """From where which card acted, in order."""
        parameters = {"model": log.model, "version": log.version}
        rows = self._connection.query(BOUNDARIES, parameters)
        return [r for r in rows if (r["topic"], r["partition"]) == (log.topic, log.partition)]

    def baselines(self, log: Log) -> list[Row]:
        """From where which accepted distributions acted, and where they ended, in order."""
        return self._connection.query(BASELINES, log.parameters)

    def panes(self, log: Log, first: int, last: int) -> list[Row]:
        """Summaries of the panes that have an event between two offsets, in order."""
        return self._connection.query(PANES, {**log.parameters, "first": first, "last": last})

    def profile(self, profile_hash: str) -> bytes | None:
        """The bytes under a profile's address."""
        rows = self._connection.query(PROFILE, {"hash": profile_hash}, binary=("content",))
        return rows[0]["content"] if rows else None

    def erased(self, model: str) -> int:
        """How many predictions of a model (or of any) were erased because a person asked."""
        return int(self._connection.query(ERASED, {"model": model})[0]["events"])

    def oldest(self, log: Log) -> Row:
        """The first row that is there: `rows` (0 where none is), `first_offset`, `appended_at`."""
        return self._connection.query(OLDEST, log.parameters)[0]

    def predictions(self, log: Log, first: int, last: int, *, since_us: int = 0) -> pa.Table:
        """The stored predictions between two offsets (inclusive), in order of offset.

        `since_us`: none of them occurred before; it spares the search.
        """
        parameters = {**log.parameters, "first": first, "last": last, "since_us": since_us}
        batches: Sequence[pa.RecordBatch] = list(self._connection.arrow(PREDICTIONS, parameters))
        return pa.Table.from_batches(batches)

    def answers(self, log: Log) -> pa.Table:
        """When the predictions of all versions of a model occurred, in order of offset."""
        parameters = {k: v for k, v in log.parameters.items() if k != "version"}
        return pa.Table.from_batches(list(self._connection.arrow(ANSWERS, parameters)))

    def truths(self, topic: str, partition: int) -> pa.Table:
        """When the labels of all models on a partition were observed, in order of offset."""
        parameters = {"topic": topic, "partition": partition}
        return pa.Table.from_batches(list(self._connection.arrow(TRUTHS, parameters)))

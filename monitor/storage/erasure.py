"""Erasure: every row that names a person, found, deleted, counted again, recorded.

In: an `entity_id`. Out: an `Erasure` with counts before and after, and a row of `erasures`.
Never: the id in a mutation (ClickHouse keeps those), in the record, or in an error.

Rows are looked up by the id and by its keyed hash, then deleted by their place in the log, so that
what ClickHouse keeps of the statements names no person. Labels name no person but a prediction:
they are looked up by its event and request ids, before the prediction goes. A mutation rewrites the
parts; the old ones leave the disk some minutes later (`old_parts_lifetime`).
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

import pyarrow as pa

from monitor.clock import Clock
from monitor.errors import StorageError
from monitor.storage.arrays import maps, moments, texts
from monitor.storage.connection import Connection
from schemas.values import ENTITY_FIELD, HashKey

ROUNDS: Final = 3
"""Rows that came while others were deleted are found by the next round."""
WAIT_S: Final = 600.0
"""For the mutations of one table."""
_PAUSE_S: Final = 0.1
_CHUNK: Final = 1_000
"""Ids or offsets of one statement: they travel in the request line."""

_PREDICTIONS: Final = """
SELECT model, event_id, request_id, topic, partition, offset FROM predictions
WHERE entity_id IN {names:Array(String)} AND ({model:String} = '' OR model = {model:String})
"""
_LABELS: Final = """
SELECT topic, partition, offset FROM labels
WHERE model = {model:String} AND (
    (event_id != '' AND event_id IN {events:Array(String)})
    OR (request_id != '' AND request_id IN {requests:Array(String)})
)
"""
_REJECTIONS_BY_ENTITY: Final = """
SELECT topic, partition, offset FROM rejections
WHERE match(original, {pattern:String})
    AND ({model:String} = '' OR model IN ('', {model:String}))
"""
_REJECTIONS_BY_EVENT: Final = r"""
SELECT topic, partition, offset FROM rejections
WHERE model = {model:String}
    AND extract(original, '"event_id"\\s*:\\s*"([^"\\\\]+)"') IN {events:Array(String)}
"""
_FINAL: Final = """
SELECT count() AS n FROM predictions FINAL
WHERE entity_id IN {names:Array(String)} AND ({model:String} = '' OR model = {model:String})
"""
_DELETE: Final = """
ALTER TABLE {table:Identifier} DELETE
WHERE topic = {topic:String} AND partition = {partition:Int32} AND offset IN {offsets:Array(Int64)}
"""
_UNFINISHED: Final = """
SELECT count() AS n, max(latest_fail_reason) AS reason FROM system.mutations
WHERE database = {database:String} AND table = {table:String} AND NOT is_done
"""

_Places = Mapping[tuple[str, int], Sequence[int]]
"""Rows by (topic, partition): their offsets."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was found of a person, and what is left of it."""

    entity_hash: str
    model: str
    """Empty: of all models."""
    found: Mapping[str, int]
    remaining: Mapping[str, int]

    @property
    def complete(self) -> bool:
        """Whether nothing is left."""
        return not any(self.remaining.values())


def forget(
    connection: Connection,
    entity: str,
    clock: Clock,
    *,
    model: str = "",
    key: HashKey | None = None,
) -> Erasure:
    """Delete the rows that name a person, prove it, and record it.

    Raises StorageError where ClickHouse refuses or does not end in time; the call may be repeated.
    """
    search = _Search(connection, entity, model, key)
    places = search.places()
    found = {table: _count(rows) for table, rows in places.items()}
    for _ in range(ROUNDS):
        if not any(places.values()):
            break
        for table in ("labels", "rejections", "predictions"):  # predictions name the others
            _delete(connection, clock, table, places[table])
        places = search.places()
    remaining = {table: _count(rows) for table, rows in places.items()}
    remaining["predictions"] = max(remaining["predictions"], search.final_count())
    erasure = Erasure(hash_of(entity, key), model, found, remaining)
    connection.insert("erasures", _row(erasure, connection.username, clock))
    return erasure


def hash_of(entity: str, key: HashKey | None) -> str:
    """How a record of an erasure names a person.

    >>> hash_of("person-1", None)
    'sha256:57496249fe55411872cde30b22b2ff793471bdee54c3183655065902f6af1eb7'
    """
    if key is not None:
        return f"keyed:{key.text(ENTITY_FIELD, entity)}"
    return f"sha256:{hashlib.sha256(entity.encode()).hexdigest()}"


class _Search:
    """Finds the rows of a person, and remembers the predictions by which labels are found."""

    def __init__(
        self, connection: Connection, entity: str, model: str, key: HashKey | None
    ) -> None:
        self._connection = connection
        self._model = model
        self._names = [entity] + ([key.text(ENTITY_FIELD, entity)] if key else [])
        self._events: defaultdict[str, set[str]] = defaultdict(set)
        self._requests: defaultdict[str, set[str]] = defaultdict(set)

    def places(self) -> dict[str, _Places]:
        """The rows of each table that name the person now."""
        rows = self._connection.query(_PREDICTIONS, {"names": self._names, "model": self._model})
        for row in rows:
            self._events[row["model"]].add(row["event_id"])
            if row["request_id"]:
                self._requests[row["model"]].add(row["request_id"])
        return {
            "predictions": _places(rows),
            "labels": _places(self._labels()),
            "rejections": _places(self._rejections()),
        }

    def final_count(self) -> int:
        """Predictions of the person after every repeat has collapsed."""
        [row] = self._connection.query(_FINAL, {"names": self._names, "model": self._model})
        return int(row["n"])

    def _labels(self) -> Iterator[dict[str, Any]]:
        for model in self._events:
            for events in _chunks(sorted(self._events[model])):
                yield from self._ask(_LABELS, model=model, events=events, requests=[])
            for requests in _chunks(sorted(self._requests[model])):
                yield from self._ask(_LABELS, model=model, events=[], requests=requests)

    def _rejections(self) -> Iterator[dict[str, Any]]:
        yield from self._ask(
            _REJECTIONS_BY_ENTITY, pattern=_pattern(self._names), model=self._model
        )
        for model in self._events:
            for events in _chunks(sorted(self._events[model])):
                yield from self._ask(_REJECTIONS_BY_EVENT, model=model, events=events)

    def _ask(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        return self._connection.query(sql, parameters)


def _pattern(names: Sequence[str]) -> str:
    """Finds `"entity_id": "..."` in a record, also in one that was cut off behind it."""
    written = {json.dumps(name, ensure_ascii=ascii_) for name in names for ascii_ in (True, False)}
    return rf'"{ENTITY_FIELD}"\s*:\s*(?:{"|".join(sorted(map(re.escape, written)))})'


def _places(rows: Sequence[dict[str, Any]] | Iterator[dict[str, Any]]) -> _Places:
    places: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
    for row in rows:
        places[row["topic"], row["partition"]].add(row["offset"])
    return {place: sorted(offsets) for place, offsets in sorted(places.items())}


def _count(places: _Places) -> int:
    return sum(map(len, places.values()))


def _delete(connection: Connection, clock: Clock, table: str, places: _Places) -> None:
    for (topic, partition), offsets in places.items():
        for chunk in _chunks(offsets):
            connection.command(
                _DELETE,
                {"table": table, "topic": topic, "partition": partition, "offsets": chunk},
            )
    deadline_s = clock.monotonic_s() + WAIT_S
    while True:
        [row] = connection.query(_UNFINISHED, {"database": connection.database, "table": table})
        if not row["n"]:
            return
        if clock.monotonic_s() > deadline_s:
            raise StorageError(
                f"deleting from {table} did not end within {WAIT_S:g} s"
                f"{': ' + row['reason'] if row['reason'] else ''}; run the same command again",
                retryable=True,
            )
        Event().wait(_PAUSE_S)


def _chunks(values: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield list(values[start : start + _CHUNK])


def _row(erasure: Erasure, account: str, clock: Clock) -> Any:
    return pa.table(
        {
            "erased_at": moments([clock.now_us()]),
            "entity_hash": texts([erasure.entity_hash]),
            "model": texts([erasure.model]),
            "found": maps([erasure.found], pa.uint64()),
            "remaining": maps([erasure.remaining], pa.uint64()),
            "account": texts([account]),
        }
    )

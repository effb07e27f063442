"""What must be true after the disturbed run, counted from the input file and the undisturbed one.

In: the input file, the two sites. Out: `Check`s, each with what was expected, what was found and
the first differences.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench.chaos import log_file
from bench.chaos.site import Site
from monitor.intake.follower import TopicFollower
from monitor.state import newest
from monitor.storage.clickhouse import ClickHouseStore
from monitor.storage.connection import Connection
from schemas import Rejection

ANY = "any"
"""Expected where the number is only worth knowing."""
SHOWN = 5
"""Differences that are shown of each check."""
SHOWN_CHARS = 400
COMPARED = {
    "predictions": "*",
    "rejections": "*",
    "pane_summaries": "* EXCEPT (stored_at)",
    "findings": "* EXCEPT (stored_at)",
    "alerts": "* EXCEPT (stored_at)",
}
"""Tables that must hold the same rows after both runs, and the columns that the log decides."""


@dataclass(frozen=True, slots=True)
class Check:
    """One claim; it holds where both sides are alike and nothing differs."""

    claim: str
    expected: str
    found: str
    differences: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return self.expected in (ANY, self.found) and not self.differences


@dataclass(slots=True)
class Input:
    """What the input file holds."""

    valid: Counter[str] = field(default_factory=Counter)
    """How often each id was sent validly."""
    invalid: Counter[bytes] = field(default_factory=Counter)

    @classmethod
    def of(cls, file: Path) -> "Input":
        """Count a file."""
        found = cls()
        for line in log_file.read(file):
            if line.kind == log_file.INVALID:
                found.invalid[line.payload] += 1
            else:
                found.valid[log_file.event_id(line.payload)] += 1
        return found


def recount(file: Path, undisturbed: Site, disturbed: Site) -> list[Check]:
    """All checks; reads the input file, the topics and the tables."""
    sent = Input.of(file)
    with (
        ClickHouseStore(undisturbed.settings.clickhouse) as calm,
        ClickHouseStore(disturbed.settings.clickhouse) as shaken,
    ):
        return [
            *_predictions(sent, shaken.connection),
            *_rejections(sent, disturbed, shaken.connection),
            *_alerts(undisturbed, disturbed, shaken.connection),
            *(_same_rows(table, calm.connection, shaken.connection) for table in COMPARED),
        ]


def _predictions(sent: Input, connection: Connection) -> Iterator[Check]:
    stored: Counter[str] = Counter()
    [raw] = connection.query("SELECT count() AS n FROM predictions")
    for row in connection.query("SELECT DISTINCT model FROM predictions ORDER BY model"):
        ids = connection.query(
            "SELECT event_id FROM predictions FINAL WHERE model = {model:String}",
            {"model": row["model"]},
        )
        stored.update(one["event_id"] for one in ids)
    total = sum(sent.valid.values())
    yield Check(
        "valid events in ClickHouse (FINAL)",
        f"{total:,}",
        f"{sum(stored.values()):,}",
        _shown("too often or too seldom", _unequal(sent.valid, stored)),
    )
    yield Check("distinct ids of them", f"{len(sent.valid):,}", f"{len(stored):,}")
    [row] = connection.query("SELECT countIf(repeated) AS n FROM predictions FINAL")
    resent = total - len(sent.valid)
    yield Check("resends among them, recognised", f"{resent:,}", f"{row['n']:,}")
    yield Check("rows before merges collapse repeats", ANY, f"{raw['n']:,}")


def _rejections(sent: Input, site: Site, connection: Connection) -> Iterator[Check]:
    expected = f"{sum(sent.invalid.values()):,}"
    rows = connection.query("SELECT original FROM rejections FINAL", binary=("original",))
    tabled = Counter(bytes(row["original"]) for row in rows)
    yield Check(
        "invalid records in the rejections table (FINAL), by their bytes",
        expected,
        f"{sum(tabled.values()):,}",
        _shown("too often or too seldom", _unequal(sent.invalid, tabled)),
    )
    topic: Counter[bytes] = Counter()
    for _, value in _committed(site, site.settings.kafka.topics.rejections):
        topic[Rejection.model_validate_json(value or b"").original] += 1
    yield Check(
        "invalid records on the rejections topic (read committed), by their bytes",
        expected,
        f"{sum(topic.values()):,}",
        _shown("too often or too seldom", _unequal(sent.invalid, topic)),
    )


def _alerts(undisturbed: Site, disturbed: Site, connection: Connection) -> Iterator[Check]:
    calm, clock_calm = _by_key(undisturbed)
    shaken, clock_shaken = _by_key(disturbed)
    yield Check(
        "alert moves (read committed), byte-equal and in order for each key",
        f"{sum(map(len, calm.values())):,} of {len(calm):,} alerts",
        f"{sum(map(len, shaken.values())):,} of {len(shaken):,} alerts",
        tuple(_first_differences(calm, shaken)),
    )
    yield Check("`clock` moves, which stand outside", ANY, f"{clock_calm} and {clock_shaken}")
    moves = [move for moves in shaken.values() for move in moves]
    ids = {str(orjson.loads(move)["id"]) for move in moves}
    yield Check("distinct ids of the moves", f"{len(moves):,}", f"{len(ids):,}")
    rows = connection.query("SELECT event_id FROM alerts FINAL WHERE published AND NOT clock")
    tabled = {row["event_id"] for row in rows}
    yield Check(
        "published moves in the alerts table",
        f"{len(ids):,}",
        f"{len(tabled):,}",
        _shown("only on one side", sorted(ids ^ tabled)),
    )
    now, then = (_current(site) for site in (undisturbed, disturbed))
    yield Check(
        "alerts that are on at the end (compacted topic)",
        f"{len(now):,}",
        f"{len(then):,}",
        _shown(
            "differs", [key for key in now.keys() | then.keys() if now.get(key) != then.get(key)]
        ),
    )


def states(site: Site) -> Counter[str]:
    """How many published moves led to each state."""
    moves, _ = _by_key(site)
    return Counter(orjson.loads(move)["state"] for log in moves.values() for move in log)


def _same_rows(table: str, calm: Connection, shaken: Connection) -> Check:
    row = f"formatRow('TSV', {COMPARED[table]})"
    sql = f"SELECT count() AS n, groupBitXor(cityHash64({row})) AS mark FROM {table} FINAL"
    [expected], [found] = calm.query(sql), shaken.query(sql)
    only = (
        f"SELECT {row} AS only FROM {table} FINAL WHERE cityHash64({row}) NOT IN "
        f"(SELECT cityHash64({row}) FROM {{other:Identifier}}.{table} FINAL) LIMIT {SHOWN}"
    )
    differences = [
        f"only {when}: {one['only'].strip()[:SHOWN_CHARS]}"
        for when, here, other in (("undisturbed", calm, shaken), ("disturbed", shaken, calm))
        if expected != found
        for one in here.query(only, {"other": other.database})
    ]
    return Check(
        f"rows of {table}, equal in every column",
        f"{expected['n']:,} ({expected['mark']:016x})",
        f"{found['n']:,} ({found['mark']:016x})",
        tuple(differences),
    )


def _committed(site: Site, topic: str) -> Iterator[tuple[bytes | None, bytes | None]]:
    follower = TopicFollower(site.settings.kafka, topic)
    try:
        for record in follower.read_all():
            yield record.key, record.value
    finally:
        follower.close()


def _by_key(site: Site) -> tuple[dict[bytes, list[bytes]], int]:
    """The bytes of every move of each alert in its order, and how many `clock` ones there are."""
    moves: defaultdict[bytes, list[bytes]] = defaultdict(list)
    clock = 0
    for key, value in _committed(site, site.settings.kafka.topics.alerts):
        if orjson.loads(value or b"{}").get("clock"):
            clock += 1
        else:
            moves[key or b""].append(value or b"")
    return dict(moves), clock


def _current(site: Site) -> dict[bytes, bytes]:
    return {
        key: value
        for key, value in newest(_committed(site, site.settings.kafka.topics.alerts_state)).items()
        if not orjson.loads(value).get("clock")
    }


def _first_differences(
    calm: Mapping[bytes, list[bytes]], shaken: Mapping[bytes, list[bytes]]
) -> Iterator[str]:
    shown = 0
    for key in sorted(calm.keys() | shaken.keys()):
        ours, theirs = calm.get(key, []), shaken.get(key, [])
        if ours == theirs:
            continue
        place = next(
            (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
            min(len(ours), len(theirs)),
        )
        yield (
            f"alert {key.decode()}: {len(ours)} moves undisturbed, {len(theirs)} disturbed; "
            f"move {place} is\n      {_words(ours, place)}\n      {_words(theirs, place)}"
        )
        shown += 1
        if shown == SHOWN:
            return


def _words(moves: list[bytes], place: int) -> str:
    if place >= len(moves):
        return "absent"
    event: dict[str, Any] = orjson.loads(moves[place])
    labels = event["data"]["alerts"][0]["labels"]
    text = f"{event['id']} {event['state']} {event['offsets']} {labels} {event['reason']}"
    return text[:SHOWN_CHARS]


def _unequal(expected: Mapping[Any, int], found: Mapping[Any, int]) -> list[str]:
    return [
        f"{key!r} {expected.get(key, 0)} -> {found.get(key, 0)}"
        for key in expected.keys() | found.keys()
        if expected.get(key, 0) != found.get(key, 0)
    ]


def _shown(what: str, differences: Iterable[Any]) -> tuple[str, ...]:
    every = sorted(map(str, differences))
    if not every:
        return ()
    first = "; ".join(one[:SHOWN_CHARS] for one in every[:SHOWN])
    return (f"{len(every)} {what}: {first}",)

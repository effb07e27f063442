"""Hostile records, endless and repeatable: what a broken or malicious producer may send."""

import json
import random
import string
from collections.abc import Callable, Iterator

from tests.contract.examples import CARD, invalid_examples, valid_examples

Headers = list[tuple[str, bytes]]
FuzzRecord = tuple[bytes | None, bytes | None, Headers]

_DATES = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-23:59",
    "1969-12-31T23:59:59.999999Z",
    "2199-12-31T23:59:59.999999999Z",
    "2024-02-30T00:00:00Z",
    "2024-05-02T24:00:00Z",
    "2024-05-02T23:59:60Z",
    "2024-05-02t09:30:00z",
    "2024-05-02 09:30+0530",
    "2024-05-02T09:30:00",
    "2024-W18-4T09:30:00Z",
    "20240502T093000Z",
    " 2024-05-02T09:30:00Z",
    "1714642200",
    "now",
    "NaT",
    "２０２４-05-02T09:30:00Z",
)
_NUMBERS = (
    "1e999",
    "-1e999",
    "NaN",
    "-NaN",
    "Infinity",
    "-Infinity",
    "1e-400",
    "-0",
    "-0.0",
    "01",
    "0x10",
    "9" * 25,
    "9" * 400,
    "9" * 4300,
    "-" + "9" * 5000,
    "9223372036854775808",
    "1.7976931348623157e308",
    "0." + "3" * 3000,
)
_OTHERS = (
    "null",
    "true",
    "false",
    '""',
    '"NA"',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\U0010ffff"',
    '"' + "x" * 5000 + '"',
    "[]",
    "{}",
    "[[[[[[1]]]]]]",
    '{"a": {"b": null}}',
    "-999",
)


def fuzz_records(seed: int, n: int) -> Iterator[FuzzRecord]:
    """`n` records as (key, value, headers); the same seed gives the same records."""
    draw = random.Random(seed)
    bodies = [example.value for example in valid_examples("prediction", "label") if example.value]
    invalid = [example for example in invalid_examples() if len(example.value or b"") < 60_000]
    makers: tuple[Callable[[random.Random, bytes], bytes], ...] = (
        _random_bytes,
        _truncated,
        _flipped,
        _spliced,
        _deep,
        _field_replaced,
        _field_replaced,
        _feature_replaced,
        _feature_replaced,
        _dated,
        _duplicate_keys,
        _many_extras,
        _random_json,
        _unchanged,
    )
    for _ in range(n):
        key = draw.choice((CARD.model.encode(), None, b"", b"\xff\xfe", b"pricing", b"k" * 500))
        if draw.random() < 0.1:
            example = draw.choice(invalid)
            yield key, example.value, list(example.headers)
            continue
        value = draw.choice(makers)(draw, draw.choice(bodies))
        yield key, value, _some_headers(draw)


def _some_headers(draw: random.Random) -> Headers:
    if draw.random() < 0.8:
        return []
    pool: Headers = [
        ("content-type", b"application/cloudevents+json"),
        ("content-type", b"application/json"),
        ("content-type", b"\xff\xfe"),
        ("Content-Type", b"APPLICATION/CLOUDEVENTS+JSON; x=y"),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"id-1"),
        ("ce_type", b"t"),
        ("ce_source", b"/s"),
        ("ce_time", draw.choice(_DATES).encode()),
        ("ce_id", b"\xc3\x28"),
        ("plumbline-sent-at", b"1714642200000000"),
        ("plumbline-sent-at", draw.choice((b"", b"-5", b"soon", b"9" * 30, "１".encode()))),
        ("other", draw.randbytes(20)),
    ]
    return draw.sample(pool, draw.randint(1, 8))


def _random_bytes(draw: random.Random, body: bytes) -> bytes:
    return draw.randbytes(draw.randint(0, 300))


def _truncated(draw: random.Random, body: bytes) -> bytes:
    return body[: draw.randrange(len(body))]


def _flipped(draw: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(draw.randint(1, 4)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _spliced(draw: random.Random, body: bytes) -> bytes:
    cut = draw.randrange(len(body))
    return body[:cut] + draw.choice((b",", b"}", b"{", b'"', b"\\", b"\x00", b"[")) + body[cut:]


def _deep(draw: random.Random, body: bytes) -> bytes:
    depth = draw.choice((5, 150, 199, 200, 201, 2_000, 20_000))
    opened, closed = draw.choice(((b"[", b"]"), (b'{"a":', b"}")))
    nested = opened * depth + b"1" + closed * draw.choice((depth, depth - 1, 0))
    return draw.choice((nested, _with_member(body, b'"x": ' + nested)))


def _field_replaced(draw: random.Random, body: bytes) -> bytes:
    fields = json.loads(body)
    name = draw.choice(sorted(fields))
    return _replaced(draw, fields, fields, name)


def _feature_replaced(draw: random.Random, body: bytes) -> bytes:
    fields = json.loads(body)
    features = fields.get("features")
    if not features:
        return _field_replaced(draw, body)
    return _replaced(draw, fields, features, draw.choice(sorted(features)))


def _replaced(draw: random.Random, whole: object, where: dict[str, object], name: str) -> bytes:
    where[name] = "@@"
    token = draw.choice(draw.choice((_NUMBERS, _OTHERS)))
    return json.dumps(whole).replace('"@@"', token).encode("utf-8", "surrogatepass")


def _dated(draw: random.Random, body: bytes) -> bytes:
    fields = json.loads(body)
    fields[draw.choice(("occurred_at", "observed_at"))] = draw.choice(_DATES)
    fields["feature_times"] = {"age": draw.choice(_DATES)}
    return json.dumps(fields, ensure_ascii=draw.random() < 0.5).encode()


def _duplicate_keys(draw: random.Random, body: bytes) -> bytes:
    member = draw.choice(
        (b'"event_id": "again"', b'"features": {}', b'"model": 7', b'"features": {"age":1,"age":2}')
    )
    return _with_member(body, member)


def _many_extras(draw: random.Random, body: bytes) -> bytes:
    count = draw.choice((1, 64, 65, 500, 2_000, 2_001))
    members = ",".join(f'"{_word(draw)}{i}": {i}' for i in range(count))
    return _with_member(body, b'"features": {' + members.encode() + b"}")


def _random_json(draw: random.Random, body: bytes) -> bytes:
    return json.dumps(_random_value(draw, 4)).encode()


def _unchanged(draw: random.Random, body: bytes) -> bytes:
    return body


def _random_value(draw: random.Random, depth: int) -> object:
    kind = draw.randrange(7 if depth else 5)
    if kind == 5:
        return [_random_value(draw, depth - 1) for _ in range(draw.randint(0, 4))]
    if kind == 6:
        names = ("model", "event_id", "features", "label", "data", "occurred_at", _word(draw))
        return {
            draw.choice(names): _random_value(draw, depth - 1) for _ in range(draw.randint(0, 6))
        }
    return (None, draw.random() < 0.5, draw.randint(-(10**6), 10**20), draw.random(), _word(draw))[
        kind
    ]


def _word(draw: random.Random) -> str:
    return "".join(draw.choices(string.ascii_letters + "é🙂\x00 .", k=draw.randint(0, 12)))


def _with_member(body: bytes, member: bytes) -> bytes:
    return body.rstrip()[:-1] + b", " + member + b"}"

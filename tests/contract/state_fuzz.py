"""Hostile state: real state records of a worker, spoilt in every place and in many ways.

In: the records of a partition's state. Out: the same with one thing changed: bytes flipped, cut or
replaced, or one value inside replaced by another that MessagePack can carry.
"""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import msgpack
import numpy as np

from monitor.packing import pack, unpack

Entries = dict[bytes, bytes]
MOST_PLACES = 40
"""Looked at of one list or map."""

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    7,
    2**63 - 1,
    -(2**63),
    2**64 - 1,
    float("nan"),
    float("inf"),
    1e300,
    "",
    "text",
    "../../etc/passwd",
    "'; DROP TABLE predictions; --",
    "\x00\ud7ff",
    b"",
    b"\x80\x04\x95cposix\nsystem\n",
    [],
    [1, 2, 3],
    [[]],
    {},
    {"a": 1},
    np.array([], np.uint16),
    np.zeros((2, 3), np.uint16),
    np.full((3, 50), 60_000, np.uint16),
    np.zeros(50, np.float64),
    np.array([np.nan, np.inf]),
    np.arange(5, dtype=np.int64),
    np.full(9, 2**63, np.uint64),
)


def spoilt_bytes(draw: random.Random, entries: Mapping[bytes, bytes]) -> Entries:
    """One record's key or value changed as bytes."""
    changed = dict(entries)
    key = draw.choice(sorted(entries))
    value = bytearray(changed[key])
    kind = draw.randrange(6)
    if kind == 0:
        del changed[key]
    elif kind == 1:
        changed[key] = bytes(value[: draw.randrange(len(value))])
    elif kind == 2:
        for _ in range(draw.randint(1, 5)):
            value[draw.randrange(len(value))] = draw.randrange(256)
        changed[key] = bytes(value)
    elif kind == 3:
        changed[key] = draw.randbytes(draw.randint(0, 200))
    elif kind == 4:
        changed[draw.randbytes(draw.randint(0, 30))] = bytes(value)
    else:
        changed[key] = changed[draw.choice(sorted(entries))]
    return changed


def spoilt_values(draw: random.Random, entries: Mapping[bytes, bytes]) -> Entries:
    """One value inside one record replaced, dropped or repeated; the record stays well-formed."""
    changed = dict(entries)
    key = draw.choice(sorted(entries))
    record = unpack(changed[key])
    if isinstance(record, list) and draw.random() < 0.8:
        count, piece, *seals = record
        record = [count, pack(_changed(draw, unpack(piece))) if count == 1 else piece[1:], *seals]
    else:
        record = _changed(draw, record)
    changed[key] = pack(record)
    return changed


def hostile_bytes() -> Iterator[tuple[str, bytes]]:
    """MessagePack that lies about its size, nests without end or names what must not be made."""
    yield "a list of 4 billion elements", b"\xdd\xff\xff\xff\xff"
    yield "a map of 4 billion entries", b"\xdf\xff\xff\xff\xff"
    yield "a text of 4 GB", b"\xdb\xff\xff\xff\xff"
    yield "bytes of 4 GB", b"\xc6\xff\xff\xff\xff"
    yield "an extension of 4 GB", b"\xc9\xff\xff\xff\xff\x01"
    yield "nested lists", b"\x91" * 1_000_000
    yield "nested maps", b"\x81\xa1a" * 400_000
    yield "nested lists of many", b"\xdd\x00\x00\x10\x00" * 20_000
    yield "nothing", b""
    yield "a byte that means nothing", b"\xc1"
    yield "more than one value", b"\x01\x01"
    yield "a pickle", b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system"
    yield "text that is no UTF-8", b"\xa2\xff\xfe"
    yield "an unhashable key", b"\x81\x90\x01"
    for code in (-128, -2, 0, 2, 42, 127):
        yield (
            f"extension {code}",
            msgpack.packb(msgpack.ExtType(code, b"x" * 16))
            if (code >= 0)
            else b"\xd8" + code.to_bytes(1, "big", signed=True) + b"x" * 16,
        )
    yield "a time", b"\xd7\xff" + b"\xff" * 8
    arrays: tuple[tuple[str, Any], ...] = (
        ("an array of objects", ["|O", [1], b"x" * 8]),
        ("an array of pickled objects", ["O", [1], b"\x80\x04K\x01."]),
        ("an array of text", ["<U4", [1], b"x" * 16]),
        ("an array with fields", [[["a", "<i8"]], [1], b"x" * 8]),
        ("an array of a type that is a list", [["<i8"], [1], b"x" * 8]),
        ("an array of a nameless type", [None, [1], b"x" * 8]),
        ("an array larger than its bytes", ["<f8", [10**9], b"x" * 8]),
        ("an array of more than memory", ["<f8", [2**62, 2], b""]),
        ("an array of unthinkable size", ["<f8", [2**64 - 1, 2**64 - 1], b""]),
        ("an array of negative size", ["<f8", [-5], b"x" * 8]),
        ("an array of many dimensions", ["<f8", [1] * 1_000, b"x" * 8]),
        ("an array shaped by text", ["<f8", "11", b"x" * 8]),
        ("an array shaped by numbers", ["<f8", [1.5], b"x" * 8]),
        ("an array of part of a number", ["<f8", [1], b"x" * 7]),
        ("an array from text", ["<f8", [1], "x" * 8]),
        ("an array from a list", ["<f8", [1], [1.0]]),
        ("an array of two parts", ["<f8", [1]]),
        ("an array that is none", 7),
    )
    for name, content in arrays:
        yield name, msgpack.packb(msgpack.ExtType(1, msgpack.packb(content)))
    yield (
        "an array within an array",
        msgpack.packb(msgpack.ExtType(1, msgpack.packb(["<f8", [1], msgpack.ExtType(1, b"x")]))),
    )
    yield "an array of nested lists", msgpack.packb(msgpack.ExtType(1, b"\x91" * 100_000))


def _changed(draw: random.Random, value: Any) -> Any:
    """The value with one place in it changed; deeper places are as likely as many."""
    places = list(_places(value))
    path = draw.choice(places)
    return _replaced(draw, value, path)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for name, one in list(inner)[:MOST_PLACES]:
            yield from _places(one, (*path, name))


def _replaced(draw: random.Random, value: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return draw.choice(VALUES)
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    name = path[0]
    if len(path) == 1 and draw.random() < 0.15:
        del copy[name]
    elif len(path) == 1 and isinstance(copy, list) and draw.random() < 0.15:
        copy.append(copy[name])
    else:
        copy[name] = _replaced(draw, value[name], path[1:])
    return copy

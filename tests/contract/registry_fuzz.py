"""Hostile cards and commands: what may stand on the topics that people write to.

In: a seed. Out: record values, endless and repeatable: valid ones with one thing spoilt, and bytes.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.contract.examples import CARD

COMMAND: dict[str, Any] = {
    "command_id": "order-1",
    "model": CARD.model,
    "action": "silence",
    "fingerprint": "0123456789abcdef",
    "who": "ann",
    "why": "we know",
    "issued_at": "2026-01-01T00:00:00Z",
    "until": "2026-02-01T00:00:00Z",
}
TEXTS: tuple[str, ...] = (
    "",
    " ",
    "x" * 200_000,
    "../../../etc/passwd",
    "/dev/zero",
    "file:///etc/passwd",
    "http://127.0.0.1:1/",
    "'; DROP TABLE predictions; --",
    "{database:Identifier}",
    "%(name)s {0} {} ${HOME} `id` $(id)",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "(a+)+$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "__import__('os').system('id')",
    "!!python/object/apply:os.system ['id']",
    "\x00",
    "\u202e\u0000\ud7ff",
    "ADWIN",
    "base.DriftDetector",
    "os.system",
    "__class__",
)
OTHERS: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    -1e308,
    2**63,
    10**400,
    [],
    {},
    [[]],
    [[[[[[1]]]]]],
    {"": ""},
    {"a": {"b": {"c": 1}}},
    ["x"] * 3_000,
    {f"f{i}": {"type": "number"} for i in range(2_001)},
    {f"f{i}": {"type": "category", "categories": ["a"] * 50} for i in range(500)},
    [64_000, 64_000],
    [1_000, 4_000, 16_000, 32_000, 64_000],
    [{"name": "ADWIN", "feature": "score", "parameters": {"delta": -1}}],
    [{"name": "KSWIN", "feature": "score", "parameters": {"window_size": 10**12}}],
    [{"name": "__class__", "feature": "score"}],
    [{"name": "DummyDriftDetector", "feature": "score", "parameters": {"t_0": 1}}],
    [{"name": "ADWIN", "feature": "score", "parameters": {"__init__": 1}}],
)


def cards(seed: int, n: int) -> Iterator[bytes]:
    """Values for the models topic."""
    return _values(random.Random(seed), json.loads(CARD.to_json()), n)


def commands(seed: int, n: int) -> Iterator[bytes]:
    """Values for the commands topic."""
    return _values(random.Random(seed), COMMAND, n)


def _values(draw: random.Random, whole: dict[str, Any], n: int) -> Iterator[bytes]:
    body = json.dumps(whole).encode()
    for _ in range(n):
        kind = draw.randrange(10)
        if kind == 0:
            yield draw.randbytes(draw.randint(1, 300))
        elif kind == 1:
            yield body[: draw.randrange(1, len(body))]
        elif kind == 2:
            changed = bytearray(body)
            for _ in range(draw.randint(1, 4)):
                changed[draw.randrange(len(changed))] = draw.randrange(256)
            yield bytes(changed)
        elif kind == 3:
            depth = draw.choice((10, 1_000, 100_000))
            yield body[:-1] + b', "description": ' + b"[" * depth + b"]" * depth + b"}"
        else:
            path = draw.choice(list(_paths(whole)))
            yield json.dumps(_with(draw, whole, path)).encode("utf-8", "surrogatepass")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, one in inner:
        if isinstance(one, dict | list):
            yield from _paths(one, (*path, name))
        else:
            yield (*path, name)


def _with(draw: random.Random, value: Any, path: tuple[Any, ...]) -> Any:
    if not path:
        return draw.choice(draw.choice((TEXTS, OTHERS)))
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    name = path[0]
    if len(path) == 1 and isinstance(copy, dict) and draw.random() < 0.25:
        copy[draw.choice(TEXTS)] = copy.pop(name)  # a hostile name
    else:
        copy[name] = _with(draw, value[name], path[1:])
    return copy

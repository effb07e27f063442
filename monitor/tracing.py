"""Which work a line of the log belongs to: the trace id of a batch or of a commit.

In: the place of a batch's first record, or the offsets of a commit. Out: 32 hexadecimal digits, as
W3C Trace Context has them, the same at every try and after a restart. Never: an id drawn at random,
an event's content.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import xxhash

from monitor.broker import Partition

_EVENTS_OWN: Final = re.compile(rb'"trace_id"\s*:\s*"([A-Za-z0-9._:-]{1,128})"')


@dataclass(frozen=True, slots=True)
class Trace:
    """A batch or a commit."""

    trace_id: str
    place: str
    """Where it stands in the log: `topic[partition]@offset`, several of a commit."""


NO_TRACE: Final = Trace("", "")
_current: ContextVar[Trace] = ContextVar("trace", default=NO_TRACE)


def trace_of(offsets: Mapping[Partition, int]) -> Trace:
    """Of a batch: the place of its first record; of a commit: where each partition goes on.

    >>> trace = trace_of({("plumbline.predictions", 3): 1_200})
    >>> trace.place, trace.trace_id
    ('plumbline.predictions[3]@1200', '2824ef1802c4c38463a9876626b27d91')
    """
    place = " ".join(
        f"{topic}[{number}]@{offset}" for (topic, number), offset in sorted(offsets.items())
    )
    return Trace(xxhash.xxh3_128_hexdigest(place.encode()), place)


@contextmanager
def traced(offsets: Mapping[Partition, int]) -> Iterator[None]:
    """Lines logged in the block, by this thread, belong to this batch or commit."""
    token = _current.set(trace_of(offsets))
    try:
        yield
    finally:
        _current.reset(token)


def current_trace() -> Trace:
    """What is worked on now; NO_TRACE outside of any."""
    return _current.get()


def events_trace_id(record: bytes) -> str:
    """The trace id that an event brought along, as far as a record can be read; else empty.

    >>> events_trace_id(b'{"trace_id": "4bf92f3577b34da6", "model": ')
    '4bf92f3577b34da6'
    """
    found = _EVENTS_OWN.search(record)
    return found[1].decode() if found else ""

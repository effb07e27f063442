"""A row of a file as the record that a producer would have sent.

In: a place in a log and bytes. Out: what intake would give. Never: anything read from a broker.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowRecord:
    """One row as the record that a producer would have sent."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()

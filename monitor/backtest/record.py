"""Rows of a file as the records that a producer would have sent.

In: a place in a log and bytes. Out: what intake would give. Never: anything read from a broker.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, overload

from monitor.events import Record

PARTITION: Final = 0
"""The one partition of a file."""


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


@dataclass(frozen=True, slots=True)
class FileBatch(Sequence[Record]):
    """The records at the offsets [start, stop) of a file, each made only when it is asked for."""

    start: int
    stop: int

    @abstractmethod
    def record(self, offset: int) -> Record:
        """The record at an offset of the file."""

    def __len__(self) -> int:
        return self.stop - self.start

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        offsets = range(self.start, self.stop)[index]
        return self.record(offsets) if isinstance(offsets, int) else [*map(self.record, offsets)]

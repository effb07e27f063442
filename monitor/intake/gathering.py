"""Records that wait until it is worth taking them: many models share a worker's partitions.

In: what each poll brings, with the positions after it. Out: one micro-batch. Never: a record held
back past the next commit or a poll that brings nothing, nor more of them than a commit takes.

A micro-batch costs something for each model version in it, whether it brings one event of it or
fifty. Records of few models are worth taking at once; of a thousand models in turn, a poll brings
three events of each, and waiting for the next polls makes a batch of twenty.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from monitor.broker import Partition
from monitor.events import Record

RECORDS_A_KEY: Final = 32
"""So many records of each key (records are keyed by model) are worth taking."""


class Gathering:
    """The records that were read and are not taken yet."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._keys: set[bytes | None] = set()
        self.positions: dict[Partition, int] = {}
        """The offsets after the last records."""

    def __len__(self) -> int:
        return len(self._records)

    def add(self, records: Sequence[Record], positions: Mapping[Partition, int]) -> None:
        """Take what a poll brought; `positions` are the offsets after it."""
        self._records += records
        self._keys.update(record.key for record in records)
        self.positions = dict(positions)

    @property
    def worth_taking(self) -> bool:
        """Whether there are enough of each model, without waiting for a commit."""
        return len(self._records) >= RECORDS_A_KEY * len(self._keys)

    def taken(self) -> list[Record]:
        """All of them; from here new ones."""
        records, self._records = self._records, []
        self._keys.clear()
        return records

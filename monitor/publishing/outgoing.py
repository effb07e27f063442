"""The contract of step 7: records for topics, and who commits them with the offsets consumed.

In: what the pipeline wants to say. Out: one atomic commit. Never: half of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.broker import Membership, Partition


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish. Without `partition` the key chooses it, as in Kafka's own clients."""

    topic: str
    key: bytes
    value: bytes | None
    """None is a tombstone: compaction forgets the key."""
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


class Publisher(Protocol):
    """What commits the outcome of a batch."""

    def commit(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        membership: Membership,
    ) -> None:
        """Publish `records` and mark `offsets` (the next to read) as consumed: both or neither.

        Raises BrokerError: call again with the same arguments. Raises FencedError: the partitions
        are no longer ours; drop what was not committed and join again. Raises ConfigError: the
        broker refuses until a person has mended it (a grant, a limit); call again.
        """
        ...

    def close(self) -> None: ...

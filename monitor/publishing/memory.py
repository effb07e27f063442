"""A publisher that keeps what it is given: for the backtest and for tests.

In: commits. Out: lists. Never: a network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.broker import Membership, Partition
from monitor.publishing.outgoing import Outgoing


@dataclass(slots=True)
class MemoryPublisher:
    """Keeps every committed record in order, and the last committed offset of each partition.

    >>> publisher = MemoryPublisher()
    >>> me = Membership("backtest", 1, "me", None)
    >>> publisher.commit([Outgoing("alerts", b"key", b"{}")], {("predictions", 0): 250}, me)
    >>> publisher.values("alerts"), publisher.offsets
    ([b'{}'], {('predictions', 0): 250})
    """

    records: list[Outgoing] = field(default_factory=list)
    offsets: dict[Partition, int] = field(default_factory=dict)

    def commit(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[Partition, int],
        membership: Membership,
    ) -> None:
        """Keep the records and the offsets."""
        del membership
        self.records.extend(records)
        self.offsets.update(offsets)

    def values(self, topic: str) -> list[bytes | None]:
        """What was published to one topic, in order."""
        return [record.value for record in self.records if record.topic == topic]

    def close(self) -> None:
        """Nothing to close."""

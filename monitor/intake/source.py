"""The contract of a source: where micro-batches come from.

In: a log (Kafka) or files. Out: records, per partition in offset order, and how far they go.
Never: committing. A source only says which offsets come next; publishing commits them together
with what was made of the records.
"""

from collections.abc import Sequence
from typing import Protocol

from monitor.broker import Membership, Partition
from monitor.events import Record


class Source(Protocol):
    """What the worker and the backtest read from."""

    @property
    def membership(self) -> Membership | None:
        """Under which membership the records were handed out; None while nothing is owned."""
        ...

    @property
    def problem(self) -> str:
        """Why nothing comes although it should, in words; empty while all is well."""
        ...

    def poll(self, timeout_ms: int) -> Sequence[Record]:
        """The next micro-batch; empty when there is none within `timeout_ms`."""
        ...

    def positions(self) -> dict[Partition, int]:
        """For every owned partition, the offset after the last record handed out."""
        ...

    def lag(self) -> dict[Partition, int]:
        """For every owned partition whose end is known, how many offsets are still to come."""
        ...

    def pause(self) -> None:
        """Hand out nothing until `resume`; `poll` must still be called, it keeps the membership."""
        ...

    def resume(self) -> None: ...

    def close(self) -> None: ...

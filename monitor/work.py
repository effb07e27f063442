"""What the pipeline has done since the last commit, and a commit on its way.

In: the outcome of the steps. Out: the same, kept until it lasts. Never: anything added to a commit
that has begun: it is the same at every try.
"""

from dataclasses import dataclass, field

from monitor.alerts import AlertMove
from monitor.broker import Partition
from monitor.decisions import Boundary, Ruling
from monitor.events import LabelColumns, PaneSummary, PredictionColumns, RejectedRecord
from monitor.findings import Finding
from monitor.publishing.outgoing import Outgoing
from monitor.storage.store import StoreBatch


@dataclass(slots=True)
class Work:
    """The rows and moves that wait for the next commit."""

    predictions: list[PredictionColumns] = field(default_factory=list)
    labels: list[LabelColumns] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    panes: list[PaneSummary] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    moves: list[AlertMove] = field(default_factory=list)
    moves_again: list[AlertMove] = field(default_factory=list)
    """Moves published before a restart, whose rows a crash may have cut off."""
    boundaries: list[Boundary] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)
    events: int = 0

    def batch(self) -> StoreBatch:
        """Step 1 of a commit."""
        return StoreBatch(self.predictions, self.labels, self.rejected, self.panes, self.findings)

    def all_moves(self) -> list[AlertMove]:
        """Step 3 of a commit."""
        return self.moves_again + self.moves


@dataclass(slots=True)
class Commit:
    """A commit that has begun, and how far it has come."""

    work: Work
    records: list[Outgoing]
    offsets: dict[Partition, int]
    rows_stored: bool = False
    published: bool = False

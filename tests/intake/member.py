"""A member of the group that writes down what it is told."""

from collections.abc import Mapping

from monitor.broker import Partition
from monitor.config import Settings
from monitor.events import Record
from monitor.intake.kafka import KafkaSource


class Member:
    """A source, the calls it made (`calls`) and the records it handed out (`records`).

    It reads from `steps_back` offsets before the committed ones.
    """

    def __init__(self, settings: Settings, *, metadata_age_ms: int = 30_000, **timing: int) -> None:
        self.calls: list[str] = []
        self.starts: dict[Partition, int] = {}
        self.at_revocation: dict[Partition, int] = {}
        self.records: list[Record] = []
        self.steps_back = 0
        topics = settings.kafka.topics
        self.source = KafkaSource(
            settings.model_copy(update={"worker": settings.worker.model_copy(update=timing)}),
            topics=(topics.predictions, topics.labels, topics.commands),
            on_assigned=self._assigned,
            on_revoked=self._revoked,
            on_lost=self._lost,
            metadata_age_ms=metadata_age_ms,
        )

    def step(self) -> None:
        self.records.extend(self.source.poll(200))

    def offsets(self) -> dict[Partition, list[int]]:
        found: dict[Partition, list[int]] = {}
        for record in self.records:
            found.setdefault((record.topic, record.partition), []).append(record.offset)
        return found

    def _assigned(self, starts: Mapping[Partition, int]) -> Mapping[Partition, int]:
        self.calls.append("assigned")
        self.starts = dict(starts)
        return {partition: max(0, start - self.steps_back) for partition, start in starts.items()}

    def _revoked(self) -> None:
        self.calls.append("revoked")
        self.at_revocation = self.source.positions()

    def _lost(self) -> None:
        self.calls.append("lost")

"""What is kept of a model's labels, and what a closed cohort hands to the judge.

In: the watch of a model; the reports of its cohorts. Out: records that `labelled` fills and the
pipeline judges, stores and saves. Never: a decision about an alert.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from monitor.attribution.root_cause import RootCause
from monitor.config import TopicSettings
from monitor.findings import Finding, Span
from monitor.judging.policy import Policy
from monitor.performance.report import CohortReport
from monitor.performance.watch import PerformanceWatch
from monitor.roster import VersionKey
from monitor.storage.cohort_rows import CohortSpan, PendingRows
from monitor.storage.store import Store


@dataclass(frozen=True, slots=True, eq=False)
class Closing:
    """What one cohort says of one version, ready for the judge."""

    report: CohortReport
    segments: list[CohortReport]
    """The same by segment."""
    findings: list[Finding]
    cause: Callable[[Finding], RootCause | None]
    """What stands behind an alert about them."""
    policy: Policy
    silent: bool
    """It was closed, stored and published before a restart."""

    @property
    def model(self) -> str:
        """Of the cohort."""
        return self.report.model


@dataclass(frozen=True, slots=True)
class Ended:
    """A version was replaced: its alerts about labels end before what a cohort says."""

    version: VersionKey
    span: Span
    reason: str
    policy: Policy
    silent: bool

    @property
    def model(self) -> str:
        """Of the version."""
        return self.version[0]


@dataclass(slots=True)
class Turn:
    """A version was replaced at an event, or came back there."""

    offset: int
    replaced: bool
    span: Span
    reason: str


@dataclass(slots=True)
class WatchedModel:
    """What is kept of one model."""

    watch: PerformanceWatch
    partition: int
    events_per_day: float
    blocks: float
    """Blocks between false alarms."""
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    """Version to its replacements and returns that no closed cohort has reached, in order."""
    replaced: set[str] = field(default_factory=set)
    """Versions that are replaced as of the last closed cohort."""
    leaks: dict[str, dict[str, int]] = field(default_factory=dict)
    """Version to the features that look like leaks, and in how many cohorts running."""
    last: tuple[str, Span] | None = None
    """Version and span of the last closed cohort."""
    stopped: bool = False
    """Whether it was said that labels have stopped."""

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "watch": self.watch.state(),
            "events_per_day": self.events_per_day,
            "blocks": self.blocks,
            "versions": list(self.watch.versions),
            "replaced": sorted(self.replaced),
            "last": [self.last[0], asdict(self.last[1])] if self.last else None,
            "stopped": self.stopped,
            "leaks": self.leaks,
            "turns": [
                [name, turn.offset, turn.replaced, asdict(turn.span), turn.reason]
                for name, turns in self.turns.items()
                for turn in turns
            ],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up what `state` gave; the cards of its versions must have been put."""
        self.watch.restore(saved["watch"])
        self.replaced = set(map(str, saved["replaced"]))
        self.stopped = bool(saved["stopped"])
        for name, seen in saved["leaks"].items():
            self.leaks[str(name)] = {str(one): int(n) for one, n in seen.items()}
        if saved["last"]:
            self.last = (str(saved["last"][0]), Span(**saved["last"][1]))
        for name, offset, replaced, span, reason in saved["turns"]:
            turn = Turn(int(offset), bool(replaced), Span(**span), str(reason))
            self.turns.setdefault(str(name), []).append(turn)


@dataclass(frozen=True, slots=True)
class StoredCohorts:
    """A model's rows in the store, and those of commits on their way there."""

    model: str
    partition: int
    store: Store
    topics: TopicSettings
    pending: Callable[[], PendingRows]

    @property
    def topic(self) -> str:
        """Of the predictions."""
        return self.topics.predictions

    def cohort_rows(
        self, started_us: int, ended_us: int, answers_below: int, truths_below: int
    ) -> tuple[Any, Any] | None:
        """See `StoredRows.cohort_rows`."""
        span = CohortSpan(
            *(self.model, self.topics.predictions, self.topics.labels, self.partition),
            *(started_us, ended_us, answers_below, truths_below),
        )
        return self.store.cohort_rows(span, self.pending())


def span_of(report: CohortReport) -> Span:
    """The events of one version in one cohort, numbered through its cohorts."""
    times = report.rows.occurred_us
    return Span(
        topic=report.topic,
        partition=report.partition,
        first_event=report.first_event,
        last_event=report.first_event + report.predictions - 1,
        first_offset=report.first_offset,
        last_offset=report.last_offset,
        started_us=int(times.min()),
        ended_us=int(times.max()),
    )

"""What the pipeline has done since the last commit, and a commit on its way.

In: the outcome of the steps. Out: the same, kept until it lasts. Never: anything added to a commit
that has begun: it is the same at every try.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from monitor.alerts import AlertMove, AlertState
from monitor.attribution.root_cause import RootCause, with_cause
from monitor.broker import Partition
from monitor.decisions import AcceptedTurn, Boundary, Ruling
from monitor.events import LabelColumns, PaneSummary, PredictionColumns, RejectedRecord
from monitor.findings import Finding
from monitor.judging.judge import Judge
from monitor.judging.policy import Policy
from monitor.performance.report import CohortReport
from monitor.publishing.outgoing import Outgoing
from monitor.storage.store import StoreBatch, StoredUntil
from monitor.telemetry import Telemetry

CauseOf = Callable[[Finding], RootCause | None]
NoteOf = Callable[[Finding], Mapping[str, str]]
Policies = Callable[[str], Mapping[str, Policy]]
"""What the acting cards of a model ask of the judge, by version."""


@dataclass(slots=True)
class Work:
    """The rows and moves that wait for the next commit."""

    predictions: list[PredictionColumns] = field(default_factory=list)
    labels: list[LabelColumns] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    panes: list[PaneSummary] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    cohorts: list[CohortReport] = field(default_factory=list)
    moves: list[AlertMove] = field(default_factory=list)
    moves_again: list[AlertMove] = field(default_factory=list)
    """Moves published before a restart, whose rows a crash may have cut off."""
    boundaries: list[Boundary] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)
    baselines: list[AcceptedTurn] = field(default_factory=list)
    notices: list[Outgoing] = field(default_factory=list)
    """Records beside the moves: heartbeats."""
    events: int = 0

    def keep(self, pane: PaneSummary | None) -> None:
        """What is kept of a pane, where one was closed."""
        if pane is not None:
            self.panes.append(pane)

    @property
    def anything(self) -> bool:
        """Whether there is anything to store or to publish."""
        told = self.moves or self.moves_again or self.boundaries or self.rulings or self.notices
        return self.events > 0 or bool(told or self.baselines)

    @property
    def alarmed(self) -> bool:
        """Whether an alert has begun to fire."""
        firing = AlertState.FIRING
        return any(one.state is firing and one.previous is not firing for one in self.moves)

    def batch(self) -> StoreBatch:
        """Step 1 of a commit."""
        return StoreBatch(
            *(self.predictions, self.labels, self.rejected),
            *(self.panes, self.findings, self.cohorts),
        )

    def all_moves(self) -> list[AlertMove]:
        """Step 3 of a commit."""
        return self.moves_again + self.moves


class Desk:
    """Where the steps lay down what waits for the next commit."""

    def __init__(self, judge: Judge, telemetry: Telemetry, policies: Policies) -> None:
        self.work = Work()
        self._judge = judge
        self._policies = policies
        self._telemetry = telemetry

    def judged(
        self,
        findings: list[Finding],
        policy: Policy,
        cause: CauseOf | None = None,
        note: NoteOf | None = None,
    ) -> None:
        """Step 5: findings of one version become moves.

        `cause` is asked where an alert fires; its finding then holds the cause in numbers. `note`
        gives further annotations.
        """
        if not findings:
            return
        known: dict[int, RootCause | None] = {}

        def behind(finding: Finding) -> Mapping[str, str]:
            if cause is not None and id(finding) not in known:
                known[id(finding)] = cause(finding)
            found = known.get(id(finding))
            noted = {} if note is None else note(finding)
            return noted if found is None else {**found.annotations(), **noted}

        self._telemetry.received("judging", len(findings))
        with self._telemetry.timed("judging"):
            moves = self._judge.judge(findings, policy, behind)
        self.work.findings += (
            [with_cause(one, known.get(id(one))) for one in findings] if known else findings
        )
        self.work.moves += [
            replace(move, finding=with_cause(move.finding, known.get(id(move.finding))))
            if known and move.previous is not AlertState.FIRING
            else move
            for move in moves
        ]
        self._telemetry.emitted("judging", len(moves))

    def stated(self, finding: Finding | None) -> None:
        """A fact, which needs no second look; a silence makes the model's alerts stale."""
        if finding is None:
            return
        policies = self._policies(finding.model)
        policy = policies.get(finding.model_version, Policy())
        self.judged([finding], replace(policy, confirmations=1))
        if finding.measurement.check == "stopped":
            self.work.moves += self._judge.gap(finding, policies)

    def cleared(self) -> Work:
        """What was laid down; from here new work."""
        work, self.work = self.work, Work()
        return work


@dataclass(slots=True)
class Commit:
    """A commit that has begun, and how far it has come."""

    work: Work
    records: list[Outgoing]
    offsets: dict[Partition, int]
    stored: tuple[StoredUntil, ...]
    """Rows that were there when this worker took over."""
    rows_stored: bool = False
    published: bool = False

"""Steps 4 and 5 for what labels say: cohorts that predictions and labels have both sealed.

In: the cohorts that `labelled` closes at a commit. Out: findings judged, reports and moves, on the
desk. Never: a cohort closed twice; what was published before a restart is not published again.
"""

from monitor.closings import Ended
from monitor.judging.judge import Judge
from monitor.labelled import Labelled
from monitor.snapshots import Snapshots
from monitor.telemetry import Telemetry
from monitor.work import Desk


class SealedCohorts:
    """Closes and judges them before each commit."""

    def __init__(
        self,
        labelled: Labelled,
        judge: Judge,
        snapshots: Snapshots,
        telemetry: Telemetry,
        desk: Desk,
    ) -> None:
        self._labelled = labelled
        self._judge = judge
        self._snapshots = snapshots
        self._telemetry = telemetry
        self._desk = desk

    def close(self) -> None:
        """Close what is sealed; raises StorageError: what was closed by then is kept."""
        with self._telemetry.timed("tests"):
            self._labelled.moved(self._desk.work.all_moves())
            for closed in self._labelled.close():
                work = self._desk.work
                if closed.silent:
                    self._desk.cleared()
                if isinstance(closed, Ended):
                    self._desk.work.moves += self._judge.supersede(
                        *(closed.version, closed.reason, closed.span, closed.policy),
                        whole=True,
                        of_labels=True,
                    )
                else:
                    self._desk.judged(closed.findings, closed.policy, closed.cause)
                    self._desk.work.cohorts += [closed.report, *closed.segments]
                    self._telemetry.emitted("tests", len(closed.findings))
                if closed.silent:
                    work.moves_again += self._desk.work.moves
                    self._desk.work = work
                self._snapshots.changed(closed.model)

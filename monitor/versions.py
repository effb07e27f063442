"""The versions of models: what begins to be tested, and what no longer is.

In: the events of a version, what fails while they are tested. Out: its monitor; or what is wrong
with it, said once. Never: a fault in one version that stops another, or the worker.

A version is not tested without a card or a profile, after its tests failed (it is quarantined until
its card changes), and after another version has taken over. Its events are stored all the same.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from monitor.boundaries import Boundaries
from monitor.census import Census, Standing
from monitor.checks.registration import registration
from monitor.decisions import Change
from monitor.errors import StorageError
from monitor.events import PredictionColumns
from monitor.findings import Finding, Measurement, Span, span_of_event
from monitor.labelled import Labelled
from monitor.roster import UNTESTABLE, Roster, VersionKey
from monitor.snapshots import Snapshots
from monitor.succession import Takeover, live, takeovers
from monitor.telemetry import Telemetry
from monitor.version_monitor import VersionMonitor
from monitor.windows.duplicates import mark_resends
from monitor.work import Desk

Watched = VersionMonitor | Measurement | None
"""The monitor of a version, what is wrong with it, or None: only to be stored."""

log = logging.getLogger(__name__)


class Versions:
    """Who is tested."""

    def __init__(
        self,
        census: Census,
        roster: Roster,
        snapshots: Snapshots,
        boundaries: Boundaries,
        telemetry: Telemetry,
        desk: Desk,
        *,
        labelled: Labelled,
    ) -> None:
        self._census = census
        self._labelled = labelled
        self._roster = roster
        self._snapshots = snapshots
        self._boundaries = boundaries
        self._telemetry = telemetry
        self._desk = desk

    def marked(
        self, groups: Sequence[PredictionColumns], *, silent: bool
    ) -> list[PredictionColumns]:
        """The groups of a batch with resends marked, of the models that are remembered."""
        kept = [self._kept(columns, silent) for columns in groups]
        marked = iter(
            mark_resends(
                [columns for columns, is_kept in zip(groups, kept, strict=True) if is_kept],
                self._roster.recent,
            )
        )
        return [
            next(marked) if is_kept else columns
            for columns, is_kept in zip(groups, kept, strict=True)
        ]

    def watched(self, columns: PredictionColumns, *, silent: bool) -> Watched:
        """By what a version is tested; StorageError where its profile cannot be asked for.

        `silent`: these events were taken before, so that what is unknown now was only stored.
        """
        version = version_of(columns)
        self._boundaries.wake(columns.model)
        standing = self._census.standing(*version)
        if standing is None:
            if silent:
                return None
        elif standing.trouble or (standing.replaced and not live(columns).any()):
            return None
        if not columns.registered:
            reason = (
                f"{' '.join(version)} sends events but has no card: they are stored and not "
                "tested; run `plumbline register`"
            )
            return registration("unregistered", trouble=True, reason=reason)
        try:
            return self._roster.monitor(*version)
        except UNTESTABLE as error:
            return registration("profile_missing", trouble=True, reason=str(error))
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - the outer guard of one version
            return self._failure(version, error)

    def begun(self, columns: PredictionColumns, watch: Watched, *, silent: bool) -> bool:
        """Whether events of a version may be tested; the first one makes its card act."""
        version, state = version_of(columns), self._census.models.get(columns.model)
        if isinstance(watch, Measurement):
            self._desk.stated(self._untestable(columns, watch))
            return False
        if state is None or not columns.registered:
            return False
        standing = state.versions.get(columns.model_version)
        if standing is None:
            if silent:
                return False
            standing = state.versions[columns.model_version] = Standing()
            self._boundaries.begin(version, span_of_event(columns, 0))
        return standing.trouble is None

    def tested(
        self, columns: PredictionColumns, monitor: VersionMonitor
    ) -> tuple[PredictionColumns, VersionMonitor] | None:
        """Which of these events are tested by which monitor.

        Of a replaced version they are those from the first live one on, if there is any: it is
        back, and starts anew.
        """
        version = version_of(columns)
        standing = self._census.standing(*version)
        if standing is None or standing.trouble is not None:
            return None
        if standing.replaced:
            rows = np.flatnonzero(live(columns))
            if not rows.size:
                self._roster.drop(*version)
                return None
            columns = columns.rows(np.arange(rows[0], len(columns)))
            standing.replaced = False
            self._boundaries.begin(version, span_of_event(columns, 0))
            self._labelled.back(version, span_of_event(columns, 0))
        return columns, self._roster.awake().get(version) or self._roster.renew(monitor)

    def takeovers(self, groups: Sequence[PredictionColumns]) -> dict[VersionKey, list[Takeover]]:
        """Which versions are replaced within a batch, by whom and where."""
        by_model: defaultdict[str, list[PredictionColumns]] = defaultdict(list)
        for columns in groups:
            by_model[columns.model].append(columns)
        found: dict[VersionKey, list[Takeover]] = {}
        for model, of_model in by_model.items():
            state = self._census.models.get(model)
            if state is not None and len(state.versions) > 1:
                several = takeovers(state, of_model, self._roster.acting)
                found |= {(model, version): ends for version, ends in several.items()}
        return found

    def replace(self, version: VersionKey, takeover: Takeover) -> None:
        """Another version has taken over: alerts end, windows are dropped."""
        if self._census.replace(version):
            self._boundaries.end(version, Change.REPLACED, takeover.span, takeover.reason)
            self._labelled.replaced(version, takeover.span, takeover.reason)

    def quarantine(self, version: VersionKey, at: Span, error: Exception) -> None:
        """Test a version no further until its card changes."""
        trouble = self._failure(version, error)
        finding = self._census.raise_trouble(version, at, trouble, bounded=False)
        self._boundaries.end(version, Change.QUARANTINED, at, trouble.reason)
        self._desk.stated(finding)

    def _kept(self, columns: PredictionColumns, silent: bool) -> bool:
        """Whether anything is remembered of a model."""
        model = columns.model
        if model not in self._census.models:
            if silent or not self._census.admit(columns):
                return False
            self._snapshots.unrepeatable(model)
        if self._census.moved(columns):
            self._snapshots.moved(model)
            self._labelled.drop(model)
        self._snapshots.changed(model)
        return True

    def _untestable(self, columns: PredictionColumns, trouble: Measurement) -> Finding | None:
        """Raised once for a version, at its first event; so many at most."""
        version, first = version_of(columns), span_of_event(columns, 0)
        standing = self._census.standing(*version)
        if standing is not None and standing.trouble is not None:
            return None
        finding = None
        if columns.model in self._census.models:
            finding = self._census.raise_trouble(version, first, trouble)
        if finding is None:
            self._telemetry.dropped("tests", "unregistered_limit", len(columns))
            return None
        if not self._roster.begun(*version):
            self._boundaries.begin(version, first)
        self._snapshots.unrepeatable(columns.model)
        return finding

    def _failure(self, version: VersionKey, error: Exception) -> Measurement:
        self._telemetry.errors.labels(type(error).__name__).inc()
        log.error("testing %s %s failed", *version, exc_info=error)
        reason = (
            f"testing {' '.join(version)} failed ({type(error).__name__}): its events are stored "
            "and not tested until its card changes; the worker's log says where"
        )
        return registration("monitor_error", trouble=True, reason=reason)


def version_of(columns: PredictionColumns) -> VersionKey:
    """(model, model version)."""
    return columns.model, columns.model_version

"""The breakdowns of all versions: what stands behind their performance, and what follows from it.

In: reports of closed cohorts in order, moves of alerts of drift. Out: reports by segment, findings
of disparities and due retrainings, root causes of alerts about performance. Never: a cost where no
cohort closes; the network.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monitor.alerts import AlertMove, AlertState
from monitor.attribution.labelled_cause import cause_of_labels
from monitor.attribution.root_cause import RootCause
from monitor.attribution.surrogate import Surrogate
from monitor.findings import Finding, Measurement
from monitor.performance.breakdown import Breakdown
from monitor.performance.drifts import Drift, DriftLog
from monitor.performance.reference import PerformanceReference
from monitor.performance.report import CohortReport
from monitor.roster import VersionKey
from monitor.sketches.profile import Profile
from schemas import ModelCard

ASKED: Final = frozenset({"worse_than_baseline", "calibration", "retrain_due", "regressed"})
"""Checks whose alerts are told with what stands behind them."""
_ENDED: Final = (AlertState.RESOLVED, AlertState.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Told:
    """What a cohort says beside its metrics."""

    segments: list[CohortReport]
    measurements: list[Measurement]
    cause: Callable[[Finding], RootCause | None]
    """What stands behind an alert about this cohort."""


class Breakdowns:
    """Of all models on this worker's partitions."""

    def __init__(self) -> None:
        self._known: dict[VersionKey, Breakdown] = {}
        self._drifts: defaultdict[VersionKey, DriftLog] = defaultdict(DriftLog)
        self._saved: dict[VersionKey, Mapping[str, Any]] = {}
        """As restored, until a version's next cohort brings its card."""

    def moved(self, moves: Iterable[AlertMove]) -> None:
        """Note when alerts of drift fire and end; a move noted twice counts once."""
        for move in moves:
            labels = move.labels
            if labels["category"] != "drift":
                continue
            version = (labels["model"], labels.get("model_version", ""))
            name = labels.get("feature") or labels["alertname"]
            drift = Drift(move.fingerprint, name, move.starts_us, move.moved_us)
            self.drifted(version, drift, move.state)

    def drifted(self, version: VersionKey, drift: Drift, state: AlertState) -> None:
        """Note that an alert of drift has come into a state, at `fired_us`."""
        if state is AlertState.FIRING:
            self._drifts[version].fired(drift.mark, drift.name, drift.starts_us, drift.fired_us)
        elif state in _ENDED:
            self._drifts[version].ended(drift.mark, drift.fired_us)

    def add(
        self,
        report: CohortReport,
        known: tuple[ModelCard, PerformanceReference | None],
        profile: Profile | None,
        names: Sequence[str],
        blocks_between_alarms: float,
    ) -> Told:
        """Take a closed cohort of one version.

        `known` are its card and what its reference's labels tell, `names` the features that its
        rows hold.
        """
        card, reference = known
        version = (report.model, report.model_version)
        own = self._of(version, card, names, blocks_between_alarms)
        surrogate = None if profile is None else Surrogate.of(profile)
        edges = {} if surrogate is None else {c.name: c.edges for c in surrogate.cells.features}
        drifts = self._drifts[version].on(report.ended_us)
        segments, measurements = own.add(report, edges, reference, drifts)

        def cause(finding: Finding) -> RootCause | None:
            measurement = finding.measurement
            if measurement.check not in ASKED:
                return None
            behind = own.behind(measurement.n_cur, edges)
            if behind is None:
                return None
            return cause_of_labels(behind, surrogate, version[1], own.attributions)

        return Told(segments, measurements, cause)

    def state(self, model: str) -> dict[str, Any]:
        """What is kept of a model's versions, as plain values and arrays."""
        return {
            "versions": {
                version: own.state()
                for (name, version), own in self._known.items()
                if name == model
            }
            | {
                version: dict(saved)
                for (name, version), saved in self._saved.items()
                if name == model
            },
            "drifts": {
                version: log.state()
                for (name, version), log in self._drifts.items()
                if name == model
            },
        }

    def restore(self, model: str, saved: Mapping[str, Any]) -> None:
        """Take up what `state` gave; nothing of an older release, which kept nothing."""
        for version, own in saved.get("versions", {}).items():
            self._saved[model, str(version)] = own
        for version, log in saved.get("drifts", {}).items():
            self._drifts[model, str(version)].restore(log)

    def drop(self, model: str) -> None:
        """A model starts anew."""
        kept: tuple[dict[VersionKey, Any], ...] = (self._known, self._drifts, self._saved)
        for known in kept:
            for version in [one for one in known if one[0] == model]:
                del known[version]

    def forget(self) -> None:
        """Know nobody."""
        self._known.clear()
        self._drifts.clear()
        self._saved.clear()

    def _of(
        self, version: VersionKey, card: ModelCard, names: Sequence[str], blocks: float
    ) -> Breakdown:
        own = self._known.get(version)
        if own is not None and own.card == card:
            return own
        fresh = Breakdown(card, names, blocks)
        if own is not None:
            fresh.restore(own.state())
        elif (saved := self._saved.pop(version, None)) is not None:
            fresh.restore(saved)
        self._known[version] = fresh
        return fresh

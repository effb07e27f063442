"""Everything that labels say of one model: the object that the pipeline holds.

In: predictions and labels of one model, batch by batch, each in its partition's order. Out: a
report for each version of each cohort, once, in order: a function of the two partitions. Never: a
clock, a network; what memory does not hold comes through the look-up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from monitor.events import Float64, Int64, PredictionColumns
from monitor.findings import Measurement
from monitor.performance.baseline import Baseline
from monitor.performance.calendar import Calendar
from monitor.performance.cohorts import ClosedCohort, CohortRef, Cohorts
from monitor.performance.compare import VersionVerdict
from monitor.performance.coverage import CoverageWatch, labels_stopped
from monitor.performance.estimate import Reconciled
from monitor.performance.lookup import Looked, LookUp, StoredRows
from monitor.performance.losses import LEAST_PROBABILITY, losses, two_columns
from monitor.performance.metrics import confusion, measured, reliability
from monitor.performance.reading import AnswerReader
from monitor.performance.reference import PerformanceReference
from monitor.performance.replacements import Replacements
from monitor.performance.report import CohortReport, Losses
from monitor.performance.rows import CohortRows
from monitor.performance.skill import BLOCKS_BETWEEN_ALARMS
from monitor.performance.watched_version import WatchedVersion, expected, learnt
from monitor.sketches.profile import Profile
from schemas.model import ModelCard

LOSS_CAP: Final = 5.0
"""Absolute errors are compared up to so many times the baseline's mean."""
DEFAULT_HORIZON_HOURS: Final = 168.0


class PerformanceWatch:
    """Labels, performance and versions of one model.

    Parameters
    ----------
    card
        Of the version known first: task, classes, features, horizon and baseline of the model.
    stored
        Stored predictions and labels.
    events_per_day
        Traffic, which sets the length of cohorts.
    blocks_between_alarms
        Expected blocks of 100 labelled predictions up to a false alarm, of each sequential test.

    **Cost**: 0.1 microseconds a prediction; at a closing 5 a prediction and 10 a labelled one.
    """

    def __init__(
        self,
        card: ModelCard,
        stored: StoredRows,
        *,
        events_per_day: float,
        blocks_between_alarms: float = BLOCKS_BETWEEN_ALARMS,
    ) -> None:
        self.model = card.model
        self._blocks_between_alarms = blocks_between_alarms
        self._reader = AnswerReader(card)
        horizon_us = round((card.label_horizon_hours or DEFAULT_HORIZON_HOURS) * 3.6e9)
        self._stored = stored
        self.cohorts = Cohorts(Calendar.of(events_per_day, horizon_us), _Reading(self))
        self.coverage = CoverageWatch(self._reader.features)
        self._covered: list[tuple[CohortRef, int]] = []
        """The last cohorts and their live predictions, as far as `coverage` still needs them."""
        self._waiting = 0
        """Rows that waited in `coverage` before a restart."""
        self._stale = False
        """Whether rows that wait have still to be read again, after a restart."""
        self._versions: dict[str, WatchedVersion] = {}
        self._baseline: Baseline | None = None
        self._base_loss = np.zeros(2)
        """Sum and number of the baseline's losses, for the cap of a regression model's."""
        self._replacements = Replacements()
        self.put(card)

    def put(self, card: ModelCard, reference: PerformanceReference | None = None) -> None:
        """Take the card of a version, and what is known of it from its reference."""
        known = self._versions.get(card.model_version)
        if known is None:
            reader = AnswerReader(card, self._reader)
            known = WatchedVersion(card, reader, self._blocks_between_alarms)
            self._versions[card.model_version] = known
        known.card, known.reader = card, AnswerReader(card, self._reader)
        if reference is not None:
            known.set_reference(reference)
        if self._baseline is None or (reference is not None and not self._baseline.known):
            self._baseline = self._new_baseline(known.card, reference)

    @property
    def versions(self) -> tuple[str, ...]:
        """Those whose cards were put, in that order."""
        return tuple(self._versions)

    @property
    def features(self) -> tuple[str, ...]:
        """Those that the rows of a cohort hold, in their order."""
        return self._reader.features

    def known(self, version: str) -> tuple[ModelCard, PerformanceReference | None]:
        """The card that was put last for a version, and its reference, as far as there is one."""
        kept = self._versions[version]
        return kept.card, kept.reference

    def card(self, version: str) -> ModelCard | None:
        """The card that was put last for a version."""
        kept = self._versions.get(version)
        return None if kept is None else kept.card

    def reference(self, profile: Profile) -> PerformanceReference | None:
        """What a profile holds of its reference's labels; ProfileError where it is unreadable."""
        if not profile.performance:
            return None
        reader = self._reader
        return PerformanceReference.of_arrays(
            reader.task, profile.performance, len(reader.features)
        )

    def knows(self, version: str) -> bool:
        """Whether the card of a version was put."""
        return version in self._versions

    def on_predictions(self, groups: Sequence[PredictionColumns]) -> None:
        """Take when the model's predictions of a batch occurred, all its versions."""
        known = [one for one in groups if one.registered and one.model_version in self._versions]
        if len(known) == 1:
            self.cohorts.on_answers(known[0].offsets, known[0].event_us)
        elif known:
            offsets = np.concatenate([one.offsets for one in known])
            order = np.argsort(offsets, kind="stable")
            times: Int64 = np.concatenate([one.event_us for one in known])
            self.cohorts.on_answers(offsets[order], times[order])

    def close_due(self) -> Iterator[CohortReport]:
        """Close every cohort that both partitions have sealed; a report for each version in it.

        Raises StorageError: call again, nothing is lost and nothing that was given comes twice.
        """
        if self.cohorts.is_due and self._stale:
            self._read_again()
        for cohort in self.cohorts.due():
            yield from self._closed(cohort)

    def read(
        self, started_us: int, ended_us: int, answers_below: int, truths_below: int
    ) -> Looked | None:
        """What is stored of a span of time, of the versions that are known."""
        found = self._stored.cohort_rows(started_us, ended_us, answers_below, truths_below)
        if found is None:
            return None
        predictions, labels = found
        known = [name in self._versions for name in predictions["model_version"].to_pylist()]
        if not all(known):
            predictions = predictions.filter(pa.array(known, pa.bool_()))
        thresholds = {name: one.card.threshold for name, one in self._versions.items()}
        return Looked(
            self._reader.answers(predictions, thresholds),
            self._reader.truths(labels),
            predictions,
            labels,
        )

    def labels_stopped(self, labels_clock_us: int) -> Measurement:
        """For the clock, while neither partition is behind: whether labels have stopped."""
        return labels_stopped(self.cohorts.answers_clock_us, labels_clock_us, self.coverage.curve)

    def verdicts(self) -> list[VersionVerdict]:
        """Every replacement so far, oldest first."""
        return self._replacements.verdicts()

    def estimate_errors(self, version: str) -> dict[str, float]:
        """Metric to the mean absolute error of this version's estimates, by cohort."""
        return self._versions[version].errors.mean_absolute()

    def _closed(self, cohort: ClosedCohort) -> Iterator[CohortReport]:
        assert self._baseline is not None  # made with the first card
        rows = cohort.rows
        sealed_us = cohort.ended_us + self.cohorts.calendar.horizon_us
        live = rows.kept(rows.live > 0)
        of_model = self.coverage.add(live, sealed_us)
        self._covered.append((cohort.ref, len(live)))
        waiting = self.coverage.pending_rows
        while self._covered and sum(n for _, n in self._covered[1:]) >= waiting:
            del self._covered[0]
        cards = {name: kept.card for name, kept in self._versions.items()}
        of_model += self._replacements.shared(rows, cards)
        known = self._baseline.known
        loss, base, most = self._losses(rows, self._baseline.predict(cohort))
        verdicts = self._replacements.compared(rows, loss, base, cards)
        rise = self._replacements.rise()
        for version in rows.versions:
            mask = rows.version == rows.versions.index(version)
            own = rows.kept(mask)
            said = of_model
            if known:
                residual = own.truth - own.score
                said = said + self._versions[version].skill.add(
                    loss[mask], base[mask], most[mask], residual
                )
            report = self._report(cohort, version, own, sealed_us, tuple(said))
            labelled = mask & rows.labelled
            yield replace(
                report,
                verdict=verdicts.get(version),
                chain=rise,
                baseline_loss=float(base[labelled].mean()) if labelled.any() else float("nan"),
                losses=Losses(loss[mask], base[mask], most[mask]),
                stored=cohort.looked.predictions.filter(pa.array(mask)),
            )
            of_model, rise = [], None
        self._baseline.learn(cohort)

    def _report(
        self,
        cohort: ClosedCohort,
        version: str,
        rows: CohortRows,
        sealed_us: int,
        said: tuple[Measurement, ...],
    ) -> CohortReport:
        kept = self._versions[version]
        labelled = rows.measurable()
        estimated: dict[str, float] = {}
        reconciled: list[Reconciled] = []
        if kept.reference is not None:
            estimated = expected(kept.reference, rows)
            alike = expected(kept.reference, rows.kept(rows.labelled)) if len(labelled) else {}
        metrics = measured(self._reader.task, labelled) if len(labelled) else ()
        if kept.reference is not None:
            reconciled = [
                Reconciled(one.name, alike[one.name], one.value)
                for one in metrics
                if one.name in alike
            ]
            kept.errors.add(reconciled)
        else:
            kept.learn(rows, cohort.ref)
        kept.predictions += len(rows)
        return CohortReport(
            model=self.model,
            model_version=version,
            started_us=cohort.started_us,
            ended_us=cohort.ended_us,
            topic=self._stored.topic,
            partition=self._stored.partition,
            first_offset=int(rows.offset.min()),
            last_offset=int(rows.offset.max()),
            first_event=kept.predictions - len(rows),
            predictions=len(rows),
            labelled=len(labelled),
            corrections=int(rows.corrections.sum()),
            repeats=int(rows.repeats.sum()),
            baseline_loss=float("nan"),
            maturity=self.coverage.curve.maturity(sealed_us - cohort.ended_us),
            metrics=metrics,
            estimated=estimated,
            reconciled=tuple(reconciled),
            measurements=said,
            verdict=None,
            chain=None,
            reliability=reliability(self._reader.task, labelled),
            confusion=confusion(self._reader.task, labelled),
            rows=rows,
            losses=Losses(*np.full((3, len(rows)), np.nan)),
            stored=None,
            cohort=cohort,
        )

    def _losses(self, rows: CohortRows, base: Float64) -> tuple[Float64, Float64, Float64]:
        """Loss of each row, its baseline's, and the largest that the baseline's could have been."""
        task = self._reader.task
        if task == "regression":
            loss = losses(task, rows.truth, rows.answer, rows.scores)
            other = losses(task, rows.truth, base[:, 0], rows.scores)
            total, n = self._base_loss
            seen = np.array([np.nansum(other), np.isfinite(other).sum()], np.float64)
            self._base_loss = self._base_loss + seen
            cap = LOSS_CAP * total / n if n and total else np.nan
            return np.minimum(loss, cap), np.minimum(other, cap), np.full(len(rows), cap)
        scores = two_columns(rows.score) if task == "binary" else rows.scores
        loss = losses(task, rows.truth, rows.answer, scores)
        other = losses(task, rows.truth, rows.answer, base)
        most = -np.log(np.maximum(base.min(axis=1), LEAST_PROBABILITY))
        return loss, other, most

    def _read_again(self) -> None:
        """After a restart: the rows that wait in memory, from the store."""
        refs = {ref for ref, _ in self._covered}
        refs |= {ref for kept in self._versions.values() for ref in kept.learnt_from}
        found = {ref: self.cohorts.read(ref) for ref in sorted(refs, key=lambda one: one.number)}
        rows = {ref: closed.rows for ref, closed in found.items() if closed is not None}
        for name, kept in self._versions.items():
            parts = [learnt(rows[ref].of_version(name)) for ref in kept.learnt_from if ref in rows]
            kept.learning = np.concatenate(parts) if parts else None
        live = [rows[ref] for ref, _ in self._covered if ref in rows]
        self.coverage.refill([one.kept(one.live > 0) for one in live], self._waiting)
        self._stale = False

    def _new_baseline(self, card: ModelCard, reference: PerformanceReference | None) -> Baseline:
        task = self._reader.task
        classes = {"binary": 2, "regression": 0}.get(task, len(self._reader.classes))
        start = np.full(max(classes, 1), np.nan) if reference is None else reference.outcome
        return Baseline(
            task,
            card.baseline or ("mean" if task == "regression" else "prior"),
            classes,
            self._reader.categories,
            start,
            reference.n if reference is not None else 0,
        )

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        assert self._baseline is not None
        return {
            "cohorts": self.cohorts.state(),
            "coverage": self.coverage.state(),
            "covered": [[*ref.plain(), n] for ref, n in self._covered],
            "waiting": self._waiting if self._stale else self.coverage.pending_rows,
            "baseline": self._baseline.state(),
            "base_loss": self._base_loss,
            "replacements": self._replacements.state(),
            "versions": {name: kept.state() for name, kept in self._versions.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`; the cards of its versions must have been put."""
        assert self._baseline is not None
        self.cohorts.restore(state["cohorts"])
        self.coverage.restore(state["coverage"])
        self._covered = [(CohortRef.of(one), int(one[3])) for one in state["covered"]]
        self._waiting, self._stale = int(state["waiting"]), True
        self._baseline.restore(state["baseline"])
        self._base_loss = np.array(state["base_loss"], np.float64)
        self._replacements.restore(state["replacements"])
        for name, saved in state["versions"].items():
            kept = self._versions.get(name)
            if kept is not None:
                kept.restore(saved)


class _Reading(LookUp):
    """The look-up of a watch's cohorts."""

    def __init__(self, watch: PerformanceWatch) -> None:
        self._watch = watch

    def cohort(
        self, started_us: int, ended_us: int, answers_below: int, truths_below: int
    ) -> Looked | None:
        """See `LookUp.cohort`."""
        looked = self._watch.read(started_us, ended_us, answers_below, truths_below)
        return looked if looked is not None and len(looked.answers) else None

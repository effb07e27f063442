"""What the pipeline's work leaves in the log and in the metrics, beside its rows and records.

In: rejections of a batch, rows of a commit, a commit that took effect. Out: lines of the log and
numbers of `Telemetry`. Never: anything that changes what is stored or published.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from monitor.alerts import AlertMove
from monitor.events import RejectedRecord, Validated
from monitor.findings import Finding, Verdict
from monitor.judging.judge import Judge
from monitor.performance.report import CohortReport
from monitor.restoring import Saved
from monitor.storage.store import REFUSED, StoreBatch
from monitor.telemetry import ModelSeries, Telemetry
from monitor.tracing import events_trace_id
from monitor.work import Commit

DRIFTS: Final = frozenset({"FeatureDrift", "PredictionDrift"})
LOSSES: Final = ("log_loss", "mae")
"""The loss of a cohort among its metrics: that of its task."""
MOST_REJECTIONS: Final = 3
"""Rejections of one batch that the log names; all are published and counted."""

log = logging.getLogger(__name__)


def note_validated(validated: Validated, telemetry: Telemetry, *, silent: bool) -> None:
    """Step 2 is done; `silent`: its rejections were told before a restart."""
    for rejected in validated.rejected:
        telemetry.dropped("validation", rejected.reasons[0][0])
    for columns in validated.predictions:
        for reason, n in Counter(fault.reason for fault in columns.faults).items():
            telemetry.faults.labels(reason).inc(n)
    for sensitivity, n in validated.redacted.items():
        telemetry.redacted.labels(sensitivity).inc(n)
    if not silent:
        _note_rejections(validated.rejected)


def _note_rejections(rejected: Sequence[RejectedRecord]) -> None:
    """The first records of a batch that were refused, with the trace ids that they brought."""
    for record in rejected[:MOST_REJECTIONS]:
        reason, field, message = record.reasons[0]
        fields = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "model": record.model or "",
            "reason": reason,
            "field": field,
            "event_trace_id": events_trace_id(record.original),
        }
        place = f"{record.topic}[{record.partition}]@{record.offset}"
        log.info("rejected %s: %s: %s", place, reason, message[:200], extra={"fields": fields})
    if (more := len(rejected) - MOST_REJECTIONS) > 0:
        log.info("and %d more of this batch: the table rejections has them", more)


def note_rows(batch: StoreBatch, new: StoreBatch, refused: int, telemetry: Telemetry) -> None:
    """Step 6 is done: its rows, those that were there already, those that were refused."""
    rows = _rows(batch)
    known = rows - _rows(new)
    telemetry.received("storage", rows)
    if known:
        telemetry.dropped("storage", "already_stored", known)
    if refused:
        telemetry.dropped("storage", REFUSED, refused)
    telemetry.emitted("storage", max(rows - known - refused, 0))


def note_commit(commit: Commit, telemetry: Telemetry, state_topic: str) -> None:
    """What was just published."""
    log.debug("committed %d records, %d events", len(commit.records), commit.work.events)
    for move in commit.work.moves:
        if move.published:
            log.info("%s: %s", move, move.reason, extra={"fields": _fields(move)})
    for finding in commit.work.findings:
        _note_drift(finding, telemetry.models)
    for report in commit.work.cohorts:
        _note_loss(report, telemetry.models)
    for record in commit.records:
        if record.topic == state_topic:
            telemetry.saved(record.partition, record.key, record.value)


def note_alerts(judge: Judge, telemetry: Telemetry) -> None:
    """How many alerts are on."""
    on = Counter((key[1], key[5]) for key, life in judge.lives.items() if life.on)
    telemetry.models.firing(on)
    telemetry.firing_alerts.set(on.total())


def note_state(saved: Mapping[int, Saved], telemetry: Telemetry) -> None:
    """The state that these partitions were restored from."""
    for number, entries in saved.items():
        for key, value in entries.items():
            telemetry.saved(number, key, value)


def _rows(batch: StoreBatch) -> int:
    events = sum(map(len, batch.predictions)) + sum(map(len, batch.labels))
    told = sum(map(len, batch.panes)) + len(batch.findings) + len(batch.cohorts)
    return events + len(batch.rejected) + told


def _fields(move: AlertMove) -> dict[str, str | int]:
    finding, span = move.finding, move.finding.span
    return {
        "model": finding.model,
        "model_version": finding.model_version,
        "alertname": finding.alertname,
        "feature": finding.measurement.feature,
        "state": move.state.value,
        "topic": span.topic,
        "partition": span.partition,
        "first_offset": span.first_offset,
        "last_offset": span.last_offset,
    }


def _note_drift(finding: Finding, series: ModelSeries) -> None:
    seen = finding.measurement
    if finding.alertname not in DRIFTS or finding.segment or seen.verdict is Verdict.CANNOT_TELL:
        return
    visible = seen.smallest_visible
    limit = visible if 0 < visible < float("inf") else seen.threshold
    version = (finding.model, finding.model_version)
    series.drift(version, seen.feature, (seen.check, seen.scale), effect=seen.effect, limit=limit)


def _note_loss(report: CohortReport, series: ModelSeries) -> None:
    if report.segment:
        return
    for metric in report.metrics:
        if metric.name in LOSSES:
            version = (report.model, report.model_version)
            series.loss(version, metric.value, report.baseline_loss)
            return

"""What labels said of a model, once more: its cohorts closed again from the stored rows.

In: the log of one model, stored predictions and labels. Out: the findings of every cohort, by their
place. Never: a join or a metric of its own; `Labelled` closes cohorts as it did in the worker, and
reads their rows from the same tables.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa

from monitor.alerts import AlertState
from monitor.attribution.root_cause import with_cause
from monitor.clock import to_us
from monitor.closings import Closing
from monitor.config import TopicSettings
from monitor.decisions import Change
from monitor.events import SIGNALS, Int64, LabelColumns, PredictionColumns
from monitor.findings import Finding, Span
from monitor.labelled import Labelled
from monitor.performance.drifts import Drift
from monitor.roster import Roster
from monitor.storage.evidence import Evidence, Log
from monitor.storage.store import Store
from monitor.verifying.replay import Key, key_of
from monitor.verifying.rows import microseconds
from monitor.verifying.standing import Standings, Trouble
from monitor.version_monitor import VersionMonitor

TOGETHER: Final = 2_000
"""Predictions between two looks at the labels that came meanwhile: cohorts wait in bounded memory,
so the two partitions must be read side by side, as far as it goes by their times."""


def label_findings(
    evidence: Evidence, store: Store, log: Log, topics: TopicSettings, wanted: Collection[Key]
) -> dict[Key, list[Finding]]:
    """What the closed cohorts of a model's partition say, as far as it is `wanted`."""
    replay = _LabelReplay(evidence, store, log, topics)
    found: defaultdict[Key, list[Finding]] = defaultdict(list)
    for finding in replay.findings():
        key = key_of(finding)
        if key in wanted:
            found[key].append(finding)
    return found


class _LabelReplay:
    """All versions of one model, and the labels of its partition."""

    def __init__(self, evidence: Evidence, store: Store, log: Log, topics: TopicSettings) -> None:
        self._evidence = evidence
        self._log = log
        self._topics = topics
        self._roster = Roster(evidence.profile, duplicate_memory=0)
        self._labelled = Labelled(self._roster, store, topics, list)
        self._standings: dict[str, Standings] = {}
        self._monitors: dict[str, VersionMonitor] = {}

    def findings(self) -> Iterator[Finding]:
        """Every finding, cohort by cohort."""
        for row in self._evidence.drifts(self._log.model):
            name = row["feature"] or row["alertname"]
            times = (to_us(row["starts_at"]), to_us(row["moved_at"]))
            drift = Drift(row["fingerprint"], name, *times)
            version = (self._log.model, row["model_version"])
            self._labelled.drifted(version, drift, AlertState(row["state"]))
        answers = self._evidence.answers(self._log)
        names = sorted(set(answers["model_version"].to_pylist()))
        offsets: Int64 = answers["offset"].to_numpy()
        for name in names:
            log = Log(self._log.model, name, self._log.topic, self._log.partition)
            self._standings[name] = Standings(self._evidence, log)
        changes = sorted(
            (offset, name, change)
            for name, standings in self._standings.items()
            for offset, change in standings.changes
        )
        truths = self._evidence.truths(self._topics.labels, self._log.partition)
        observed_us = microseconds(truths["observed_at"])
        at = told = 0
        for offset, name, change in [*changes, (None, "", None)]:
            end = len(offsets) if offset is None else int(np.searchsorted(offsets, offset))
            for start in range(at, end, TOGETHER):
                rows = answers.slice(start, min(TOGETHER, end - start))
                self._take(rows)
                latest_us = int(microseconds(rows["sent_at"]).max())
                later = np.flatnonzero(observed_us[told:] > latest_us)
                until = told + int(later[0]) if later.size else len(observed_us)
                yield from self._closed(truths.slice(told, until - told))
                told = until
            at = max(at, end)
            if offset is not None:
                self._turn(offset, name, change)
        for start in range(told, len(observed_us), TOGETHER):
            yield from self._closed(truths.slice(start, TOGETHER))

    def _closed(self, truths: pa.Table) -> Iterator[Finding]:
        """Take labels, and close the cohorts that they seal."""
        self._labelled.take((), (), self._labels(truths))
        for closed in self._labelled.close():
            if not isinstance(closed, Closing):
                continue
            for finding in closed.findings:
                yield finding
                yield with_cause(finding, closed.cause(finding))

    def _turn(self, offset: int, name: str, change: Change | None) -> None:
        """A version begins, ends, or goes on under another card."""
        version = (self._log.model, name)
        span = _event(self._log, offset - 1 if change is Change.REPLACED else offset)
        if change is Change.REPLACED:
            self._labelled.replaced(version, span, "")
            return
        if change is Change.BEGUN and name in self._monitors:
            self._labelled.back(version, span)
        standing = self._standings[name].at(offset)
        if not isinstance(standing, Trouble):
            self._roster.put(standing.card)
            self._monitors[name] = standing.monitor()

    def _take(self, rows: pa.Table) -> None:
        names = np.array(rows["model_version"].to_pylist(), dtype=object)
        groups, monitors = [], []
        for name, monitor in self._monitors.items():
            places = np.flatnonzero(names == name)
            if places.size:
                groups.append(_times(rows.take(pa.array(places)), self._log, name))
                monitors.append(monitor)
        self._labelled.take(groups, monitors, ())

    def _labels(self, rows: pa.Table) -> list[LabelColumns]:
        """Labels of all models of the partition: its clock goes by them all."""
        names = np.array(rows["model"].to_pylist(), dtype=object)
        return [
            _labels(
                *(rows.take(pa.array(np.flatnonzero(names == name))), name),
                *(self._topics.labels, self._log),
            )
            for name in dict.fromkeys(names.tolist())
        ]


def _times(rows: pa.Table, log: Log, version: str) -> PredictionColumns:
    """When predictions occurred: all that a cohort's seal is made of."""
    n = rows.num_rows
    sent_us = microseconds(rows["sent_at"])
    return PredictionColumns(
        model=log.model,
        model_version=version,
        registered=True,
        topic=log.topic,
        partition=log.partition,
        offsets=rows["offset"].to_numpy(),
        appended_us=sent_us,
        occurred_us=microseconds(rows["occurred_at"]),
        sent_us=sent_us,
        event_ids=[""] * n,
        numbers={},
        categories={},
        faults=(),
        events=(),
        repeated=np.zeros(n, np.bool_),
        signals=np.full((len(SIGNALS), n), np.nan),
    )


def _labels(rows: pa.Table, model: str, topic: str, log: Log) -> LabelColumns:
    nothing: list[dict[str, Any]] = [{} for _ in range(rows.num_rows)]
    return LabelColumns(
        model=model,
        topic=topic,
        partition=log.partition,
        offsets=rows["offset"].to_numpy(),
        appended_us=microseconds(rows["appended_at"]),
        observed_us=microseconds(rows["observed_at"]),
        events=nothing,
    )


def _event(log: Log, offset: int) -> Span:
    return Span(log.topic, log.partition, 0, 0, offset, offset, 0, 0)

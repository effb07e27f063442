"""Rows of the tables: what of a batch goes where.

In: batches and records. Out: an Arrow table each, its columns named as in the migrations.
Never: a column that a migration does not have (a test holds both together).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa

from monitor.alerts import AlertMove
from monitor.clock import to_us
from monitor.decisions import Boundary, Ruling, card_hash
from monitor.events import LabelColumns, PaneSummary, RejectedRecord
from monitor.findings import Finding, Measurement, Span
from monitor.storage.arrays import answers, maps, moments, repeated_words, texts, words
from monitor.storage.performance_rows import cohort_table, comparison_table
from monitor.storage.predictions import prediction_rows
from monitor.storage.store import StoreBatch
from schemas import ModelCard
from schemas.contract import EARLIEST_TIME
from schemas.rejection import MAX_ORIGINAL_BYTES

MONTHLY_TABLES: Final = ("predictions", "labels", "rejections")
"""Tables partitioned by the month of `appended_at`."""

_MEASURED_NUMBERS: Final = (
    "statistic",
    "effect",
    "threshold",
    "p_value",
    "n_effective",
    "smallest_visible",
)
_SPAN_ENDS: Final = ("first_event", "last_event", "first_offset", "last_offset")
_OF_SPAN: Final = tuple(field.name for field in fields(Span))


def batch_tables(batch: StoreBatch) -> Iterator[tuple[str, Any]]:
    """Table by table, the rows of a batch; tables without rows are left out."""
    predictions = [columns for columns in batch.predictions if len(columns)]
    labels = [columns for columns in batch.labels if len(columns)]
    if predictions:
        yield "predictions", prediction_rows(predictions)
    if labels:
        yield "labels", label_rows(labels)
    if batch.rejected:
        yield "rejections", rejection_rows(batch.rejected)
    if batch.panes:
        yield "pane_summaries", pane_rows(batch.panes)
    if batch.findings:
        yield "findings", finding_rows(batch.findings)
    if batch.cohorts:
        yield "cohorts", cohort_table(batch.cohorts)
        compared = comparison_table(batch.cohorts)
        if len(compared):
            yield "comparisons", compared


def label_rows(parts: Sequence[LabelColumns]) -> Any:
    """Rows of the labels table."""
    sizes = [len(part) for part in parts]
    events = list(chain.from_iterable(part.events for part in parts))
    text, number = answers([event["label"] for event in events])
    columns = {
        "model": repeated_words((part.model, len(part)) for part in parts),
        "event_id": texts([event.get("event_id") for event in events]),
        "request_id": texts([event.get("request_id") for event in events]),
        "label": text,
        "label_number": number,
        "observed_at": moments(np.concatenate([part.observed_us for part in parts])),
        "appended_at": moments(np.concatenate([part.appended_us for part in parts])),
        "topic": repeated_words((part.topic, len(part)) for part in parts),
        "partition": pa.array(
            np.repeat(np.array([part.partition for part in parts], np.int32), sizes)
        ),
        "offset": pa.array(np.concatenate([part.offsets for part in parts])),
    }
    if any("offline_features" in event for event in events):
        offline = [event.get("offline_features") or {} for event in events]
        columns["offline_numbers"] = maps([_numbers(row) for row in offline], pa.float64())
        columns["offline_strings"] = maps([_strings(row) for row in offline], pa.string())
    return pa.table(columns)


def rejection_rows(records: Sequence[RejectedRecord]) -> Any:
    """Rows of the rejections table."""
    reasons = [record.reasons for record in records]
    return pa.table(
        {
            "topic": words([record.topic for record in records]),
            "partition": pa.array([record.partition for record in records], pa.int32()),
            "offset": pa.array([record.offset for record in records], pa.int64()),
            "appended_at": moments([record.appended_us for record in records]),
            "model": texts([record.model for record in records]),
            "reasons": _lists([[reason for reason, _, _ in every] for every in reasons]),
            "fields": _lists([[name for _, name, _ in every] for every in reasons]),
            "messages": _lists([[message for _, _, message in every] for every in reasons]),
            "original": pa.array(
                [record.original[:MAX_ORIGINAL_BYTES] for record in records], pa.binary()
            ),
            "original_size_bytes": pa.array([record.size_bytes for record in records], "uint64"),
        }
    )


def pane_rows(panes: Sequence[PaneSummary]) -> Any:
    """Rows of the pane_summaries table: one for each column of each pane."""
    sizes = list(map(len, panes))

    def repeated(name: str, kind: str) -> Any:
        return np.repeat(np.array([getattr(pane, name) for pane in panes], kind), sizes)

    def each(name: str) -> list[Any]:
        return list(chain.from_iterable(getattr(pane, name) for pane in panes))

    return pa.table(
        {
            "model": repeated_words((pane.model, len(pane)) for pane in panes),
            "model_version": repeated_words((pane.model_version, len(pane)) for pane in panes),
            "column": words(each("columns")),
            "pane": pa.array(repeated("pane", "u8")),
            "first_event": pa.array(repeated("first_event", "u8")),
            "last_event": pa.array(repeated("last_event", "u8")),
            "started_at": moments(repeated("started_us", "i8")),
            "ended_at": moments(repeated("ended_us", "i8")),
            "n": pa.array(repeated("n", "u4")),
            "missing": pa.array(each("missing"), pa.uint32()),
            "mean": pa.array(each("means"), pa.float64()),
            "minimum": pa.array(each("minima"), pa.float64()),
            "maximum": pa.array(each("maxima"), pa.float64()),
            "sketch": pa.array(each("sketches"), pa.binary()),
            "counts": maps(each("counts"), pa.uint64()),
            "faults": maps(each("faults"), pa.uint64()),
            "topic": repeated_words((pane.topic, len(pane)) for pane in panes),
            "partition": pa.array(repeated("partition", "i4")),
            "first_offset": pa.array(repeated("first_offset", "i8")),
            "last_offset": pa.array(repeated("last_offset", "i8")),
        }
    )


def finding_rows(findings: Sequence[Finding]) -> Any:
    """Rows of the findings table."""
    found = _columns(Finding._fields, findings)
    measured = _columns(Measurement._fields, found["measurement"])
    return pa.table(
        {
            "model": words(found["model"]),
            "model_version": words(found["model_version"]),
            "category": words(found["category"]),
            "alertname": words(found["alertname"]),
            "segment": texts(found["segment"]),
            "clock": pa.array(found["clock"], pa.bool_()),
            "feature": words(measured["feature"]),
            "cleared": pa.array(measured["cleared"], pa.bool_()),
            "immediate": pa.array(measured["immediate"], pa.bool_()),
            "reason": texts(measured["reason"]),
        }
        | _measurement_columns(measured)
        | _span_columns(found["span"])
    )


def alert_rows(moves: Sequence[AlertMove]) -> Any:
    """Rows of the alerts table."""
    findings = [move.finding for move in moves]
    return pa.table(
        {
            "event_id": texts([move.event_id for move in moves]),
            "fingerprint": texts([move.fingerprint for move in moves]),
            "model": words([finding.model for finding in findings]),
            "model_version": words([finding.model_version for finding in findings]),
            "alertname": _label(moves, "alertname"),
            "severity": _label(moves, "severity"),
            "feature": _label(moves, "feature"),
            "segment": texts([move.labels.get("segment") for move in moves]),
            "category": words([finding.category for finding in findings]),
            "labels": maps([move.labels for move in moves], pa.string()),
            "annotations": maps([move.annotations for move in moves], pa.string()),
            "state": words([move.state.value for move in moves]),
            "previous": words([move.previous.value if move.previous else "" for move in moves]),
            "reason": texts([move.reason for move in moves]),
            "published": pa.array([move.published for move in moves], pa.bool_()),
            "starts_at": moments([move.starts_us for move in moves]),
            "moved_at": moments([move.moved_us for move in moves]),
            "clock": pa.array([finding.clock for finding in findings], pa.bool_()),
        }
        | _measurement_columns(
            _columns(Measurement._fields, [finding.measurement for finding in findings])
        )
        | _span_columns([finding.span for finding in findings])
    )


def card_rows(card: ModelCard, *, appended_us: int) -> Any:
    """The one row of a registration."""
    text = card.to_json()
    owner = card.owner
    return pa.table(
        {
            "model": words([card.model]),
            "model_version": words([card.model_version]),
            "appended_at": moments([appended_us]),
            "card_hash": texts([card_hash(card)]),
            "card": pa.array([text], pa.binary()),
            "owner_team": words([owner.team if owner else ""]),
            "owner_contact": texts([owner.contact if owner else ""]),
            "task": words([card.task]),
            "previous_version": texts([card.previous_version]),
            "retrain_reason": texts([card.retrain_reason]),
            "dataset_fingerprint": texts([card.dataset_fingerprint]),
            "profile_hash": texts([card.profile_hash]),
        }
    )


def boundary_rows(boundaries: Sequence[Boundary]) -> Any:
    """Rows of the boundaries table."""
    return pa.table(
        {
            "model": words([one.model for one in boundaries]),
            "model_version": words([one.model_version for one in boundaries]),
            "change": words([one.change.value for one in boundaries]),
            "topic": words([one.topic for one in boundaries]),
            "partition": pa.array([one.partition for one in boundaries], pa.int32()),
            "offset": pa.array([one.offset for one in boundaries], pa.int64()),
            "card_hash": texts([one.card_hash for one in boundaries]),
            "reason": texts([one.reason for one in boundaries]),
            "at": moments([one.at_us for one in boundaries]),
        }
    )


def command_rows(rulings: Sequence[Ruling]) -> Any:
    """Rows of the commands table."""
    commands = [ruling.command for ruling in rulings]
    places = [ruling.place for ruling in rulings]
    return pa.table(
        {
            "model": words([command.model for command in commands]),
            "fingerprint": texts([command.fingerprint for command in commands]),
            "command_id": texts([command.command_id for command in commands]),
            "action": words([command.action for command in commands]),
            "who": texts([command.who for command in commands]),
            "why": texts([command.why for command in commands]),
            "issued_at": moments([to_us(command.issued_at) for command in commands]),
            "until": moments([to_us(command.until or EARLIEST_TIME) for command in commands]),
            "done": pa.array([ruling.done for ruling in rulings], pa.bool_()),
            "effect": texts([ruling.effect for ruling in rulings]),
            "acts_from": pa.array([ruling.acts_from for ruling in rulings], pa.int64()),
            "appended_at": moments([place.appended_us for place in places]),
            "topic": words([place.topic for place in places]),
            "partition": pa.array([place.partition for place in places], pa.int32()),
            "offset": pa.array([place.offset for place in places], pa.int64()),
        }
    )


def profile_rows(profile_hash: str, content: bytes) -> Any:
    """The one row of a profile."""
    return pa.table(
        {
            "profile_hash": texts([profile_hash]),
            "content": pa.array([content], pa.binary()),
            "size_bytes": pa.array([len(content)], pa.uint64()),
        }
    )


def audit_rows(profile_hash: str, dataset_fingerprint: str, audit: str) -> Any:
    """The one row of a data audit."""
    return pa.table(
        {
            "profile_hash": texts([profile_hash]),
            "dataset_fingerprint": texts([dataset_fingerprint]),
            "audit": texts([audit]),
        }
    )


def _columns(names: Sequence[str], records: Sequence[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Records field by field."""
    return {name: list(map(itemgetter(at), records)) for at, name in enumerate(names)}


def _measurement_columns(measured: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """What findings and alerts both say of a measurement."""
    return {
        "check": words(measured["check"]),
        "scale": pa.array(measured["scale"], pa.uint32()),
        "verdict": words(measured["verdict"]),
        "n_ref": pa.array(measured["n_ref"], pa.uint64()),
        "n_cur": pa.array(measured["n_cur"], pa.uint64()),
        "values": maps(measured["values"], pa.float64()),
    } | {name: pa.array(measured[name], pa.float64()) for name in _MEASURED_NUMBERS}


def _span_columns(spans: Sequence[Span]) -> dict[str, Any]:
    keys = list(map(id, spans))  # all that is measured on a window has one span
    distinct = dict(zip(keys, spans, strict=True))
    place = dict(zip(distinct, range(len(distinct)), strict=True))
    at = pa.array(list(map(place.__getitem__, keys)), pa.int32())
    found = _columns(_OF_SPAN, list(map(attrgetter(*_OF_SPAN), distinct.values())))
    columns = {
        "topic": words(found["topic"]),
        "partition": pa.array(found["partition"], pa.int32()),
        "started_at": moments(found["started_us"]),
        "ended_at": moments(found["ended_us"]),
    } | {name: pa.array(found[name], pa.int64()) for name in _SPAN_ENDS}
    return {name: column.take(at) for name, column in columns.items()}


def _label(moves: Sequence[AlertMove], name: str) -> Any:
    return words([move.labels.get(name) for move in moves])


def _lists(rows: Sequence[Sequence[str]]) -> Any:
    ends = np.zeros(len(rows) + 1, np.int32)
    np.cumsum([len(row) for row in rows], out=ends[1:])
    return pa.ListArray.from_arrays(pa.array(ends), texts(list(chain.from_iterable(rows))))


def _numbers(features: dict[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in features.items()
        if isinstance(value, int | float) and abs(value) < 1e308
    }


def _strings(features: dict[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else str(value)
        for name, value in features.items()
        if isinstance(value, str) or (isinstance(value, int) and abs(value) >= 1e308)
    }

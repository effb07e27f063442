"""The rows of a cohort: the same from ClickHouse, from memory, and on their way to either."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from monitor.config import LimitSettings
from monitor.events import RejectedRecord, Validated
from monitor.storage import ClickHouseStore, queries
from monitor.storage.cohort_rows import CohortSpan, PendingRows
from monitor.storage.memory import MemoryStore
from monitor.storage.queries import ask
from monitor.storage.store import StoreBatch
from monitor.validation.validator import Validator
from tests.pipeline.harness import MODEL, PREDICTIONS, TOPICS, LogRecord
from tests.pipeline.labelled_log import (
    FIRST_MS,
    HOUR_MS,
    card,
    frame,
    labels,
    log,
    merged,
    plant,
    predictions,
)

pytestmark = pytest.mark.integration

ROWS = frame(2, 11)
SPAN = CohortSpan(
    *(MODEL, PREDICTIONS, TOPICS.labels, 0),
    *(FIRST_MS * 1_000, (FIRST_MS + HOUR_MS) * 1_000),
    *(700, 650),
)


def batches() -> list[StoreBatch]:
    """Three batches: odd values, a resend and a fallback, labels of all kinds."""
    events = [value for _, value in predictions(ROWS)]
    events[3]["features"] = {"amount": None, "shop": "O'Hare \\ ☃"}
    events[5]["features"]["amount"] = "many"
    events[7]["status"] = "fallback"
    events[9]["segments"] = {"plan": "a"}
    events[11] |= {"occurred_at": "2026-01-01T06:00:00Z"}  # from after its sending
    events[13]["request_id"] = ""
    events[17]["request_id"] = events[15]["request_id"]
    told = [value for _, value in labels(ROWS, offline=lambda row: {"amount": row["amount"]})]
    told[2] |= {"event_id": "1-2", "request_id": None}
    told.insert(20, {**told[4], "label": "unsure"})
    validator = Validator(LimitSettings(), PREDICTIONS, TOPICS.labels)
    validator.set_card(card())
    found = []
    for start in range(0, 1_200, 400):
        records = [_record(k, events[k], PREDICTIONS) for k in range(start, start + 400)]
        records += [_record(k, told[k], TOPICS.labels) for k in range(start, start + 400)]
        validated: Validated = validator.validate(records)
        assert not validated.rejected
        found.append(StoreBatch(predictions=validated.predictions, labels=validated.labels))
    found[0].predictions[0].repeated[19] = True
    return found


def _record(offset: int, value: dict[str, Any], topic: str) -> LogRecord:
    sent = {name: one for name, one in value.items() if one is not None and one != ""}
    at_ms = FIRST_MS + offset * 6_000 + 500
    return LogRecord(offset, MODEL.encode(), orjson.dumps(sent), topic=topic, timestamp=at_ms)


def _told(found: tuple[Any, Any] | None) -> list[list[dict[str, Any]]]:
    assert found is not None
    return [table.to_pylist() for table in found]


@pytest.mark.parametrize("stored", [0, 1, 2, 3])
def test_a_cohort_is_the_same_wherever_its_rows_are(
    clickhouse: ClickHouseStore, stored: int
) -> None:
    parts, memory, whole = batches(), MemoryStore(), MemoryStore()
    for part in parts:
        whole.store(part)
    expected = _told(whole.cohort_rows(SPAN, PendingRows()))
    assert [row["offset"] for row in expected[0]] == [
        row for row in range(600) if row not in (7, 19)
    ]
    assert max(row["offset"] for row in expected[1]) < 650
    for part in parts[:stored]:
        clickhouse.store(part)
        clickhouse.store(part)
        memory.store(part)
    # What was stored but not yet published may come again with what is on its way.
    for pending in (parts[stored:], parts[max(stored - 1, 0) :]):
        assert _told(memory.cohort_rows(SPAN, PendingRows(pending))) == expected
        assert _told(clickhouse.cohort_rows(SPAN, PendingRows(pending))) == expected


def test_a_cohort_of_nobody_is_none(clickhouse: ClickHouseStore) -> None:
    assert clickhouse.cohort_rows(SPAN, PendingRows()) is None
    assert MemoryStore().cohort_rows(SPAN, PendingRows()) is None


class Recording(MemoryStore):
    """Keeps the batches too."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[StoreBatch] = []

    def store(self, batch: StoreBatch) -> Sequence[RejectedRecord]:
        self.batches.append(batch)
        return super().store(batch)


def test_cohorts_and_comparisons_come_back_as_they_were(clickhouse: ClickHouseStore) -> None:
    store, rows = Recording(), frame(4, 12)
    both = [*predictions(rows), *predictions(rows, "2", role="shadow")]
    found = plant(card(), card("2", previous_version="1"), store=store)
    found.run(merged(log(both), log(labels(rows), TOPICS.labels)), 1_500)
    found.commit()
    for batch in store.batches:
        for _ in range(2):
            clickhouse.store(batch)
    for table, sql in (
        ("cohorts", "SELECT * FROM cohorts FINAL ORDER BY model_version, cohort_start"),
        ("comparisons", "SELECT * FROM comparisons FINAL ORDER BY new_version, blocks"),
    ):
        again = clickhouse.connection.query(sql)
        expected = store.rows(table)
        assert expected
        assert len(again) == len(expected)
        for one, other_row in zip(again, expected, strict=True):
            for name, value in other_row.items():
                _assert_same(one[name], value)

    months = ask(clickhouse.connection, queries.PERFORMANCE_BY_MONTH, {"model": MODEL})
    assert [(row["model_version"], row["month"]) for row in months] == [
        ("1", "2026-01"),
        ("2", "2026-01"),
    ]
    for row in months:
        assert (row["predictions"], row["labelled"]) == (len(rows), len(rows))
        assert row["log_loss"] == pytest.approx(log_loss(rows["label"], rows["score"]), abs=1e-9)
        assert row["auc"] == pytest.approx(roc_auc_score(rows["label"], rows["score"]), abs=1e-9)
        assert 0.6 < row["baseline"] < 0.75
        assert row["estimated_auc"] == pytest.approx(row["auc"], abs=0.05)
    assert ask(clickhouse.connection, queries.UNMATCHED_LABELS, {"model": MODEL}) == []
    [verdict] = ask(clickhouse.connection, queries.COMPARISONS_OF_MODEL, {"model": MODEL})
    assert (verdict["old_version"], verdict["new_version"]) == ("1", "2")
    assert verdict["verdict"] == "no_difference_yet"


def _assert_same(one: Any, other: Any) -> None:
    if isinstance(other, dict):
        assert one.keys() == other.keys()
        for name, value in other.items():
            _assert_same(one[name], value)
    elif isinstance(other, float):
        np.testing.assert_equal(one, other)
    else:
        assert one == other

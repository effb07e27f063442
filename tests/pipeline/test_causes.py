"""Causes on the wired path: what stands behind an alert, segments, a retraining that is due."""

import re
from typing import Any

import numpy as np
import pytest

from schemas.alert import AlertEvent
from tests.pipeline.harness import TOPICS, Plant
from tests.pipeline.labelled_log import (
    FIRST_MS,
    HOUR_MS,
    PER_HOUR,
    card,
    frame,
    labels,
    log,
    merged,
    plant,
    predictions,
)

HOURS = 12
CHANGE = 4
"""Hour from which `amount` is 1.5 higher, and the score with it: the labels are not."""
PANE = 50
CARD = card(segments=("shop",), protected=("region",))


def broken() -> tuple[list[tuple[int, dict[str, Any]]], list[tuple[int, dict[str, Any]]]]:
    rows = frame(HOURS, 11)
    late = rows["sent_ms"] >= FIRST_MS + CHANGE * HOUR_MS
    rows["amount"] = rows["amount"] + 1.5 * late
    rows["score"] = 1 / (1 + np.exp(-rows["amount"]))
    events = predictions(rows)
    for place, (_, event) in enumerate(events):
        event["segments"] = {"region": ("north", "south", "south")[place % 3]}
    return events, labels(rows)


EVENTS, TRUTHS = broken()
PREDICTIONS, LABELS = log(EVENTS), log(TRUTHS, TOPICS.labels)


@pytest.fixture(scope="module")
def found() -> Plant:
    run = plant(CARD).run(merged(PREDICTIONS, LABELS), 1_000)
    run.commit()
    return run


def firing(found: Plant, alertname: str) -> dict[str, Any]:
    """Annotations of the first firing move."""
    events = [
        AlertEvent.model_validate_json(value)
        for values in found.alerts().values()
        for value in values
        if value is not None
    ]
    one = next(
        event
        for event in events
        if event.data.alerts[0].labels["alertname"] == alertname and event.state == "firing"
    )
    return dict(one.data.alerts[0].annotations)


@pytest.mark.parametrize("alertname", ["FeatureDrift", "PredictionDrift"])
def test_an_alert_of_drift_names_the_feature_and_the_pane(found: Plant, alertname: str) -> None:
    told = firing(found, alertname)
    assert re.match(r"amount (9\d|100)% \(drift 0\.\d\d, median .* -> ", told["root_cause"])
    assert "surrogate that follows the score closely" in told["root_cause_by"]
    pane = int(told["first_shown"].split()[1].rstrip(","))
    assert abs(pane - CHANGE * PER_HOUR // PANE) <= 1


def test_the_finding_has_the_cause_in_numbers_where_an_alert_fires_and_else_not(
    found: Plant,
) -> None:
    told = [row for row in found.store.rows("findings") if "cause:amount" in row["values"]]
    assert {row["verdict"] for row in told} == {"drift"}
    assert all(row["values"]["cause:amount"] > 0.5 for row in told)
    fired = {row["fingerprint"] for row in found.store.rows("alerts") if row["state"] == "firing"}
    assert 2 <= len(told) <= len(fired) + 2


def test_an_alert_about_performance_names_the_feature_too(found: Plant) -> None:
    told = firing(found, "RetrainDue")
    assert told["root_cause"].startswith("amount ")
    assert re.match(r"2026-01-01 0\d:\d\d UTC", told["first_shown"])


def test_a_retraining_is_due_once_loss_follows_drift(found: Plant) -> None:
    told = firing(found, "RetrainDue")
    assert "a retraining is due: " in told["summary"]
    assert "amount" in told["summary"]
    assert re.search(r"train on the 5,\d00 labelled rows since 2026-01-01 0\d:00", told["summary"])
    rows = [row for row in found.store.rows("findings") if row["alertname"] == "RetrainDue"]
    before = [row for row in rows if row["ended_at"].hour < CHANGE]
    assert before
    assert {row["verdict"] for row in before} == {"ok"}


def test_cohorts_by_segment_add_up_to_the_whole(found: Plant) -> None:
    rows = found.store.rows("cohorts")
    whole = {row["cohort_start"]: row for row in rows if row["segment"] == ""}
    for column, names in (("shop", "abc"), ("region", ("north", "south"))):
        for start, one in whole.items():
            own = [
                row
                for row in rows
                if row["cohort_start"] == start and row["segment"].startswith(f"{column}=")
            ]
            assert {row["segment"] for row in own} == {f"{column}={name}" for name in names}
            assert sum(row["labelled"] for row in own) == one["labelled"]


def test_neither_a_restart_nor_the_order_of_partitions_changes_what_is_told(found: Plant) -> None:
    other = plant(CARD).run(PREDICTIONS[:3_100], 900)
    other.commit(snapshot=True)
    other = other.run(LABELS[:1_200], 700).run(PREDICTIONS[3_100:4_000], 300)
    other.commit()
    other = other.reborn()
    at = {
        topic: other.positions.get((topic, 0), 0) for topic in (TOPICS.predictions, TOPICS.labels)
    }
    other.run([one for one in PREDICTIONS if one.offset >= at[one.topic]], 1_100)
    other.run([one for one in LABELS if one.offset >= at[one.topic]], 800)
    other.commit()
    for table in ("cohorts", "findings"):
        told = [sorted(repr(row) for row in one.store.rows(table)) for one in (other, found)]
        assert told[0] == told[1]
    assert other.alerts() == found.alerts()

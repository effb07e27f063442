"""Labels on the wired path: what cohorts say is a function of the two partitions, and no more."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from monitor.errors import StorageError
from schemas.alert import AlertEvent
from tests.pipeline.harness import TOPICS, LogRecord, Plant
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

HOURS = 8
ROWS = frame(HOURS, 3)
PREDICTIONS = log(predictions(ROWS))
LABELS = log(labels(ROWS), TOPICS.labels)
LOG = merged(PREDICTIONS, LABELS)


def rows_of(found: Plant, table: str) -> list[str]:
    return [repr(row) for row in found.store.rows(table)]


@pytest.fixture(scope="module")
def undisturbed() -> Plant:
    found = plant(card()).run(LOG, 1_000)
    found.commit()
    return found


def test_cohorts_are_measured_as_scikit_learn_does(undisturbed: Plant) -> None:
    cohorts = undisturbed.store.rows("cohorts")
    assert [row["cohort_start"].hour for row in cohorts] == list(range(HOURS - 2))
    for row in cohorts:
        own = ROWS[(ROWS["sent_ms"] - FIRST_MS) // HOUR_MS == row["cohort_start"].hour]
        truth, score = own["label"], own["score"]
        assert row["labelled"] == row["predictions"] == PER_HOUR
        assert row["metrics"]["log_loss"] == pytest.approx(log_loss(truth, score), abs=1e-9)
        assert row["metrics"]["auc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-9)
        assert row["lower"]["auc"] < row["metrics"]["auc"] < row["upper"]["auc"]
        assert sum(row["bin_counts"]) == sum(row["confusion"]) == PER_HOUR
        assert row["estimated"]["log_loss"] - row["metrics"]["log_loss"] == pytest.approx(
            row["estimate_error"]["log_loss"]
        )
    assert undisturbed.alerts() == {}


@pytest.mark.parametrize("order", ["predictions first", "labels first"])
def test_how_far_one_partition_is_read_before_the_other_does_not_matter(
    undisturbed: Plant, order: str
) -> None:
    first, second = (PREDICTIONS, LABELS) if order == "predictions first" else (LABELS, PREDICTIONS)
    other = plant(card()).run(first, 1_500).run(second, 1_500)
    other.commit()
    assert rows_of(other, "cohorts") == rows_of(undisturbed, "cohorts")


def rest(found: Plant, records: Sequence[LogRecord]) -> list[LogRecord]:
    return [one for one in records if one.offset >= found.positions.get((one.topic, 0), 0)]


@settings(max_examples=4, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    st.lists(
        st.tuples(
            st.integers(1, len(LOG) - 1),
            st.sampled_from(["commit", "snapshot", "kill", "lose"]),
        ),
        min_size=2,
        max_size=6,
    ),
    st.integers(0, 2**32 - 1),
)
def test_kills_do_not_matter(undisturbed: Plant, what: list[tuple[int, str]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = plant(card())
    for until, deed in sorted(what):
        # One partition is read further than the other.
        ahead = int(rng.integers(-1_500, 1_500))
        allowed = {TOPICS.predictions: until + max(ahead, 0), TOPICS.labels: until - min(ahead, 0)}
        taken = [r for k, r in enumerate(LOG) if k < allowed[r.topic]]
        for start in range(0, len(part := rest(found, taken)), 700):
            found.take(part[start : start + 700])
        if deed != "kill":
            found.commit(snapshot=deed == "snapshot")
        if deed in ("kill", "lose"):
            found = found.reborn()
    found.run(rest(found, LOG), 900)
    found.commit()
    assert rows_of(found, "cohorts") == rows_of(undisturbed, "cohorts")
    assert rows_of(found, "findings") == rows_of(undisturbed, "findings")
    assert found.alerts() == undisturbed.alerts()


def told(found: Plant, alertname: str) -> list[tuple[str, str, bool]]:
    """(state, feature, clock) of every published move of an alert."""
    events = [
        AlertEvent.model_validate_json(value)
        for values in found.alerts().values()
        for value in values
        if value is not None
    ]
    return [
        (event.state, event.data.alerts[0].labels.get("feature", ""), event.clock)
        for event in events
        if event.data.alerts[0].labels["alertname"] == alertname
    ]


def names(found: Plant) -> set[str]:
    return {name for name, _ in found.moves()}


def test_another_value_offline_fires_for_its_feature() -> None:
    def offline(row: dict[str, Any]) -> dict[str, Any]:
        return {"amount": row["amount"] * 1.1, "shop": row["shop"]}

    rows = frame(4, 5)
    its_labels = log(labels(rows, offline=offline), TOPICS.labels)
    found = plant(card()).run(merged(log(predictions(rows)), its_labels), 1_500)
    found.commit()
    assert told(found, "OfflineMismatch") == [("firing", "amount", False)]
    assert names(found) == {"OfflineMismatch"}


def test_a_feature_that_knows_the_answer_is_a_leak() -> None:
    rows = frame(8, 6, leak=True)
    found = plant(card()).run(
        merged(log(predictions(rows)), log(labels(rows), TOPICS.labels)), 1_500
    )
    found.commit()
    assert told(found, "LabelLeak") == [("firing", "amount", False)]


def test_a_store_that_is_away_loses_no_cohort(undisturbed: Plant) -> None:
    found = plant(card())
    for start in range(0, len(LOG), 1_500):
        found.take(LOG[start : start + 1_500])
        found.store.refusals.append(StorageError("away", retryable=True))
        with pytest.raises(StorageError):
            found.commit()
        found.commit()
    found.commit()
    assert rows_of(found, "cohorts") == rows_of(undisturbed, "cohorts")


def test_a_worse_version_is_regressed_and_its_alerts_end_when_it_is_replaced() -> None:
    rows = frame(10, 7)
    shadowed = rows[rows["sent_ms"] < FIRST_MS + 5 * HOUR_MS]
    both = [
        *predictions(shadowed, "1", role="live"),
        *predictions(shadowed, "2", role="shadow", score=lambda row: 1 - row["score"]),
        *predictions(rows[len(shadowed) :], "3"),
    ]
    cards = (card(), card("2", previous_version="1"), card("3", previous_version="2"))
    found = plant(*cards).run(merged(log(both), log(labels(rows), TOPICS.labels)), 2_000)
    found.commit()
    assert told(found, "VersionRegressed") == [
        ("firing", "prediction", False),
        ("superseded", "prediction", False),
    ]
    compared = found.store.rows("comparisons")
    last = [row for row in compared if row["new_version"] == "2"][-1]
    assert (last["verdict"], last["design"]) == ("regressed", "paired")
    assert last["rollback_recommended"]
    assert 0 < last["lower"] < last["difference"] < last["upper"]

"""Retrainings: each card that names a previous version, with the newest verdict on it."""

import math
from datetime import UTC, datetime

import pytest

from monitor.cli.retrains import line
from monitor.storage import ClickHouseStore
from monitor.storage.queries import ask
from monitor.storage.retrain_queries import RETRAINS_OF_MODEL
from tests.storage.samples import APPENDED_US, card

COMPARED = """
INSERT INTO comparisons (model, new_version, old_version, at, verdict, design, labels, blocks,
    difference, lower, upper, evidence, smallest_difference, final, rollback_recommended, topic,
    partition, last_offset) VALUES
('flights', '2', '1', '2026-01-02 00:00:00', 'no_difference_yet', 'paired', 500, 5, 0.01, -0.02,
    0.04, 1.0, 0.05, false, false, 'p', 0, 500),
('flights', '2', '1', '2026-01-03 00:00:00', 'improved', 'paired', 900, 9, -0.03, -0.05, -0.01,
    7.0, 0.04, true, false, 'p', 0, 900)
"""


@pytest.mark.integration
def test_every_retraining_has_its_reason_its_data_and_its_result(
    clickhouse: ClickHouseStore,
) -> None:
    fingerprint = "sha256:" + "ab" * 32
    clickhouse.save_card(card("1"), appended_us=APPENDED_US)
    for change in (
        {"model_version": "2", "previous_version": "1", "retrain_reason": "spring"},
        {"model_version": "3", "previous_version": "2"},
    ):
        new = card().model_copy(update={"dataset_fingerprint": fingerprint, **change})
        clickhouse.save_card(new, appended_us=APPENDED_US + int(change["model_version"]))
    again = card("2").model_copy(update={"previous_version": "1", "retrain_reason": "a hot spring"})
    clickhouse.save_card(again, appended_us=APPENDED_US + 9)
    clickhouse.connection.command(COMPARED)
    asked = clickhouse.connection
    newest, older = ask(asked, RETRAINS_OF_MODEL, {"model": "flights"})
    assert ask(asked, RETRAINS_OF_MODEL, {"model": "strangers"}) == []
    everything = ask(asked, RETRAINS_OF_MODEL, {"model": ""})
    assert [row["new_version"] for row in everything] == ["3", "2"]
    assert (newest["new_version"], newest["result"]) == ("3", "not_compared")
    assert math.isnan(newest["difference"])
    assert newest["dataset_fingerprint"] == fingerprint
    assert line(newest).endswith(
        "  flights 2 -> 3  not compared  data abababababab  no reason given"
    )
    assert (older["old_version"], older["reason"]) == ("1", "a hot spring")
    assert (older["result"], older["final"], older["labels"]) == ("improved", True, 900)
    assert line(older).endswith(
        "  flights 1 -> 2  improved (-0.0300 a prediction, -0.0500 to -0.0100, 900 labels)  "
        "data no fingerprint  a hot spring"
    )


def test_a_line_says_what_is_not_over_and_what_should_go() -> None:
    row = {
        "registered_at": datetime(2026, 1, 1, tzinfo=UTC),
        "model": "m",
        "old_version": "1",
        "new_version": "2",
        "dataset_fingerprint": "",
        "reason": "r",
        "lower": 0.1,
        "upper": 0.3,
        "difference": 0.2,
        "labels": 1_200,
        "final": False,
    }
    so_far = line({**row, "result": "no_difference_yet", "rollback_recommended": False})
    assert "no difference yet, so far (+0.2000 a prediction, +0.1000 to +0.3000" in so_far
    worse = line({**row, "result": "regressed", "rollback_recommended": True})
    assert "regressed, rollback recommended (+0.2000" in worse

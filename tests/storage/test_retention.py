"""Retention: rows go when their time is over, on the real engine, and nothing else goes."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.clock import US_PER_DAY, SystemClock
from monitor.config import RetentionSettings
from monitor.storage import ClickHouseStore
from monitor.storage.retention import TIME_COLUMNS, apply_retention, retention_problems
from monitor.storage.store import StoreBatch
from tests.storage.samples import finding, labels, pane, predictions, rejected

pytestmark = pytest.mark.integration


def test_every_setting_is_of_a_table_and_the_other_way_round() -> None:
    assert set(RetentionSettings().by_table()) == set(TIME_COLUMNS)


def test_rows_past_their_time_vanish_and_the_others_stay(clickhouse: ClickHouseStore) -> None:
    connection = clickhouse.connection
    now_us = SystemClock().now_us()
    old_us, new_us = now_us - 40 * US_PER_DAY, now_us - 5 * US_PER_DAY
    for first, appended_us in ((0, old_us), (100, new_us)):
        clickhouse.store(
            StoreBatch(
                predictions=[predictions(4, first_offset=first, appended_us=appended_us)],
                labels=[
                    replace(
                        labels([True] * 3, first_offset=first),
                        appended_us=np.full(3, appended_us),
                    )
                ],
                rejected=[replace(rejected(first), appended_us=appended_us)],
            )
        )
    days = RetentionSettings(predictions_days=30, labels_days=30, rejections_days=30).by_table()
    assert len(retention_problems(connection, days)) == 3
    changed = apply_retention(connection, days)
    assert changed == [
        "labels: for 30 days",
        "predictions: for 30 days",
        "rejections: for 30 days",
    ]
    assert retention_problems(connection, days) == []
    assert apply_retention(connection, days) == []
    for table, left in (("predictions", 4), ("labels", 3), ("rejections", 1)):
        connection.command("OPTIMIZE TABLE {table:Identifier} FINAL", {"table": table})
        rows = connection.query("SELECT offset FROM {table:Identifier}", {"table": table})
        assert len(rows) == left, table
        assert all(row["offset"] >= 100 for row in rows)
    topic = predictions(1).topic
    assert clickhouse.stored_until(topic).predictions[0].offset == 103


def test_what_is_kept_for_ever_again_stays(clickhouse: ClickHouseStore) -> None:
    connection = clickhouse.connection
    apply_retention(connection, RetentionSettings(findings_days=7, alerts_days=7).by_table())
    clickhouse.store(StoreBatch(findings=[finding(0)], panes=[pane(0)]))
    connection.command("OPTIMIZE TABLE findings FINAL")
    assert len(connection.query("SELECT feature FROM findings")) == 1  # stored a moment ago
    forever = RetentionSettings().by_table()
    assert retention_problems(connection, forever) == [
        "alerts keeps rows for 7 days, retention.alerts_days says for ever",
        "findings keeps rows for 7 days, retention.findings_days says for ever",
    ]
    assert apply_retention(connection, forever) == ["alerts: for ever", "findings: for ever"]
    assert retention_problems(connection, forever) == []


def test_a_ttl_of_another_hand_is_named_and_replaced(clickhouse: ClickHouseStore) -> None:
    connection = clickhouse.connection
    connection.command("ALTER TABLE labels MODIFY TTL toDateTime(observed_at) + toIntervalMonth(1)")
    days = RetentionSettings(labels_days=90).by_table()
    [problem] = retention_problems(connection, days)
    assert "by another rule (toDateTime(observed_at) + toIntervalMonth(1))" in problem
    apply_retention(connection, days)
    assert retention_problems(connection, days) == []

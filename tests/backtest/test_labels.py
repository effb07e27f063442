"""Labels are matched by event id and counted."""

import numpy as np
import pandas as pd
import pytest

from monitor.backtest.labels import LabelCoverage, label_coverage
from monitor.backtest.words import label_words
from monitor.errors import ConfigError
from monitor.profiling.dataset import frame_dataset
from tests.backtest.conftest import rows

EVENTS = rows(1_000, seed=6)


def labels(**columns: object) -> pd.DataFrame:
    """For 800 of the events, one more each minute after its event."""
    frame = EVENTS[:800]
    delay = pd.to_timedelta(np.arange(800), unit="min")
    table = {"event_id": frame["event_id"], "label": 1, "observed_at": frame["occurred_at"] + delay}
    return pd.DataFrame(table | columns)


def coverage(table: pd.DataFrame) -> LabelCoverage:
    return label_coverage(frame_dataset(EVENTS), frame_dataset(table, source="labels.csv"))


def test_coverage_and_delays_are_those_of_the_first_labels() -> None:
    table = labels()
    later = table[:50].assign(observed_at=table["observed_at"] + pd.Timedelta(days=9))
    unknown = table[:30].assign(event_id=[f"other-{i}" for i in range(30)])
    found = coverage(pd.concat([later, table, unknown]))
    assert (found.labels, found.labelled, found.unknown, found.repeated) == (880, 800, 30, 50)
    assert found.coverage == 0.8
    np.testing.assert_allclose(
        found.delay_hours, np.quantile(np.arange(800) / 60, [0.5, 0.9, 0.99])
    )
    assert found.early == 0
    assert "for 80.0% of the events" in label_words(found)


def test_labels_before_their_events_are_told() -> None:
    found = coverage(labels(observed_at=EVENTS["occurred_at"][:800] - pd.Timedelta(hours=1)))
    assert found.early == 800
    assert "800 observed before their event" in label_words(found)


def test_labels_of_other_events_leave_no_delay() -> None:
    found = coverage(labels(event_id=[f"other-{i}" for i in range(800)]))
    assert (found.labelled, found.unknown, found.delay_hours) == (0, 800, ())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (labels().drop(columns="label"), "labels.csv: no column label"),
        (labels(observed_at="soon"), "column observed_at: not every value is a time"),
        (labels(label=[None, *[1] * 799]), "column label: row 1 has no value"),
    ],
)
def test_a_column_that_is_missing_or_wrong_is_named(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        coverage(table)


def test_events_without_ids_cannot_have_labels() -> None:
    with pytest.raises(ConfigError, match="need a column event_id"):
        label_coverage(frame_dataset(EVENTS.drop(columns="event_id")), frame_dataset(labels()))

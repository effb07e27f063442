"""Leaving out of a batch what is stored already."""

import numpy as np

from monitor.events import Fault
from monitor.storage import MemoryStore, StoreBatch, StoredUntil, Watermark
from tests.storage.samples import (
    APPENDED_US,
    LABELS,
    PREDICTIONS,
    labels,
    predictions,
    rejected,
)


def test_rows_at_or_below_the_watermark_are_left_out() -> None:
    batch = StoreBatch(
        predictions=[
            predictions(
                4, faults=(Fault(0, "temp", "null", None), Fault(3, "temp", "hidden_null", -1.0))
            )
        ],
        labels=[labels([1, 2, 3])],
        rejected=[rejected(2), rejected(9)],
    )
    new = batch.after(
        StoredUntil(
            PREDICTIONS,
            predictions={0: Watermark(1, APPENDED_US + 1_000)},
            rejections={0: Watermark(2, APPENDED_US + 2)},
        ),
        StoredUntil(LABELS, labels={0: Watermark(2, APPENDED_US + 2)}),
    )
    [part] = new.predictions
    assert part.event_ids == ["flights-0-2", "flights-0-3"]
    assert list(part.numbers["distance"]) == [300.0, 400.0]
    assert part.categories["carrier"] == ["DL", "UA"]
    assert part.faults == (Fault(1, "temp", "hidden_null", -1.0),)
    assert len(part.events) == len(part.repeated) == 2
    assert new.labels == []
    assert [record.offset for record in new.rejected] == [9]


def test_what_was_stored_of_one_table_says_nothing_of_another() -> None:
    batch = StoreBatch(predictions=[predictions(2)], rejected=[rejected(1)])
    new = batch.after(StoredUntil(PREDICTIONS, predictions={0: Watermark(9, APPENDED_US * 2)}))
    assert new.predictions == []
    assert len(new.rejected) == 1


def test_a_topic_that_was_created_anew_is_not_taken_for_the_old_one() -> None:
    stored = MemoryStore()
    stored.store(StoreBatch(predictions=[predictions(50)]))
    until = stored.stored_until(PREDICTIONS)
    assert StoreBatch(predictions=[predictions(50)]).after(until).predictions == []
    again = predictions(4, appended_us=APPENDED_US + 10**9)
    [kept] = StoreBatch(predictions=[again]).after(until).predictions
    assert len(kept) == 4


def test_rows_behind_a_stepped_back_broker_clock_are_kept() -> None:
    part = predictions(4, first_offset=10)
    part.appended_us[:] = APPENDED_US - np.arange(4)
    until = StoredUntil(PREDICTIONS, predictions={0: Watermark(9, APPENDED_US + 10**9)})
    [kept] = StoreBatch(predictions=[part]).after(until).predictions
    assert kept is part

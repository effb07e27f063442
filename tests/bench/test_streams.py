"""The streams are what the table says they are."""

import numpy as np
import pytest

from bench.detection.catalogue import FLOOR_0, NULLS, SHIFTS
from bench.detection.streams import NAMES, RAMP_EVENTS, Change, Source, Stream
from monitor.clock import to_datetime

NORMAL = Stream("normal", reference_rows=2_000)


def test_rows_do_not_depend_on_the_size_of_the_blocks() -> None:
    whole = Source(NORMAL, seed=3).take(25_000)
    source = Source(NORMAL, seed=3)
    parts = [source.take(n) for n in (1, 9_999, 5_000, 10_000)]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(
    "change",
    [Change("mean", 0.5), Change("variance", 1.5), Change("ramp", 0.5)],
    ids=lambda change: change.kind,
)
def test_a_change_touches_one_feature_from_its_onset_on(change: Change) -> None:
    changed = Source(Stream("changed", reference_rows=2_000, change=change), seed=5)
    steady = Source(NORMAL, seed=5)
    assert np.array_equal(changed.reference(), steady.reference())
    assert changed.onset is not None
    n = changed.onset + 3_000
    before, after = steady.take(n), changed.take(n)
    rows, columns = np.nonzero(before != after)
    assert set(columns.tolist()) == {changed.feature}
    assert changed.feature < NAMES.index("prediction")
    assert rows.min() == changed.onset


def test_a_ramp_ends_at_its_size() -> None:
    age = np.array([-1, 0, RAMP_EVENTS // 2 - 1, RAMP_EVENTS, 10 * RAMP_EVENTS])
    moved = Change("ramp", 0.5).applied(np.zeros(5), age)
    assert moved.tolist() == [0.0, 0.5 / RAMP_EVENTS, 0.25, 0.5, 0.5]


def test_an_autoregressive_stream_runs_on_from_draw_to_draw() -> None:
    """Correlation .9 and variance 1, over the draws' ends too."""
    rows = Source(Stream("ar", ar=0.9), seed=1).take(200_000)
    lag_1 = (rows[1:] * rows[:-1]).mean(axis=0)
    # Standard error of a mean square of 200,000 events worth 200,000 * .105 = 21,000: 0.0098.
    assert np.abs((rows**2).mean(axis=0) - 1).max() < 0.05
    assert np.abs(lag_1 - 0.9).max() < 0.05
    steps = rows[1:] - 0.9 * rows[:-1]
    # Innovations have deviation .436; a break between draws would be a step of deviation 1.35.
    assert np.abs(steps[9_999::10_000]).max() < 4.5 * 0.436


def test_a_week_is_lower_at_its_end() -> None:
    day = 2_000
    source = Source(Stream("weekly", season="weekly", events_per_day=day), seed=2)
    rows = source.take(7 * day)
    times = source.times_us(0, 7 * day)
    weekend = np.array([to_datetime(int(t)).weekday() >= 5 for t in times[:: day // 4]])
    quarters = rows.reshape(28, day // 4, -1).mean(axis=1)
    # A quarter of a day's sine is at most .45 from 0: the mean over whole days is free of it.
    difference = quarters[weekend].mean(axis=0) - quarters[~weekend].mean(axis=0)
    assert np.abs(difference + 1).max() < 0.1


def test_names_are_the_keys_of_results() -> None:
    names = [stream.name for stream in (*NULLS, *SHIFTS, *FLOOR_0)]
    assert len(set(names)) == len(names)
    assert all(stream.change.kind == "none" for stream in NULLS)
    assert all(stream.change.kind != "none" for stream in (*SHIFTS, *FLOOR_0))

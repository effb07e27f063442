"""The cut into panes and windows depends on event counts alone."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.windows.panes import Chunk
from monitor.windows.stream import WindowedStream

SCALES = (1_000, 4_000)


def _feed(n: int, cuts: list[int]) -> list[Chunk]:
    stream = WindowedStream(250, SCALES)
    codes = np.arange(2 * n, dtype=np.uint16).reshape(2, n)
    offsets = np.arange(n, dtype=np.int64) * 3
    times = np.arange(n, dtype=np.int64)[::-1].copy()
    values = codes[:1].astype(np.float64)
    chunks: list[Chunk] = []
    edges = sorted({0, n, *(cut % (n + 1) for cut in cuts)})
    for start, stop in itertools.pairwise(edges):
        part = slice(start, stop)
        chunks += stream.add("t", 0, offsets[part], times[part], codes[:, part], values[:, part])
    return chunks


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_batches_do_not_move_panes_or_windows(cuts: list[int]) -> None:
    whole = _feed(6_100, [])
    pieces = _feed(6_100, cuts)
    for ours, theirs in (([c.closed for c in chunks if c.closed] for chunks in (whole, pieces)),):
        assert [p.span for p in ours] == [p.span for p in theirs]
        assert all(np.array_equal(a.codes, b.codes) for a, b in zip(ours, theirs, strict=True))
    ours_w, theirs_w = ([w for c in chunks for w in c.windows] for chunks in (whole, pieces))
    assert [(w.scale, w.span) for w in ours_w] == [(w.scale, w.span) for w in theirs_w]


def test_windows_are_the_last_events_every_quarter() -> None:
    windows = [w for chunk in _feed(8_000, []) for w in chunk.windows]
    small = [w for w in windows if w.scale == 1_000]
    large = [w for w in windows if w.scale == 4_000]
    assert [w.span.last_event for w in small[:3]] == [999, 1_249, 1_499]
    assert [w.span.last_event for w in large] == [3_999, 4_999, 5_999, 6_999, 7_999]
    assert large[1].span.first_event == 1_000
    assert large[1].codes[0].tolist() == list(range(1_000, 5_000))
    assert large[1].span.first_offset == 3_000
    assert (large[1].span.started_us, large[1].span.ended_us) == (3_000, 6_999)


def test_chunks_cover_every_event_once() -> None:
    chunks = _feed(1_337, [10, 255, 256, 900])
    assert sum(chunk.codes.shape[1] for chunk in chunks) == 1_337
    assert [chunk.span.first_event for chunk in chunks] == sorted(
        chunk.span.first_event for chunk in chunks
    )


def test_the_span_of_the_last_events_crosses_panes() -> None:
    stream = WindowedStream(250, (1_000,))
    n = 1_900
    offsets = np.arange(n, dtype=np.int64) * 3
    times = np.arange(n, dtype=np.int64)
    codes = np.zeros((1, n), np.uint16)
    for _ in stream.add("t", 4, offsets, times, codes, np.zeros((1, n))):
        pass
    span = stream.span_of_last(700, until_event=1_800)
    assert (span.first_event, span.last_event) == (1_101, 1_800)
    assert (span.first_offset, span.last_offset) == (3_303, 5_400)
    assert (span.started_us, span.ended_us) == (1_101, 1_800)
    kept = stream.span_of_last(10_000, until_event=1_899)
    assert kept.first_event == 1_000  # what is left once the pane of event 1,899 is closed

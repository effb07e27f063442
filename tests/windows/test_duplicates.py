"""Resends are recognised among about the last N ids, in bounded memory, however batched."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.windows.duplicates import BLOCK_IDS, RecentIds


def test_remembers_at_least_the_capacity_and_forgets_after() -> None:
    recent = RecentIds(capacity=2 * BLOCK_IDS)
    ids = [f"e{i}" for i in range(10 * BLOCK_IDS)]
    assert not recent.mark_repeated(ids).any()
    assert recent.mark_repeated(ids[-2 * BLOCK_IDS :]).all()
    assert not recent.mark_repeated(ids[:BLOCK_IDS]).any()


def test_zero_capacity_marks_nothing() -> None:
    assert not RecentIds(capacity=0).mark_repeated(["a", "a"]).any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9_000), max_size=8), st.integers(0, 2**32 - 1))
def test_batches_do_not_matter_and_state_round_trips(cuts: list[int], seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, 8_000, 9_000)
    ids = [f"id-{i}" for i in numbers]
    expected = RecentIds(capacity=BLOCK_IDS).mark_repeated(ids)
    recent = RecentIds(capacity=BLOCK_IDS)
    edges = sorted({0, len(ids), *cuts})
    got = []
    for start, stop in itertools.pairwise(edges):
        got.append(recent.mark_repeated(ids[start:stop]))
        restored = RecentIds(capacity=BLOCK_IDS)
        blocks = [block for _, block in recent.blocks_since(0)]
        restored.restore(recent.merged, blocks, recent.fresh())
        recent = restored
    assert np.array_equal(np.concatenate(got), expected)

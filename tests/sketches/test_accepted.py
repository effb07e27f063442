"""Counts of slots as a reference: distances on the new codes are those between the counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.detectors.distance import distance
from monitor.errors import StateError
from monitor.sketches.accepted import SlotCounts
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import NumberReference

VALUES = st.lists(st.integers(-3, 12).map(lambda n: n / 2) | st.just(np.nan), min_size=1)


@settings(max_examples=200, deadline=None)
@given(VALUES, VALUES, VALUES)
def test_the_distance_is_that_of_the_counts(
    reference: list[float], accepted: list[float], window: list[float]
) -> None:
    original = NumberReference.from_values("x", np.array(reference))
    ours = original.codes(np.array(accepted))
    new = original.codes(np.array(window))
    moved, table = SlotCounts.of(ours).reference(original)
    found, n = distance(moved, table[np.minimum(new, original.slots)])
    tallies = [
        np.bincount(codes[codes != NULL_CODE], minlength=original.slots).astype(float)
        for codes in (ours, new)
    ]
    if min(tally.sum() for tally in tallies) == 0:
        assert found == 0.0
        return
    one, two = (np.cumsum(tally) / tally.sum() for tally in tallies)
    assert found == pytest.approx(np.abs(one - two).max(), abs=1e-12)
    assert n == tallies[1].sum()
    assert table[-1] == NULL_CODE


def test_categories_keep_their_codes_and_the_original_its_missing_rate() -> None:
    original = CategoryReference.from_values("shop", ["a", "a", "b", None])
    counts = SlotCounts.of(original.codes(["b", "new", "b", None, None]))
    accepted, table = counts.reference(original)
    assert accepted.counts.tolist() == [0, 2, 1]
    assert (accepted.n_rows, accepted.missing_rate) == (5, 0.25)
    assert table.tolist() == [0, 1, 2, NULL_CODE]
    assert counts.beyond(original) == 0.0


def test_counts_of_another_reference_are_refused() -> None:
    small = NumberReference.from_values("x", np.array([1.0]))
    counts = SlotCounts(np.array([7], np.uint16), np.array([1]), 1)
    with pytest.raises(StateError, match="belongs to another reference"):
        counts.reference(small)

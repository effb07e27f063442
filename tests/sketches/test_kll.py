"""Quantile summaries: exact while small, within the stated error later, data and never code."""

import numpy as np
import pytest

from monitor.errors import ProfileError
from monitor.sketches.kll import RANK_ERROR, KllSummary


def test_a_pane_is_kept_exactly_and_reproducibly() -> None:
    values = np.random.default_rng(0).normal(size=250)
    summary = KllSummary(values)
    assert summary.rank_error == 0.0
    assert summary.to_bytes() == KllSummary(values).to_bytes()
    for value in values[:20]:
        assert summary.rank(float(value)) == pytest.approx((values <= value).mean())


def test_merged_panes_stay_within_the_stated_error() -> None:
    values = np.random.default_rng(1).normal(size=(80, 250))
    merged = KllSummary()
    for pane in values:
        merged.merge(KllSummary.from_bytes(KllSummary(pane).to_bytes()))
    assert merged.n == values.size
    assert 0.0 < merged.rank_error == RANK_ERROR < 0.02
    # 99 of 100 ranks lie within the error; 9 ranks at once, so allow twice of it.
    for share in np.linspace(0.1, 0.9, 9):
        value = float(np.quantile(values, share))
        assert abs(merged.rank(value) - share) < 2 * RANK_ERROR
    assert len(merged.to_bytes()) < 8_192


@pytest.mark.parametrize("values", [np.array([]), np.array([np.nan, np.nan])])
def test_nothing_has_no_quantiles(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    summary = KllSummary(values)
    assert summary.n == 0
    assert np.isnan(summary.quantiles([0.5])).all()
    assert np.isnan(summary.rank(0.0))
    assert KllSummary.from_bytes(summary.to_bytes()).n == 0


@pytest.mark.parametrize("data", [b"", b"\x00", b"not a sketch at all", b"\xff" * 64])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ProfileError, match="unreadable"):
        KllSummary.from_bytes(data)

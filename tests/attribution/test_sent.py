"""Attributions that events carry: the same means for every batching, over restarts."""

import numpy as np
import pytest

from monitor.attribution.sent import MeanAttributions
from monitor.packing import pack, unpack

PANE = 50
NAMES = ("age", "bad")


def events() -> list[dict[str, float] | None]:
    rng = np.random.default_rng(5)
    return [
        {"age": float(rng.normal()), "bad": float("nan")} if k % 3 else None for k in range(520)
    ]


def test_means_do_not_depend_on_batches_and_survive_a_restart() -> None:
    sent = events()
    whole, parts = MeanAttributions(PANE, NAMES), MeanAttributions(PANE, NAMES)
    whole.add(0, sent)
    for start in range(0, len(sent), 7):
        part = sent[start : start + 7]
        parts.add(start, part)
        if (start + len(part)) // PANE > start // PANE:
            parts.close((start + len(part)) // PANE * PANE - 1)
        again = MeanAttributions(PANE, NAMES)
        again.restore(unpack(pack(parts.state())))
        parts = again
    whole.close(499)
    assert whole.means() == parts.means()
    known = [abs(one["age"]) for one in sent[:500] if one]
    assert whole.means() == {"age": pytest.approx(np.mean(known))}


def test_only_closed_panes_count_and_nothing_sent_is_nothing() -> None:
    seen = MeanAttributions(PANE, NAMES)
    seen.add(0, [{"age": 1.0}] * (PANE + 3))
    assert seen.means() == {}
    seen.add(PANE + 3, [{"stranger": 5.0}])
    seen.close(PANE - 1)
    assert seen.means() == {"age": 1.0}
    seen.restore([])
    assert seen.means() == {}

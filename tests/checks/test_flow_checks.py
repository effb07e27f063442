"""Checks of the stream itself: silent on what is usual, quick on the fault."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.checks.duplicates import Duplicates
from monitor.checks.future import Future
from monitor.checks.history import History
from monitor.checks.incoherent import Incoherent
from monitor.checks.latency import Latency
from monitor.checks.leak import Leak
from monitor.checks.repeated_inputs import RepeatedInputs
from monitor.checks.replayed import Replayed
from monitor.checks.skew import Skew
from monitor.checks.stale import Stale
from monitor.checks.status import Status
from monitor.checks.thinned import Thinned
from monitor.events import SIGNALS
from monitor.findings import Verdict
from monitor.packing import pack, unpack
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.validation.signals import NOT_LARGEST
from tests.checks.flow import CARD, SIZE, again, frame, made, panes, profile, said
from tests.checks.flow_faults import (
    ONSET,
    Change,
    N,
    aged,
    ahead,
    fallbacks,
    features_of_before,
    late,
    leaking,
    repeated,
    replayed,
    score_outside,
    slow_tail,
    thinned,
    wrong_side,
)

KINDS = (
    Duplicates,
    Future,
    Incoherent,
    Latency,
    Leak,
    RepeatedInputs,
    Replayed,
    Skew,
    Stale,
    Status,
    Thinned,
)


FAULTS: dict[str, tuple[Any, str, Change]] = {
    "status": (Status, "", fallbacks),
    "latency": (Latency, "", slow_tail),
    "future": (Future, "", ahead),
    "late": (Stale, "", late),
    "aged": (Stale, "", aged),
    "features of before": (Stale, "", features_of_before),
    "leak": (Leak, "amount", leaking),
    "wrong side": (Incoherent, "", wrong_side),
    "score outside": (Incoherent, "", score_outside),
    "repeated": (RepeatedInputs, "", repeated),
    "replayed": (Replayed, "", replayed),
    "thinned": (Thinned, "", thinned),
}


def _broken(name: str, seed: int = 3) -> list[Any]:
    return panes(FAULTS[name][2](frame(N, seed), np.random.default_rng(seed)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [11, 12])
def test_a_stream_like_the_reference_says_nothing(kind: Any, seed: int) -> None:
    assert said(made(kind), panes(frame(100 * SIZE, seed))) == []


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_seen_within_2000_events_and_not_before(name: str) -> None:
    kind, feature, _ = FAULTS[name]
    found = said(made(kind), _broken(name))
    assert all(pane >= ONSET // SIZE for pane, _ in found)
    drifts = [(pane, m) for pane, m in found if m.verdict is Verdict.DRIFT]
    assert drifts[0][0] < ONSET // SIZE + 8
    assert {m.feature for _, m in drifts} == {feature}
    assert {m.check for _, m in drifts} == {kind.name}
    assert all(m.effect > m.threshold and m.reason for _, m in drifts)


@pytest.mark.parametrize("name", FAULTS)
def test_a_state_goes_on_as_if_nothing_had_stopped(name: str) -> None:
    kind = FAULTS[name][0]
    views = _broken(name)
    before, after = History(profile()), History(profile())
    whole, half = made(kind), made(kind, history=before)
    expected = said(whole, views)
    cut = ONSET // SIZE + 1
    first = said(half, views[:cut])
    after.restore(unpack(pack(before.state())))
    later = again(half, made(kind, history=after))
    assert first + said(later, views[cut:]) == expected


def test_what_was_raised_is_told_until_it_is_clear() -> None:
    views = panes(frame(N, 4))
    [measurement] = made(Status).look(views[0], {""})
    assert measurement.verdict is Verdict.OK
    assert measurement.cleared


@pytest.mark.parametrize(
    ("name", "alarm"),
    [
        ("latency", "rose"),
        ("future", "is wrong"),
        ("replayed", "are old ones"),
        ("leak", "it leaks"),
    ],
)
def test_what_is_over_is_not_told_as_if_it_went_on(name: str, alarm: str) -> None:
    kind, feature, _ = FAULTS[name]
    check, broken = made(kind), _broken(name)[:28]
    assert alarm in said(check, broken)[-1][1].reason
    for view in panes(frame(N, 3))[28:]:
        [over] = check.look(view, {feature})
    assert (over.verdict, over.cleared) == (Verdict.OK, True)
    assert alarm not in over.reason


def test_skew_that_is_over_is_told_so() -> None:
    rows = frame(N, 7)
    check = made(Skew)
    [(_, first)] = said(check, panes(rows.assign(amount=rows["amount"] * 1.8 + 32))[:16])
    assert "serves other data" in first.reason
    [over] = [m for view in panes(rows)[16:32] for m in check.look(view, {"amount"})]
    assert over.verdict is Verdict.OK
    assert "serves data like those that it was trained on" in over.reason


def test_resends_are_counted_between_events() -> None:
    views = panes(frame(4 * SIZE, 5))
    check = made(Duplicates)
    assert said(check, views[:2]) == []
    row = SIGNALS.index("resends")
    views[2].signals[row, ::5] = 2.0
    [(_, found)] = said(check, views[2:3])
    assert found.values["resends"] == 100
    assert found.effect == pytest.approx(100 / 350)


def test_scores_of_classes_count_as_incoherent_by_their_bits() -> None:
    views = panes(frame(2 * SIZE, 6))
    views[1].signals[SIGNALS.index("incoherence"), :10] = float(NOT_LARGEST)
    [(pane, found)] = said(made(Incoherent), views)
    assert pane == 1
    assert "10 predictions without the largest score" in found.reason


def test_skew_is_told_of_the_first_window_alone() -> None:
    rows = frame(N, 7)
    moved = rows.assign(amount=rows["amount"] * 1.8 + 32)
    [(pane, found)] = said(made(Skew), panes(moved))
    assert (pane, found.feature) == (15, "amount")
    assert "other data than it was trained on" in found.reason


def test_status_and_latency_are_learnt_from_the_first_panes_where_the_file_does_not_tell() -> None:
    bare = profile("status", "latency_ms")
    for kind, change in ((Status, fallbacks), (Latency, slow_tail)):
        quiet = panes(frame(N, 8), bare)
        assert said(made(kind, bare), quiet) == []
        broken = panes(change(frame(N, 8), np.random.default_rng(8)), bare)
        found = said(made(kind, bare), broken)
        assert found[0][0] in range(ONSET // SIZE, ONSET // SIZE + 8)


def test_inputs_that_repeat_by_nature_switch_the_checks_of_repeats_off() -> None:
    rows = frame(20_000, 10, start="2026-02-02").assign(amount=1.0, items=2.0)

    poor = build_profile(frame_dataset(rows, CARD), CARD)[0]
    assert made(RepeatedInputs, poor) is None
    for kind in (Replayed, Stale):
        assert said(made(kind, poor), panes(rows.iloc[: 20 * SIZE], poor)) == []


def test_a_night_is_no_thinning_and_a_stop_is_left_to_stopped() -> None:
    rows = frame(N, 13)
    gap = rows["occurred_at"].mask(rows.index >= ONSET, rows["occurred_at"] + pd.Timedelta(days=3))
    assert said(made(Thinned), panes(rows.assign(occurred_at=gap, sent_at=gap))) == []

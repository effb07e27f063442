"""Checks of the stream itself: silent on what is usual, quick on the fault, blind as they say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.checks.duplicates import Duplicates
from monitor.checks.future import Future
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
from monitor.profiling.build import build_profile
from monitor.profiling.dataset import frame_dataset
from monitor.validation.signals import NOT_LARGEST
from tests.checks.flow import CARD, SIZE, again, frame, made, panes, profile, said

ONSET = 20 * SIZE
N = 40 * SIZE
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
Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def _some(rows: pd.DataFrame, rng: np.random.Generator, share: float) -> Any:
    return (np.arange(len(rows)) >= ONSET) & (rng.random(len(rows)) < share)


def _status(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(status=rows["status"].mask(_some(rows, rng, 0.3), "fallback"))


def _latency(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    tail = _some(rows, rng, 0.2)
    return rows.assign(latency_ms=rows["latency_ms"].mask(tail, rows["latency_ms"] * 6))


def _future(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    ahead = rows["occurred_at"].mask(
        _some(rows, rng, 0.05), rows["occurred_at"] + pd.Timedelta(hours=9)
    )
    return rows.assign(occurred_at=ahead)


def _late(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    late = _some(rows, rng, 0.4)
    return rows.assign(sent_at=rows["sent_at"].mask(late, rows["sent_at"] + pd.Timedelta(hours=3)))


def _aged(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    known = rows["feature_time_amount"]
    return rows.assign(
        feature_time_amount=known.mask(_some(rows, rng, 0.4), known - pd.Timedelta(days=2))
    )


def _features_of_before(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    old = _some(rows, rng, 0.3)
    names = list(CARD.features)
    return rows.assign(**{n: rows[n].mask(old, rows[n].shift(6 * SIZE)) for n in names})


def _leaking(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    later = _some(rows, rng, 0.1)
    known = rows["feature_time_amount"].mask(later, rows["occurred_at"] + pd.Timedelta(hours=2))
    return rows.assign(feature_time_amount=known)


def _wrong_side(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    flipped = _some(rows, rng, 0.05)
    return rows.assign(prediction=np.where(flipped, 1 - rows["prediction"], rows["prediction"]))


def _score_outside(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return rows.assign(score=rows["score"].mask(_some(rows, rng, 0.05), 1.7))


def _repeated(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    same = _some(rows, rng, 0.3)
    names = list(CARD.features)
    return rows.assign(**{name: rows[name].mask(same, rows[name].iloc[ONSET]) for name in names})


def _replayed(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    old = _some(rows, rng, 0.3)
    names = [*CARD.features, "occurred_at", "score", "prediction"]
    return rows.assign(
        **{name: rows[name].mask(old, rows[name].shift(10 * SIZE)) for name in names}
    )


def _thinned(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    kept: pd.DataFrame = rows[~_some(rows, rng, 0.5)].reset_index(drop=True)
    return kept


FAULTS: dict[str, tuple[Any, str, Change]] = {
    "status": (Status, "", _status),
    "latency": (Latency, "", _latency),
    "future": (Future, "", _future),
    "late": (Stale, "", _late),
    "aged": (Stale, "", _aged),
    "features of before": (Stale, "", _features_of_before),
    "leak": (Leak, "amount", _leaking),
    "wrong side": (Incoherent, "", _wrong_side),
    "score outside": (Incoherent, "", _score_outside),
    "repeated": (RepeatedInputs, "", _repeated),
    "replayed": (Replayed, "", _replayed),
    "thinned": (Thinned, "", _thinned),
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
    whole, half = made(kind), made(kind)
    expected = said(whole, views)
    cut = ONSET // SIZE + 1
    first = said(half, views[:cut])
    assert first + said(again(half, made(kind)), views[cut:]) == expected


def test_what_was_raised_is_told_until_it_is_clear() -> None:
    views = panes(frame(N, 4))
    [measurement] = made(Status).look(views[0], {""})
    assert measurement.verdict is Verdict.OK
    assert measurement.cleared


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
    late = rows.assign(amount=rows["amount"].mask(rows.index >= ONSET, rows["amount"] * 1.8 + 32))
    assert said(made(Skew), panes(late)) == []  # blind: that is drift


def test_status_and_latency_are_learnt_from_the_first_panes_where_the_file_does_not_tell() -> None:
    bare = profile("status", "latency_ms")
    for kind, change in ((Status, _status), (Latency, _latency)):
        quiet = panes(frame(N, 8), bare)
        assert said(made(kind, bare), quiet) == []
        broken = panes(change(frame(N, 8), np.random.default_rng(8)), bare)
        found = said(made(kind, bare), broken)
        assert found[0][0] in range(ONSET // SIZE, ONSET // SIZE + 8)


def test_blind_as_the_docstrings_say() -> None:
    rows = frame(N, 9)
    after = rows.index >= ONSET
    # status: a wrong answer with status ok; latency: a rise of less than 1.5 times
    assert said(made(Status), panes(rows.assign(amount=0.0))) == []
    slower = rows.assign(latency_ms=rows["latency_ms"].mask(after, rows["latency_ms"] * 1.3))
    assert said(made(Latency), panes(slower)) == []
    # future: ahead by less than the tolerance; stale: late by less than a minute
    nearly = rows["occurred_at"].mask(after, rows["occurred_at"] + pd.Timedelta(seconds=200))
    assert said(made(Future), panes(rows.assign(occurred_at=nearly))) == []
    soon = rows["sent_at"].mask(after, rows["sent_at"] + pd.Timedelta(seconds=30))
    assert said(made(Stale), panes(rows.assign(sent_at=soon))) == []
    # repeated_inputs and replayed: one feature alone repeats, old data under new values
    stuck = rows.assign(amount=rows["amount"].mask(after, 7.0))
    assert said(made(RepeatedInputs), panes(stuck)) == []
    noise = _replayed(rows, np.random.default_rng(9))
    noise["amount"] += np.random.default_rng(1).normal(0, 1e-6, len(noise))
    assert said(made(Replayed), panes(noise)) == []
    # incoherent: nonsense that agrees with itself; leak: features without times
    nonsense = rows.assign(score=0.9, prediction=1)
    assert said(made(Incoherent), panes(nonsense)) == []
    untimed = _leaking(rows, np.random.default_rng(9)).drop(columns="feature_time_amount")
    assert said(made(Leak), panes(untimed)) == []
    # thinned: a fifth of the events is gone
    fewer = rows[~_some(rows, np.random.default_rng(9), 0.15)].reset_index(drop=True)
    assert said(made(Thinned), panes(fewer)) == []
    # duplicates: the same prediction under a new id is no resend
    assert said(made(Duplicates), panes(_repeated(rows, np.random.default_rng(9)))) == []


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

"""What each check says that it is blind to is not seen, and what lies next to it is.

A row names a check, the words of its docstring, a stream of that kind, and one that it does see.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitor.checks.duplicates import Duplicates
from monitor.checks.example import example_panes, example_profile, example_suite
from monitor.checks.future import Future
from monitor.checks.incoherent import Incoherent
from monitor.checks.latency import Latency
from monitor.checks.leak import Leak, label_leaks
from monitor.checks.offline_mismatch import Pairs, offline_mismatches
from monitor.checks.pane_view import PaneView
from monitor.checks.repeated_inputs import RepeatedInputs
from monitor.checks.replayed import Replayed
from monitor.checks.shares import ShareWatch
from monitor.checks.skew import Skew
from monitor.checks.stale import Stale
from monitor.checks.status import Status
from monitor.checks.stopped import stopped
from monitor.checks.suite import CHECKS
from monitor.checks.thinned import Thinned
from monitor.events import SIGNALS
from monitor.findings import Measurement, Verdict
from monitor.sketches.codes import NULL_CODE
from tests.checks.altered import altered
from tests.checks.flow import SIZE, frame, made, panes, profile, said
from tests.checks.flow_faults import (
    ONSET,
    ahead,
    fallbacks,
    features_of_before,
    held_back,
    in_twos,
    late,
    leaking,
    old_as_new,
    repeated,
    replayed,
    rng,
    short_tail,
    slow_tail,
    some,
    thinned,
    very_old,
    whole,
    wrong_side,
)

HEALTHY = 11
BROKEN = 12
Found = Sequence[Measurement]


@dataclass(frozen=True, slots=True)
class Blind:
    """One kind of blindness: `unseen` finds nothing, `seen` something."""

    check: Any
    words: str
    unseen: Callable[[], Found]
    seen: Callable[[], Found]


def drifts(found: Found) -> list[Measurement]:
    return [m for m in found if m.verdict is Verdict.DRIFT]


# ---- the example's panes


def example(name: str, broken: Callable[[], list[PaneView]]) -> Callable[[], Found]:
    """What one check of the suite says of broken panes after healthy ones."""

    def look() -> Found:
        suite = example_suite()
        for pane in example_panes(0, HEALTHY):
            assert suite.look(pane) == []
        return [m for pane in broken() for m in suite.look(pane) if m.check == name]

    return look


def all_of(**broken: Any) -> Callable[[], list[PaneView]]:
    return lambda: example_panes(HEALTHY, BROKEN, **broken)


def some_of(share: float, **broken: Any) -> Callable[[], list[PaneView]]:
    """Broken in a share of the events: one of several sources."""

    def mixed() -> list[PaneView]:
        rng, found = np.random.default_rng(5), []
        for good, bad in zip(
            example_panes(HEALTHY, BROKEN), example_panes(HEALTHY, BROKEN, **broken), strict=True
        ):
            hit = rng.random(len(good)) < share
            faults = tuple(fault for fault in bad.faults if hit[fault[0]])
            codes = np.where(hit, bad.codes, good.codes)
            values = np.where(hit, bad.values, good.values)
            found.append(altered(good, codes=codes, values=values, faults=faults))
        return found

    return mixed


def nulled() -> list[PaneView]:
    """x is null: nothing is missing, nothing is of another type."""
    found = example_panes(HEALTHY, BROKEN)
    for pane in found:
        pane.values[0] = np.nan
        pane.codes[0] = NULL_CODE
    return found


def one_answer() -> list[PaneView]:
    """The same prediction always, beside a score that varies as it did."""
    columns = example_profile().columns
    row = next(k for k, column in enumerate(columns) if column.name == "prediction")
    found = example_panes(HEALTHY, BROKEN)
    for pane in found:
        pane.codes[row] = 0
    return found


def hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def named(name: str) -> Any:
    return next(check for check in CHECKS if check.name == name)


def by_example(
    name: str,
    words: str,
    unseen: Callable[[], list[PaneView]],
    seen: Callable[[], list[PaneView]],
) -> Blind:
    return Blind(named(name), words, example(name, unseen), example(name, seen))


NAMED_CAUSES = (
    by_example("schema", "a feature that becomes null", nulled, all_of(gone=True)),
    by_example(
        "schema", "gone in a share of the events", all_of(gone=True, share=0.5), all_of(gone=True)
    ),
    by_example(
        "stuck", "one of several sources being stuck", all_of(x=41.5, share=0.9), all_of(x=41.5)
    ),
    by_example(
        "placeholder",
        "in less than about a fifth of the values",
        all_of(x=-1.0, share=0.1),
        all_of(x=-1.0, share=0.3),
    ),
    by_example(
        "swap",
        "columns exchanged in a share of the events",
        some_of(0.4, swapped=True),
        all_of(swapped=True),
    ),
    by_example("time_zone", "one hour", all_of(late_minutes=60), all_of(late_minutes=120)),
    by_example(
        "time_zone",
        "a shift in a share of the events",
        some_of(0.5, late_minutes=180),
        all_of(late_minutes=180),
    ),
    by_example("unit", "is not in `conversions.py`", all_of(factor=1.03), all_of(factor=1.609344)),
    by_example(
        "unit",
        "a change in a share of the events",
        some_of(0.3, factor=1.609344),
        all_of(factor=1.609344),
    ),
    by_example("encoding", "a hash of the names", all_of(rename=hashed), all_of(rename=str.upper)),
    by_example(
        "encoding",
        "a permutation of names with nearly equal shares",
        all_of(rename=lambda n: {"green": "grey", "grey": "green"}.get(n, n)),
        all_of(rename={"red": "grey", "grey": "blue", "blue": "green", "green": "red"}.get),
    ),
    by_example(
        "collapsed",
        "a collapse in a share of the events",
        all_of(score=0.4, share=0.6),
        all_of(score=0.4),
    ),
    by_example(
        "collapsed", "one answer beside a score that still varies", one_answer, all_of(score=0.4)
    ),
)


# ---- the stream's own checks


def stream(
    kind: Any, rows: Callable[[], pd.DataFrame], *, since: int = 0, without: str = ""
) -> Callable[[], Found]:
    """What one check says of rows, from a pane on."""

    def look() -> Found:
        reference = profile(without) if without else profile()
        found = said(made(kind, reference), panes(rows(), reference))
        return [m for pane, m in found if pane >= since]

    return look


def after(name: str, change: Callable[[Any], Any]) -> Callable[[], pd.DataFrame]:
    """One column changed from the onset on."""

    def broken() -> pd.DataFrame:
        rows = whole()
        return rows.assign(**{name: rows[name].mask(rows.index >= ONSET, change(rows[name]))})

    return broken


def by_stream(
    kind: Any,
    words: str,
    unseen: Callable[[], pd.DataFrame],
    seen: Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame],
) -> Blind:
    return Blind(kind, words, stream(kind, unseen), stream(kind, lambda: seen(whole(), rng())))


def resent() -> Found:
    views = panes(whole(4 * SIZE))
    for view in views[2:]:
        view.signals[SIGNALS.index("resends"), ::5] = 2.0
    return [m for _, m in said(made(Duplicates), views)]


def moved(since: int) -> Callable[[], pd.DataFrame]:
    def broken() -> pd.DataFrame:
        rows = whole()
        return rows.assign(
            amount=rows["amount"].mask(rows.index >= since, rows["amount"] * 1.8 + 32)
        )

    return broken


STREAM = (
    by_stream(
        Status,
        "a model that answers nonsense with status `ok`",
        lambda: whole().assign(score=0.9, prediction=1),
        fallbacks,
    ),
    by_stream(
        Latency, "a rise of less than 1.5 times", after("latency_ms", lambda x: x * 1.3), slow_tail
    ),
    by_stream(Latency, "a tail of less than a tenth of the events", short_tail, slow_tail),
    by_stream(
        Latency, "answers that come too fast", after("latency_ms", lambda x: x / 5), slow_tail
    ),
    by_stream(
        Future,
        "a clock that runs ahead by less than the tolerance",
        after("occurred_at", lambda x: x + pd.Timedelta(seconds=200)),
        ahead,
    ),
    by_stream(
        Stale,
        "a minute above it",
        after("sent_at", lambda x: x + pd.Timedelta(seconds=30)),
        late,
    ),
    by_stream(
        Stale,
        "late rows of a file that does not tell `sent_at`",
        lambda: late(whole(), rng()).assign(sent_at=lambda rows: rows["occurred_at"]),
        late,
    ),
    Blind(
        Stale,
        "all features held back by a constant time once that is past",
        stream(Stale, held_back, since=ONSET // SIZE + 6 + 8),
        stream(Stale, held_back, since=ONSET // SIZE),
    ),
    by_stream(
        RepeatedInputs, "a single feature that repeats", after("amount", lambda _: 7.0), repeated
    ),
    by_stream(RepeatedInputs, "inputs that come just twice", in_twos, repeated),
    by_stream(
        RepeatedInputs,
        "repeats farther apart than a pane",
        lambda: features_of_before(whole(), rng()),
        repeated,
    ),
    by_stream(Replayed, "old data under new times", old_as_new, replayed),
    by_stream(Replayed, "data older than the last 32 panes", very_old, replayed),
    by_stream(
        Incoherent, "coherent nonsense", lambda: whole().assign(score=0.9, prediction=1), wrong_side
    ),
    by_stream(
        Leak,
        "features without `feature_times`",
        lambda: leaking(whole(), rng()).drop(columns="feature_time_amount"),
        leaking,
    ),
    by_stream(
        Thinned,
        "less than 27 %",
        lambda: whole()[~some(whole(), rng(), 0.2)].reset_index(drop=True),
        thinned,
    ),
    Blind(
        Skew, "a skew that comes later (drift)", stream(Skew, moved(ONSET)), stream(Skew, moved(0))
    ),
    Blind(
        Duplicates,
        "the same prediction under a new id",
        stream(Duplicates, lambda: repeated(whole(), rng())),
        resent,
    ),
    Blind(
        ShareWatch,
        "a fault that is there from the first event where the share is learnt",
        stream(
            Latency,
            lambda: whole().assign(latency_ms=whole()["latency_ms"] * 6),
            without="latency_ms",
        ),
        stream(Latency, lambda: slow_tail(whole(), rng()), without="latency_ms"),
    ),
)


# ---- what is no check of panes


def label_leak(*, alone: bool) -> Found:
    """The label is one feature, or the exclusive or of two."""
    views = panes(frame(4_000, 21))
    codes = np.concatenate([view.codes for view in views], axis=1)
    names = [column.name for column in profile().columns]
    rows = [names.index(name) for name in ("amount", "items")]
    high = [codes[row] > np.median(codes[row]) for row in rows]
    return label_leaks(profile(), codes, high[0] if alone else high[0] ^ high[1])


def offline(factor: float) -> Found:
    """Serving logs the values times `factor`; what both sides get wrong is in both."""
    wrong = np.arange(200.0) * 1.609344
    return offline_mismatches([Pairs("distance", wrong * factor, wrong)], per_look=1e-4)


OTHERS = (
    Blind(
        stopped,
        "a stream that is thinner than usual without stopping",
        lambda: [stopped(silent_minutes=14.0, allowed_minutes=15.0)],
        lambda: [stopped(silent_minutes=16.0, allowed_minutes=15.0)],
    ),
    Blind(
        label_leaks,
        "a leak that only several features together give away",
        lambda: label_leak(alone=False),
        lambda: label_leak(alone=True),
    ),
    Blind(
        offline_mismatches,
        "a mistake that serving and training share",
        lambda: offline(1.0),
        lambda: offline(1.1),
    ),
)
BLIND = (*NAMED_CAUSES, *STREAM, *OTHERS)


def test_every_check_is_shown_to_be_blind() -> None:
    assert {check.name for check in CHECKS} <= {getattr(row.check, "name", "") for row in BLIND}


@pytest.mark.parametrize("row", BLIND, ids=lambda row: f"{row.check.__name__}: {row.words}")
def test_blind_as_the_docstring_says_and_no_blinder(row: Blind) -> None:
    stated = " ".join((row.check.__doc__ or "").split()).partition("**Blind to**")[2]
    assert row.words in stated.partition("**Cost**")[0]
    assert drifts(row.unseen()) == []
    assert drifts(row.seen())

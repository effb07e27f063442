"""The contract of every member of CHECKS, whoever added it: it finds them itself."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitor.checks.check import Check
from monitor.checks.example import (
    CARD,
    COLOURS,
    PER_EVENT,
    example_panes,
    example_profile,
    example_suite,
)
from monitor.checks.pane_view import PaneView
from monitor.checks.suite import CHECKS, CheckSuite, learn
from monitor.errors import StateError
from monitor.findings import KINDS, Measurement, Verdict
from monitor.packing import pack, unpack
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile, Reference
from monitor.validation.signals import no_signals
from tests.checks.altered import altered, together

STATE_BYTES = 128_000
BROKEN: tuple[dict[str, Any], ...] = (
    {},
    {"x": 7.0},
    {"x": -999.0, "share": 0.5},
    {"factor": 1.609344},
    {"swapped": True},
    {"rename": str.upper},
    {"late_minutes": 180},
    {"renamed": "x_v2"},
    {"text": True},
    {"score": 0.4},
)
"""Streams that between them make the checks speak."""


def said(suite: CheckSuite, panes: Iterable[PaneView]) -> Iterator[Measurement]:
    for pane in panes:
        yield from suite.look(pane)


def drifts(measurements: Iterable[Measurement]) -> list[Measurement]:
    return [m for m in measurements if m.verdict is Verdict.DRIFT]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_names_its_kind_its_blindness_and_its_cost(check: type[Check]) -> None:
    words = check.__doc__ or ""
    assert check.name in KINDS
    assert "**Blind to**" in words
    assert "**Cost**" in words


def test_names_are_used_once() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_what_is_like_the_reference_raises_nothing() -> None:
    assert drifts(said(example_suite(), example_panes(0, 60))) == []


@pytest.mark.parametrize("broken", BROKEN, ids=repr)
def test_the_same_panes_give_the_same_words_and_state(broken: dict[str, Any]) -> None:
    panes = [*example_panes(0, 11), *example_panes(11, 5, **broken)]
    first, second = example_suite(), example_suite()
    assert [*said(first, panes)] == [*said(second, panes)]
    assert pack(first.state()) == pack(second.state())


@pytest.mark.parametrize("broken", BROKEN, ids=repr)
@pytest.mark.parametrize("cut", [3, 13])
def test_restored_checks_go_on_as_if_nothing_had_stopped(broken: dict[str, Any], cut: int) -> None:
    panes = [*example_panes(0, 11), *example_panes(11, 5, **broken), *example_panes(16, 4)]
    whole, before, after = example_suite(), example_suite(), example_suite()
    [*said(whole, panes[:cut])]
    [*said(before, panes[:cut])]
    after.restore(unpack(pack(before.state())))
    assert [*said(after, panes[cut:])] == [*said(whole, panes[cut:])]
    assert pack(after.state()) == pack(whole.state())


def said_of_blocks(suite: CheckSuite, panes: list[PaneView], size: int) -> Iterator[Measurement]:
    """The same of panes that come in blocks of `size`, prepared as a batch would."""
    for start in range(0, len(panes), size):
        block = together(panes[start : start + size])
        before = pack(suite.state())
        suite.prepare(block)
        assert pack(suite.state()) == before
        for place in range(len(block)):
            yield from suite.look(block.pane(place))


@pytest.mark.parametrize("broken", BROKEN, ids=repr)
def test_panes_prepared_together_are_said_the_same_of(broken: dict[str, Any]) -> None:
    panes = [*example_panes(0, 11), *example_panes(11, 7, **broken), *example_panes(18, 9)]
    alone = example_suite()
    words = [*said(alone, panes)]
    for size in (4, len(panes)):
        suite = example_suite()
        assert [*said_of_blocks(suite, panes, size)] == words
        assert pack(suite.state()) == pack(alone.state())


def test_what_was_prepared_in_vain_changes_nothing() -> None:
    panes = [*example_panes(0, 11), *example_panes(11, 5, factor=1.609344)]
    alone, suite = example_suite(), example_suite()
    assert [*said(suite, panes[:8])] == [*said(alone, panes[:8])]
    suite.prepare(together(panes[8:]))
    assert [*said(suite, panes[8:])] == [*said(alone, panes[8:])]  # in blocks of their own
    assert pack(suite.state()) == pack(alone.state())


def test_state_of_other_columns_is_refused() -> None:
    suite = example_suite()
    [*said(suite, example_panes(0, 2))]
    state = unpack(pack(suite.state()))
    state["history"]["knots"] = state["history"]["knots"][:, :1]
    with pytest.raises(StateError, match="start the windows of the version anew"):
        example_suite().restore(state)


def test_state_is_bounded_and_does_not_grow() -> None:
    suite = example_suite()
    [*said(suite, example_panes(0, 60))]
    first = len(pack(suite.state()))
    [*said(suite, example_panes(60, 40))]
    assert len(pack(suite.state())) <= first + 64  # numbers that take a byte more
    assert first < STATE_BYTES


def empty(pane: PaneView) -> PaneView:
    """The same pane with no value in any column."""
    codes = np.full_like(pane.codes, NULL_CODE)
    values = np.full_like(pane.values, np.nan)
    return altered(pane, codes=codes, values=values, faults=())


def test_columns_without_values_are_no_claim() -> None:
    suite = example_suite()
    [*said(suite, example_panes(0, 12))]
    found = drifts(said(suite, map(empty, example_panes(12, 8))))
    assert [m for m in found if m.feature] == []  # of the whole: all inputs are the same, in truth


def degenerate(number: float, name: str | None) -> tuple[Profile, list[PaneView]]:
    """A reference whose numbers and categories all are one value, or none, and its own panes."""
    profile = example_profile()
    columns: list[Reference] = []
    for column in profile.columns:
        if isinstance(column, CategoryReference):
            columns.append(CategoryReference.from_values(column.name, [name] * 5_000))
        else:
            columns.append(NumberReference.from_values(column.name, np.full(5_000, number)))
    profile = replace(profile, columns=tuple(columns), checks={})
    numbers = [column.name for column in columns if isinstance(column, NumberReference)]
    categories = [column.name for column in columns if isinstance(column, CategoryReference)]
    values = np.full((len(numbers), 250), number)
    codes = profile.encode(
        dict(zip(numbers, values, strict=True)), {key: [name] * 250 for key in categories}, 250
    )
    panes = [
        altered(pane, codes=codes, values=values, signals=no_signals(250), faults=())
        for pane in example_panes(0, 40)
    ]
    return replace(profile, checks=learn(CARD, profile, panes)), panes


@pytest.mark.parametrize(
    ("number", "name"), [(1.0, COLOURS[0]), (0.0, ""), (np.nan, None)], ids=repr
)
def test_a_reference_of_one_value_or_none_is_learnt_and_raises_nothing(
    number: float, name: str | None
) -> None:
    profile, panes = degenerate(number, name)
    suite = CheckSuite(CARD, profile, PER_EVENT)
    assert drifts(said(suite, panes)) == []


def test_without_anything_learnt_nothing_is_claimed() -> None:
    suite = CheckSuite(CARD, replace(example_profile(), checks={}), PER_EVENT)
    panes = [*example_panes(0, 11), *example_panes(11, 8, factor=1.609344)]
    assert [m for m in drifts(said(suite, panes)) if m.feature] == []


def test_profiles_keep_what_was_learnt() -> None:
    profile = example_profile()
    again = Profile.from_bytes(profile.to_bytes())
    assert profile.checks.keys() == again.checks.keys()
    for name, arrays in profile.checks.items():
        for key, array in arrays.items():
            assert array.dtype == np.float64, (name, key)
            np.testing.assert_array_equal(array, again.checks[name][key])


def test_a_claim_that_ends_is_cleared_after_enough_looks() -> None:
    suite = example_suite()
    [*said(suite, [*example_panes(0, 11), *example_panes(11, 3, x=7.0)])]
    after = [m for m in said(suite, example_panes(14, 6)) if m.check == "stuck"]
    assert [(m.verdict, m.cleared) for m in after] == [(Verdict.OK, True)] * 2

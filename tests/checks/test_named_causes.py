"""Each check of a named cause: its fault is named, and nothing else is."""

from typing import Any

import pytest

from monitor.checks.causes import CAUSES, one_cause
from monitor.checks.claim import claim
from monitor.checks.example import example_panes, example_suite
from monitor.findings import Measurement, Verdict
from tests.checks.altered import altered

NAMED = {*CAUSES, "collapsed"}


def claims(onset: int = 11, panes: int = 8, **broken: Any) -> list[Measurement]:
    """What the named causes say once a pane is broken: after `onset` healthy ones."""
    suite = example_suite()
    for pane in example_panes(0, onset):
        assert suite.look(pane) == []
    found = [m for pane in example_panes(onset, panes, **broken) for m in suite.look(pane)]
    return [m for m in found if m.verdict is Verdict.DRIFT and m.check in NAMED]


FAULTS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("stuck", "x", {"x": 41.5}, "the same value 41.5"),
    ("stuck", "c", {"rename": lambda _: "grey"}, "the same value 'grey'"),
    ("placeholder", "x", {"x": -1.0, "share": 0.3}, "-1 stands for"),
    ("placeholder", "x", {"x": 40.0, "share": 0.4}, "40 stands for"),
    ("placeholder", "c", {"rename": lambda n: "?" if n == "blue" else n}, "'?' stands for"),
    ("unit", "x", {"factor": 100.0}, "cents"),
    ("unit", "x", {"factor": 2.54}, "inches had become centimetres"),
    ("unit", "x", {"factor": 0.45359237}, "pounds had become kilograms"),
    ("swap", "x", {"swapped": True}, "x and y are exchanged"),
    ("time_zone", "minute", {"late_minutes": -330}, "-5.5 h (18.5 h the other way)"),
    ("encoding", "c", {"rename": lambda n: n[:1]}, "cut after 1 character"),
    ("encoding", "c", {"rename": lambda n: f" {n} "}, "in other letters"),
    ("encoding", "c", {"rename": lambda n: str(len(n) + ord(n[1]))}, "numbers instead of names"),
    ("encoding", "c", {"rename": lambda n: f"colour:{n}"}, "something around them"),
    (
        "encoding",
        "c",
        {"rename": {"red": "grey", "grey": "blue", "blue": "green", "green": "red"}.__getitem__},
        "permuted",
    ),
    ("schema", "x", {"gone": True}, "x is gone"),
    ("schema", "x", {"renamed": "X"}, "X comes instead of it"),
    ("schema", "x", {"text": True}, "changed its type"),
    ("collapsed", "score", {"score": 0.31}, "score has collapsed"),
)


@pytest.mark.parametrize(("check", "feature", "broken", "words"), FAULTS)
def test_a_fault_is_named_within_eight_panes_and_nothing_else_is(
    check: str, feature: str, broken: dict[str, Any], words: str
) -> None:
    found = claims(**broken)
    assert any((m.check, m.feature) == (check, feature) and words in m.reason for m in found), found
    assert {m.check for m in found} == {check}


def test_a_conversion_is_claimed_until_it_is_undone() -> None:
    suite = example_suite()
    for pane in example_panes(0, 11):
        suite.look(pane)
    broken = [m for pane in example_panes(11, 30, factor=1.609344) for m in suite.look(pane)]
    assert {m.verdict for m in broken if m.check == "unit"} == {Verdict.DRIFT}
    after = [m for pane in example_panes(41, 8) for m in suite.look(pane)]
    assert [m.verdict for m in after if m.check == "unit"][-2:] == [Verdict.OK] * 2


def told(check: str, feature: str, verdict: Verdict = Verdict.DRIFT) -> Measurement:
    return claim(check, feature, verdict, scale=250, effect=1.0, threshold=0.1, reason="because")


SCHEMA, UNIT, STATUS = told("schema", "x"), told("unit", "x"), told("status", "")


@pytest.mark.parametrize(
    ("found", "raised", "kept"),
    [
        ([SCHEMA, UNIT, STATUS], {}, [SCHEMA, STATUS]),
        ([told("swap", "x"), told("unit", "y")], {}, [told("swap", "x"), told("unit", "y")]),
        ([told("placeholder", "x"), UNIT], {"unit": {"x"}}, [UNIT]),
        ([told("encoding", "x")], {"unit": {"x"}}, []),
        (
            [told("encoding", "x"), told("unit", "x", Verdict.OK)],
            {"unit": {"x"}},
            [told("encoding", "x"), told("unit", "x", Verdict.OK)],
        ),
    ],
)
def test_one_cause_for_a_feature(
    found: list[Measurement], raised: dict[str, set[str]], kept: list[Measurement]
) -> None:
    assert one_cause(found, raised) == kept


def test_what_is_overruled_moves_no_alert() -> None:
    kept = one_cause([SCHEMA, UNIT], {"unit": {"x"}})
    assert [(m.check, m.verdict) for m in kept] == [
        ("schema", Verdict.DRIFT),
        ("unit", Verdict.CANNOT_TELL),
    ]


def test_event_times_that_jump_are_told_from_a_column_that_moved() -> None:
    suite = example_suite()
    for pane in example_panes(0, 11):
        suite.look(pane)
    moved = [
        altered(pane, occurred_us=pane.occurred_us - 3 * 3_600_000_000)
        for pane in example_panes(11, 2)
    ]
    found = [m for pane in moved for m in suite.look(pane)]
    found = [m for m in found if m.check == "time_zone"]
    assert {m.feature for m in found} == {""}
    assert found[0].reason.startswith("occurred_at: as if in another time zone: -3 h")

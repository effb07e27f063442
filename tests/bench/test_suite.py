"""The page of results is composed of what is kept, item by item."""

import doctest
import importlib
from pathlib import Path

import pytest

from bench.suite.__main__ import run
from bench.suite.items import ITEMS, Item
from bench.suite.outcome import Claim, Outcome, asked_of, shown
from bench.suite.page import Kept, keep, kept_in, markdown


@pytest.mark.parametrize("name", ["bench.suite.outcome", "bench.site", "bench.latency"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed


def kept(*claims: Claim) -> Kept:
    return Kept(Outcome(claims, "a | table", "numpy 2"), "", "a machine", "commit 1", 3.0)


def test_an_item_measured_again_takes_its_own_place_alone(tmp_path: Path) -> None:
    first, second = ITEMS[0], ITEMS[1]
    keep(tmp_path, first, kept(asked_of("ratio", [7.0], "at least", 8, form=".1f")))
    keep(tmp_path, second, kept(asked_of("ratio", [101.0], "at least", 100)))
    keep(tmp_path, first, kept(asked_of("ratio", [9.0, 8.5, 9.5], "at least", 8, form=".1f")))
    page = markdown(kept_in(tmp_path))
    assert "| ratio | at least 8.0 | 9.0 (8.5 to 9.5) | met |" in page
    assert "| ratio | at least 100 | 101 | met |" in page
    assert "not met" not in page
    assert page.count("not measured") == len(ITEMS) - 2


def test_every_item_stands_on_the_page_with_its_command_and_what_it_was_made_with(
    tmp_path: Path,
) -> None:
    for item in ITEMS[1:]:
        keep(tmp_path, item, kept(Claim("a | b", "", "1", met=None)))
    keep(tmp_path, ITEMS[0], Kept(None, "no broker", "a machine", "commit 1", 1.0))
    page = markdown(kept_in(tmp_path))
    for number, item in enumerate(ITEMS, 1):
        assert f"## {number}. {item.title}" in page
        assert item.command in page
    assert page.count("- a machine") == len(ITEMS)
    assert "no broker" in page
    assert "**failed**" in page
    assert "a \\| b" in page


def test_a_missed_claim_is_a_missed_item() -> None:
    outcome = Outcome((asked_of("p50", [2.0], "under", 1.5, form=".1f", unit="s"),), "t", "v")
    assert not outcome.met
    assert "not met" in shown(outcome)
    assert Outcome((Claim("beside", "", "3", met=None),), "t", "v").met


def test_an_item_that_fails_is_told_and_one_that_takes_too_long_is_ended() -> None:
    failed = run(Item("no-such-item", "None", "bench.none", 60), quick=True)
    assert failed.outcome is None
    assert "no-such-item" in failed.failure
    late = run(Item("engine", "Engine", "bench.engine", 0), quick=True)
    assert late.outcome is None
    assert "ended after 0 s" in late.failure


def test_every_item_has_its_measure() -> None:
    for item in ITEMS:
        assert callable(importlib.import_module(item.module).measure)

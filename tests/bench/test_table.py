"""Scores, targets and the page, and one short run of our side through the whole path."""

import doctest
import importlib
from dataclasses import asdict
from pathlib import Path

import pytest

from bench.detection.contestants import ALL, ROOT
from bench.detection.parts import Entry, Options, constant
from bench.detection.report import markdown
from bench.detection.results import Book, Measured
from bench.detection.score import ANY_FEATURE, Trial, row_of
from bench.detection.targets import targets
from bench.peers.job import Alarm

MODULES = ("catalogue", "contestants", "report", "score", "streams")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"bench.detection.{name}"))
    assert result.attempted
    assert not result.failed


def trial(*alarms: Alarm, onset: int | None = 500) -> Trial:
    return Trial(1_000, alarms, 1.0, onset, "" if onset is None else "f1")


@pytest.mark.parametrize(
    ("alarms", "false_alarms", "delay"),
    [
        ((), 0, None),
        (((499, "f1"),), 1, None),
        (((500, "f1"),), 0, 1),
        (((700, "f2"), (720, "f1")), 1, 221),
        (((499, ""), (600, "")), 1, None),
        (((499, ANY_FEATURE), (999, ANY_FEATURE)), 1, 500),
    ],
)
def test_what_is_false_and_what_is_a_catch(
    alarms: tuple[Alarm, ...], false_alarms: int, delay: int | None
) -> None:
    one = trial(*alarms)
    assert (one.false_alarms(), one.delay()) == (false_alarms, delay)


def test_without_a_change_every_alarm_is_false() -> None:
    row = row_of("null", "x", [trial((1, "f1"), (2, ""), onset=None), trial(onset=None)])
    assert (row.false_alarms, row.caught, row.delays) == (2, None, None)
    assert row.rates == (0.0, 2_000.0, 2_000.0)
    # The bound on 2 counts is chi2.ppf(.95, 6) / 2 = 6.30, over 2,000 events.
    assert row.upper_bound == pytest.approx(3_148, abs=1)


def test_a_missed_change_is_no_short_delay() -> None:
    row = row_of("mean", "x", [trial((510, "f1")), trial(), trial()])
    assert row.caught == 1
    assert row.delays == (11.0, float("inf"), float("inf"))


def measured(stream: str, *trials: Trial) -> Measured:
    row = row_of(stream, "plumbline", trials)
    return Measured(Entry(stream, "plumbline", asdict(row)), "today", 1.0)


def test_targets_are_judged_and_never_left_out(tmp_path: Path) -> None:
    book = Book(tmp_path)
    everything = [target.verdict for target in targets(book.results())]
    assert set(everything) == {"not measured"}
    book.add("nulls", measured("null: normal", trial(onset=None)))
    book.add("shifts", measured("mean 1, floor 0", trial((559, "f1"))))
    book.add("shifts", measured("AR(1) .9: mean 2", trial()))
    verdicts = {target.name: target.verdict for target in targets(book.results())}
    assert len(verdicts) == len(everything)
    assert verdicts["null: normal"] == "**not met**"  # too few events
    assert verdicts["mean 1, floor 0"] == "met"  # 60 events
    assert verdicts["AR(1) .9: mean 2"] == "**not met**"


def test_a_row_measured_again_replaces_the_old_one(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.add("shifts", measured("mean 1", trial((520, "f1"))))
    book.add("shifts", measured("mean 1", trial((540, "f1"))))
    page = markdown(book.results(), quick=True)
    assert page.count("| mean 1 |") == 1
    assert "| 1 of 1 | 41 (41 to 41) |" in page


def test_constant_features_that_start_to_vary_fire_and_steady_ones_do_not() -> None:
    options = Options(quick=True, who=("plumbline",), processes=1)
    [entry] = constant(options)
    assert entry.figures["false_alarms"] == 0
    assert entry.figures["caught"] == entry.figures["of"] == 4


def test_every_peer_has_its_script_and_its_pins() -> None:
    for contestant in ALL[3:]:
        assert (ROOT / "bench" / "peers" / f"{contestant.name}.py").exists()
        if contestant.environment:
            assert (ROOT / "bench" / "peers" / f"{contestant.environment}.txt").exists()

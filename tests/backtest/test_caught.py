"""The definition of caught, named, and the cause named."""

from dataclasses import replace

import pytest

from monitor.backtest.caught import WITHIN, Expectation, Firing, outcome

UNIT = Firing("UnitChange", "temp", "unit", 500, "temp: as if Fahrenheit had become Celsius", 0.2)
DRIFT = Firing("FeatureDrift", "temp", "ks", 250, "", 0.1)
WANTED = Expectation(("UnitChange",), ("temp",), (("celsius",), ("fahrenheit", "°f")))


def test_another_kind_on_a_feature_whose_drift_the_twin_has_too_is_a_catch() -> None:
    found = outcome(WANTED, [DRIFT, UNIT], [DRIFT])
    assert found.by == UNIT
    assert found.named_by == UNIT
    assert found.cause_by == UNIT
    assert found.twin == (DRIFT,)


def test_an_alert_that_the_twin_raises_at_any_time_does_not_count() -> None:
    assert not outcome(WANTED, [DRIFT], [replace(DRIFT, delay=1_900)]).caught
    assert not outcome(WANTED, [UNIT], [replace(UNIT, delay=10, reason="other")]).caught


@pytest.mark.parametrize(("delay", "caught"), [(1, True), (WITHIN, True), (WITHIN + 1, False)])
def test_it_has_to_come_in_time(delay: int, caught: bool) -> None:
    assert outcome(WANTED, [replace(UNIT, delay=delay)], []).caught is caught


def test_the_first_alert_catches_and_only_a_right_kind_on_a_touched_feature_names() -> None:
    elsewhere = replace(UNIT, feature="dewp", delay=100)
    whole = Firing("JointDrift", "", "joint_shift", 150, "", 0.1)
    found = outcome(WANTED, [elsewhere, DRIFT, whole], [])
    assert found.by == whole
    assert found.named_by is None
    assert found.cause_by is None
    found = outcome(WANTED, [replace(UNIT, feature=""), DRIFT], [])
    assert found.named_by is None, "a fault of one feature is not named by an alert of none"


def test_a_fault_of_the_version_is_named_by_an_alert_of_the_version() -> None:
    late = Firing("StaleInputs", "", "stale", 750, "events are hours old", 0.1)
    assert outcome(Expectation(("StaleInputs",), ("",)), [late], []).named_by == late


def test_every_group_of_words_has_to_stand_in_the_reason() -> None:
    half = replace(UNIT, reason="temp is in Celsius now")
    found = outcome(WANTED, [half], [])
    assert found.named_by == half
    assert found.cause_by is None
    assert outcome(WANTED, [half, replace(UNIT, delay=900)], []).cause_by is not None


@pytest.mark.parametrize(
    ("word", "reason", "stands"),
    [
        ("0", "price: 0 stands for 60%", True),
        ("0", "price: 7 stands for 60% of 250", False),
        ("4 h", "as if in another time zone: -4 h", False),
        ("4 h", "off by 4 hours", True),
        ("4 h", "off by 14 h", False),
        ("-999", "x: -999 stands for 40%", True),
        ("999", "x: -999 stands for 40%", False),
        ("1.61", "now = 1.61 x before.", True),
        ("1.6", "now = 1.61 x before.", False),
        ("20.5", "the mean is 20.5.", True),
        ("celsius", "in Celsius", True),
    ],
)
def test_a_number_stands_there_only_as_a_whole(word: str, reason: str, stands: bool) -> None:
    told = outcome(
        Expectation(("UnitChange",), ("temp",), ((word,),)), [replace(UNIT, reason=reason)], []
    )
    assert (told.cause_by is not None) is stands

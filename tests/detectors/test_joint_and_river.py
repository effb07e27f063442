"""Joint shift, correlation breaks, and River's detectors by name."""

from typing import Any

import numpy as np
import pytest
from river import checks, drift

from monitor.detectors.battery import Battery
from monitor.detectors.ks_detector import KSDetector
from monitor.detectors.river_detectors import RiverStream, identity, make
from monitor.errors import ConfigError
from monitor.findings import Measurement, Verdict
from monitor.sketches.codes import NULL_CODE, Codes
from schemas.model import Monitoring, RiverDetector
from tests.detectors.streams import encoded, named, normal, profile_of

ONE_SCALE = Monitoring(scales=(1_000,), events_per_day=1e5 / 30, effect_floor=0.03)


def _of_the_model(battery: Battery, codes: Codes) -> dict[str, Measurement]:
    return {m.check: m for m in battery.test(1_000, codes) if not m.feature}


def test_many_small_shifts_are_one_finding_with_a_ranked_list() -> None:
    rng = np.random.default_rng(0)
    profile = profile_of(named(normal(rng, 30_000, 20)), None, ONE_SCALE)
    battery = Battery(profile, ONE_SCALE)
    quiet = _of_the_model(battery, encoded(profile, normal(rng, 1_000, 20)))["joint_shift"]
    assert quiet.verdict is Verdict.OK
    moved = normal(rng, 1_000, 20) + 0.12
    moved[7] += 0.3
    found = battery.test(1_000, encoded(profile, moved))
    joint = next(m for m in found if m.check == "joint_shift")
    alone = [m.feature for m in found if m.check == "ks" and m.verdict is Verdict.DRIFT]
    assert joint.verdict is Verdict.DRIFT
    assert next(iter(joint.values)) == "x7"
    assert len(joint.values) == 10
    assert joint.effect > joint.threshold
    assert len(alone) < 10


def test_a_broken_correlation_is_seen_though_each_column_keeps_its_distribution() -> None:
    rng = np.random.default_rng(1)
    base = normal(rng, 20_000, 3)
    base[1] = 0.8 * base[0] + 0.6 * base[1]
    profile = profile_of(named(base), None, ONE_SCALE)
    battery = Battery(profile, ONE_SCALE)
    same = normal(rng, 1_000, 3)
    same[1] = 0.8 * same[0] + 0.6 * same[1]
    found = battery.test(1_000, encoded(profile, same))
    assert all(m.verdict is Verdict.OK for m in found)
    found = battery.test(1_000, encoded(profile, normal(rng, 1_000, 3)))
    broken = [m for m in found if m.verdict is Verdict.DRIFT]
    assert [m.check for m in broken] == ["correlation"]
    assert list(broken[0].values) == ["x0~x1"]
    assert "x0 and x1" in broken[0].reason


def test_a_column_that_stands_still_breaks_no_correlation() -> None:
    rng = np.random.default_rng(2)
    profile = profile_of(named(normal(rng, 20_000, 2)), None, ONE_SCALE)
    values = normal(rng, 1_000, 2)
    values[1, 3:] = np.nan
    found = Battery(profile, ONE_SCALE).test(1_000, encoded(profile, values))
    correlation = next(m for m in found if m.check == "correlation")
    assert correlation.verdict is Verdict.OK


@pytest.mark.parametrize("name", ["ADWIN", "PageHinkley"])
def test_rivers_detectors_go_on_after_a_restart_as_if_nothing_had_been(name: str) -> None:
    card = RiverDetector(name=name, feature="x")
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 101, 3_000).astype(np.uint16)
    codes[1_700:] = rng.integers(60, 101, 1_300)
    codes[::17] = NULL_CODE
    ranks = np.linspace(0.0, 1.0, 101)
    whole = RiverStream(card, ranks, half=500)
    expected = whole.observe(codes)
    for cut in (1, 499, 500, 501, 1_000, 1_999, 2_600):
        stream = RiverStream(card, ranks, half=500)
        before = stream.observe(codes[:cut])
        other = RiverStream(card, ranks, half=500)
        other.restore(cut, codes[max(cut - 1_000, 0) : cut])
        assert before + [cut + i for i in other.observe(codes[cut:])] == expected
    if name != "PageHinkley":
        assert expected


def test_a_stochastic_detector_draws_the_same_every_time() -> None:
    card = RiverDetector(name="KSWIN", feature="x", parameters={"window_size": 60, "stat_size": 20})
    codes = np.random.default_rng(5).integers(0, 101, 300).astype(np.uint16)
    codes[200:] = 95
    streams = [RiverStream(card, np.linspace(0.0, 1.0, 101)) for _ in range(2)]
    first, second = (stream.observe(codes) for stream in streams)
    assert first == second
    assert any(index >= 200 for index in first)


def test_a_flooding_detector_is_switched_off_with_the_reason() -> None:
    monitoring = ONE_SCALE.model_copy(
        update={
            "detectors": (
                RiverDetector(name="ADWIN", feature="x0"),
                RiverDetector(name="ADWIN", feature="x1"),
            )
        }
    )
    rng = np.random.default_rng(6)
    values = normal(rng, 20_000, 2)
    values[1] = normal(rng, 20_000, 1, 0.98)[0]
    profile = profile_of(named(values), None, monitoring)
    battery = Battery(profile, monitoring)
    notes = {note.column: note for note in battery.explain_events() if note.test == "river"}
    assert notes["x0"].on
    assert not notes["x1"].on
    assert "times on 20000 reference events" in notes["x1"].words
    stream = normal(rng, 3_000, 2)
    stream[0, 1_500:] += 1.0
    codes = encoded(profile, stream)
    alarms = [
        (begin + index, claim)
        for begin in range(0, 3_000, 250)
        for index, claim in battery.observe(codes[:, begin : begin + 250])
        if claim.check == "river"
    ]
    assert len(alarms) == 1
    assert 1_500 < alarms[0][0] < 1_700
    assert alarms[0][1].immediate


def test_a_detector_that_the_profile_does_not_know_is_off() -> None:
    rng = np.random.default_rng(7)
    profile = profile_of(named(normal(rng, 6_000, 1)), None, ONE_SCALE)
    later = ONE_SCALE.model_copy(update={"detectors": (RiverDetector(name="ADWIN", feature="x0"),)})
    (note,) = [n for n in Battery(profile, later).explain_events() if n.test == "river"]
    assert not note.on
    assert "run `plumbline profile` again" in note.words


def test_wrong_names_and_parameters_are_errors_that_say_what_there_is() -> None:
    with pytest.raises(ConfigError, match="one of ADWIN"):
        make(RiverDetector(name="Nope", feature="x"))
    with pytest.raises(ConfigError, match="cannot be made"):
        make(RiverDetector(name="ADWIN", feature="x", parameters={"wrong": 1}))
    assert identity(RiverDetector(name="KSWIN", feature="x")) == "KSWIN() on x"


def test_ks_detector_passes_what_rivers_own_detectors_pass() -> None:
    # check_tags reads an attribute that estimators have and River's detectors have not.
    passed = 0
    theirs: Any = drift.KSWIN()  # its checks are typed for estimators
    for check in checks.yield_checks(theirs):
        if check.__name__ != "check_tags":
            check(drift.KSWIN())
            check(KSDetector())
            passed += 1
    assert passed > 8


def test_ks_detector_finds_a_shift_and_begins_again() -> None:
    rng = np.random.default_rng(9)
    detector, found = KSDetector(window_size=200, reference_size=500), []
    for i, value in enumerate(np.concatenate((rng.normal(size=3_000), rng.normal(1, 1, 3_000)))):
        detector.update(float(value))
        if detector.drift_detected:
            found.append(i)
    assert len(found) == 1
    assert 3_000 < found[0] < 3_200
    with pytest.raises(ValueError, match="alpha is 2"):
        KSDetector(alpha=2)
    with pytest.raises(ValueError, match="at least 8"):
        KSDetector(window_size=2)


def test_many_columns_are_not_paired_and_cost_no_square() -> None:
    rng = np.random.default_rng(3)
    profile = profile_of(named(normal(rng, 5_000, 60)), None, ONE_SCALE)
    assert profile.calibration.pair_mean.shape == (1, 0, 0)
    found = Battery(profile, ONE_SCALE).test(1_000, encoded(profile, normal(rng, 1_000, 60)))
    assert "correlation" not in {m.check for m in found}
    assert type(profile).from_bytes(profile.to_bytes()).hash == profile.hash

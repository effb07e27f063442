"""A profile is data: the same bytes every time, and nothing else is read."""

from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import ProfileError
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.profile import Profile
from schemas.model import Monitoring, RiverDetector
from tests.detectors.streams import profile_of


def small() -> Profile:
    rng = np.random.default_rng(0)
    monitoring = Monitoring(
        pane_events=50, scales=(200, 400), detectors=(RiverDetector(name="ADWIN", feature="age"),)
    )
    return profile_of(
        {"age": rng.normal(size=2_000), "zero": np.where(rng.random(2_000) < 0.9, 0.0, 1.5)},
        {"origin": rng.choice(["EWR", "JFK"], 2_000).tolist()},
        monitoring,
    )


_DATA = small().to_bytes()


@pytest.fixture
def data() -> bytes:
    return _DATA


def test_bytes_and_hash_are_the_same_every_time(data: bytes) -> None:
    again = Profile.from_bytes(data)
    assert again.to_bytes() == data
    assert small().to_bytes() == data
    assert again.hash == small().hash
    assert again.hash.startswith("sha256:")
    assert len(again.hash) == 71


def test_everything_comes_back(data: bytes) -> None:
    before, after = small(), Profile.from_bytes(data)
    assert after.names == ("age", "zero", "origin")
    assert after.calibration.river_names == before.calibration.river_names
    values = {"age": np.array([0.0, np.nan]), "zero": np.array([0.0, 1.0])}
    codes = after.encode(values, {"origin": ["JFK", None]}, 2)
    assert (codes == before.encode(values, {"origin": ["JFK", None]}, 2)).all()
    for name in ("design_effect", "certainty", "pair_mean", "sequential_effect"):
        np.testing.assert_array_equal(
            getattr(before.calibration, name), getattr(after.calibration, name)
        )


def test_a_column_that_the_batch_lacks_has_no_values(data: bytes) -> None:
    codes = Profile.from_bytes(data).encode({"age": np.array([0.1, 0.2])}, {}, 2)
    assert codes.shape == (3, 2)
    assert (codes[1:] == NULL_CODE).all()
    assert (codes[0] != NULL_CODE).all()


def _set(path: tuple[str | int, ...], value: Any) -> Any:
    def change(document: Any) -> None:
        place = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set(("version",), 99), "version 99.*run `plumbline profile` again"),
        (_set(("format",), "pickle"), "format 'pickle'"),
        (_set(("n_rows",), "many"), "n_rows is not a int"),
        (_set(("extra",), 1), "unknown keys: 'extra'"),
        (_set(("columns", 0, "kind"), "exec"), "kind 'exec'"),
        (_set(("columns", 0, "kind"), ["number"]), "kind"),
        (_set(("columns", 0, "points"), ["<f8", [3], b"12345678"]), "the 3 numbers of its shape"),
        (_set(("columns", 0, "points"), ["|O", [1], b"12345678"]), "dtype '|O'"),
        (_set(("columns", 0, "points"), ["<f8", [-1], b""]), "no valid shape"),
        (_set(("columns", 0, "points"), ["<f8", [1 << 60], b""]), "numbers of its shape"),
        (_set(("columns", 2, "names"), ["a", 7]), "names that are not text"),
        (_set(("calibration", "time_ordered"), 1), "time_ordered is not a bool"),
        (_set(("calibration", "certainty"), ["<f8", [0], b""]), "certainty has shape"),
        (_set(("columns",), []), "calibration 3"),
        (_set(("events_per_day",), float("nan")), "events_per_day"),
    ],
)
def test_what_is_not_a_profile_is_refused(data: bytes, change: Any, message: str) -> None:
    document = msgpack.unpackb(data)
    change(document)
    with pytest.raises(ProfileError, match=message):
        Profile.from_bytes(msgpack.packb(document))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_are_refused(noise: bytes) -> None:
    with pytest.raises(ProfileError):
        Profile.from_bytes(noise)


@given(st.integers(0, 1 << 30), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_one_wrong_byte_is_refused_or_read_as_other_numbers(place: int, byte: int) -> None:
    damaged = bytearray(_DATA)
    damaged[place % len(damaged)] = byte
    try:
        Profile.from_bytes(bytes(damaged))
    except ProfileError:
        return


def test_a_cut_profile_is_refused(data: bytes) -> None:
    for end in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(ProfileError):
            Profile.from_bytes(data[:end])
    with pytest.raises(ProfileError):
        Profile.from_bytes(data + b"\x00")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ProfileError):
        Profile.from_bytes(b"\x91" * 100_000 + b"\xc0")


def test_a_profile_of_version_2_is_read_without_what_came_later(data: bytes) -> None:
    document = msgpack.unpackb(data)
    document["version"] = 2
    for name in ("performance", "surrogate"):
        del document[name]
    profile = Profile.from_bytes(msgpack.packb(document))
    assert (profile.performance, profile.surrogate) == ({}, {})
    assert profile.names == small().names

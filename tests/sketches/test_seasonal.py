"""Seasonal references: mornings are compared with mornings."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.clock import to_us
from monitor.detectors.battery import Battery
from monitor.detectors.calibration import calibrate
from monitor.errors import ProfileError
from monitor.events import Float64, Int64
from monitor.findings import Verdict
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.sketches.seasonal import SeasonalReference, season_of, seasonal_reference
from schemas import time_features
from schemas.model import Monitoring

HOUR_US = 3_600_000_000
SEASONAL = Monitoring(
    scales=(1_000,), seasonality="hour_of_day", events_per_day=1e6 / 30, effect_floor=0.1
)


def _stream(seed: int, first_day: int, days: int, by: float = 0.0) -> tuple[Float64, Int64]:
    """Ten events an hour: a daily wave of 2 sigma and noise of 1."""
    hours = np.arange(first_day * 24 * HOUR_US, (first_day + days) * 24 * HOUR_US, HOUR_US // 10)
    wave = 2.0 * np.sin(2 * np.pi * (hours % (24 * HOUR_US)) / (24 * HOUR_US))
    return wave + by + np.random.default_rng(seed).normal(size=hours.size), hours


def _profile(column: NumberReference, values: Float64, times: Int64) -> Profile:
    codes = (
        column.codes_at(values, times)
        if isinstance(column, SeasonalReference)
        else column.codes(values)
    )[None, :]
    return Profile(
        model="m",
        model_version="1",
        columns=(column,),
        calibration=calibrate(codes, [column], SEASONAL, time_ordered=True),
        n_rows=values.size,
        started_us=int(times[0]),
        ended_us=int(times[-1]),
        events_per_day=240.0,
        time_ordered=True,
        longest_gap_us=HOUR_US,
        hourly_counts=np.zeros(168, dtype=np.int64),
        dataset_fingerprint="sha256:" + "0" * 64,
    )


def test_seasons_are_those_that_producers_derive() -> None:
    moments = [datetime(2013, 2, 1, tzinfo=UTC) + timedelta(hours=7 * k) for k in range(100)]
    times = np.array([to_us(moment) for moment in moments])
    features = [time_features(moment) for moment in moments]
    assert season_of(times, "hour_of_day").tolist() == [f.hour for f in features]
    assert season_of(times, "day_of_week").tolist() == [f.day_of_week for f in features]


def test_a_shift_inside_the_season_is_seen_by_the_seasonal_reference_alone() -> None:
    values, times = _stream(0, 0, 60)
    seasonal = _profile(seasonal_reference("x", values, times, "hour_of_day"), values, times)
    plain = _profile(NumberReference.from_values("x", values), values, times)
    for by, expected in ((0.0, Verdict.OK), (0.8, Verdict.DRIFT)):
        now, now_us = _stream(1, 70, 10, by)
        codes = seasonal.encode({"x": now}, {}, now.size, now_us)
        found = Battery(seasonal, SEASONAL).test(1_000, codes[:, :1_000])
        assert next(m for m in found if m.check == "ks").verdict is expected
    event = Battery(seasonal, SEASONAL).explain_events()[0]
    assert event.on
    assert not Battery(plain, SEASONAL).explain_events()[0].on
    assert "same hour_of_day" in Battery(seasonal, SEASONAL).explain()[0].words
    assert "does not cover hour_of_day" in Battery(plain, SEASONAL).explain()[0].words


def test_a_seasonal_profile_comes_back_from_its_bytes() -> None:
    values, times = _stream(0, 0, 40)
    profile = _profile(seasonal_reference("x", values, times, "hour_of_day"), values, times)
    again = Profile.from_bytes(profile.to_bytes())
    assert again.hash == profile.hash
    codes = again.encode({"x": values[:50]}, {}, 50, times[:50])
    assert (codes == profile.encode({"x": values[:50]}, {}, 50, times[:50])).all()


def test_events_without_times_are_refused_not_guessed() -> None:
    values, times = _stream(0, 0, 40)
    profile = _profile(seasonal_reference("x", values, times, "hour_of_day"), values, times)
    with pytest.raises(ProfileError, match="give the times"):
        profile.encode({"x": values}, {}, values.size)


def test_a_season_that_is_not_covered_is_not_compared() -> None:
    values, times = _stream(0, 0, 3)
    assert not isinstance(seasonal_reference("x", values, times, "hour_of_day"), SeasonalReference)
    values, times = _stream(0, 0, 60)
    night = times % (24 * HOUR_US) < 6 * HOUR_US
    column = seasonal_reference("x", values[~night], times[~night], "hour_of_day")
    assert not isinstance(column, SeasonalReference)
    weekly = seasonal_reference("x", values, times, "day_of_week")
    assert isinstance(weekly, SeasonalReference)
    assert len(weekly.buckets) == 7


def test_missing_values_stay_missing_and_short_windows_meet_smaller_samples() -> None:
    values, times = _stream(0, 0, 60)
    values[::5] = np.nan
    column = seasonal_reference("x", values, times, "hour_of_day")
    assert isinstance(column, SeasonalReference)
    assert column.missing_rate == pytest.approx(0.2)
    assert column.codes_at(values[:5], times[:5])[0] == NULL_CODE
    assert column.sample_for(240) == pytest.approx(column.n, rel=0.01)
    assert column.sample_for(60) == pytest.approx(column.n / 4, rel=0.01)
    assert column.sample_for(1) == pytest.approx(column.n / 24)

"""How long a stream may be silent, hour by hour."""

import numpy as np

from monitor.checks.hourly import HourlyRate
from monitor.checks.stopped import AllowedSilence
from tests.checks.flow import profile

HOUR_US = 3_600_000_000


def test_the_rate_of_a_reference_is_its_own_by_hour() -> None:
    rate = HourlyRate.of(profile())
    assert rate is not None
    assert np.allclose(rate.by_hour, 180.0, rtol=0.02)  # one event in 20 s
    assert rate.expected(np.array([0]), np.array([7 * 24 * HOUR_US]))[0] > 168 * 175


def test_a_clock_an_hour_off_expects_the_least() -> None:
    rate = HourlyRate(np.tile(np.repeat([0.0, 60.0], [6, 18]), 7))
    morning = np.array([5 * HOUR_US]), np.array([7 * HOUR_US])
    assert rate.expected(*morning)[0] == 60.0
    assert rate.least(*morning)[0] == 0.0


def test_a_busy_stream_is_missed_after_a_quarter_of_an_hour() -> None:
    silence = AllowedSilence.of(profile(), None)
    assert silence.minutes(since_us=0) == 15.0
    assert AllowedSilence.of(profile(), 90.0).minutes(since_us=0) == 90.0

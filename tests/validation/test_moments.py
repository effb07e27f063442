"""Event times: whole columns and single texts must read the same moment."""

from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.clock import to_datetime, to_us
from monitor.validation.moments import LATEST_US, NO_MOMENT, moments_us

moments = st.integers(0, LATEST_US - 1).map(to_datetime)


@settings(deadline=None)  # pyarrow imports pandas when it first reads a list
@given(st.lists(moments, min_size=1, max_size=5))
def test_both_ways_of_reading_agree_with_the_clock(drawn: list[datetime]) -> None:
    expected = [to_us(moment) for moment in drawn]
    utc = [moment.isoformat().replace("+00:00", "Z") for moment in drawn]
    assert moments_us(utc).tolist() == expected
    assert moments_us([*utc, "2024-05-02t09:30z"]).tolist()[:-1] == expected
    assert moments_us([moment.isoformat() for moment in drawn]).tolist() == expected


def test_digits_past_the_microsecond_are_cut_in_both_ways() -> None:
    text = "2024-05-02T09:30:00.123456789"
    assert moments_us([text + "Z"]).tolist() == moments_us([text + "+00:00"]).tolist()


def test_whole_columns_of_nanoseconds_are_read() -> None:
    texts = ["2024-05-02T09:30:00.123456789Z", "2024-05-02 11:30:00.1234567+02:00"]
    assert moments_us(texts).tolist() == moments_us([*texts, "2024-05-02t09:30z"]).tolist()[:-1]


def test_one_impossible_day_spoils_no_other() -> None:
    assert moments_us(["2024-02-30T00:00:00Z", "1970-01-01T00:00:00Z"]).tolist() == [NO_MOMENT, 0]


def test_the_range_is_half_open() -> None:
    texts = [
        "1970-01-01T00:00:00+00:01",
        "2199-12-31T23:59:59.999999Z",
        "2199-12-31T23:59:59-00:01",
    ]
    assert moments_us(texts).tolist() == [NO_MOMENT, LATEST_US - 1, NO_MOMENT]


def test_nothing_is_read_as_nothing() -> None:
    assert moments_us([]).tolist() == []

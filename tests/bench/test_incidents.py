"""The incidents of ten months, in short: the first weeks of March and the first drills in them."""

from bench.incidents import DRILLS, drilled, incidents_of, markdown, onsets
from producers.faults import FAULTS


def test_two_drills_in_march_open_their_own_incidents_and_the_stream_none() -> None:
    drills = DRILLS[:2]
    [*_, (last, _, _)] = onsets(drills)
    shadow, told = drilled(drills)
    assert shadow.source_events == last
    moves = [one.move for one in shadow.placed]
    assert incidents_of(moves) == []
    assert [drill.how for drill in told] == ["own", "own"]
    assert all(drill.right for drill in told), told
    page = markdown(moves, told, again=True, minutes=0.0)
    assert "| 2 of 2 | yes |" in page
    assert all(drill.words in page for drill in told)


def test_twenty_drills_two_a_month_each_of_another_fault() -> None:
    months = [month for month, _ in DRILLS]
    assert [months.count(f"2013-{month:02d}") for month in range(3, 13)] == [2] * 10
    assert len({fault for _, fault in DRILLS} & FAULTS.keys()) == 20

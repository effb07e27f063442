"""Silences go both ways, and nothing comes back as an echo."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.publishing.alert_event import alert_event
from monitor.routing.alertmanager import Matcher, Silence, SilenceStatus
from monitor.routing.open_alerts import OpenAlert
from monitor.routing.silences import COMMAND_PREFIX, ORIGIN, matches, to_alertmanager, to_plumbline
from tests.routing.alerts import moved

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=4)
LABELS = {"model": "flights", "feature": "temp"}


def _open(**annotations: str) -> OpenAlert:
    return OpenAlert(alert_event(moved(annotations=annotations)), NOW - timedelta(hours=1))


def _silence(
    *matchers: Matcher, state: str = "active", comment: str = "deploying", ends: datetime = UNTIL
) -> Silence:
    return Silence(
        id="6a1c",
        matchers=matchers,
        starts_at=NOW - timedelta(minutes=5),
        ends_at=ends,
        created_by="ana",
        comment=comment,
        status=SilenceStatus(state=state),
    )


@pytest.mark.parametrize(
    ("matcher", "holds"),
    [
        (Matcher(name="model", value="flights"), True),
        (Matcher(name="model", value="flight"), False),
        (Matcher(name="model", value="fl.*", is_regex=True), True),
        (Matcher(name="model", value="fl", is_regex=True), False),
        (Matcher(name="model", value="other", is_equal=False), True),
        (Matcher(name="model", value="f.*", is_regex=True, is_equal=False), False),
        (Matcher(name="segment", value=""), True),
        (Matcher(name="model", value="(", is_regex=True), False),
        (Matcher(name="model", value="(", is_regex=True, is_equal=False), False),
    ],
)
def test_matchers_hold_as_alertmanagers_do(matcher: Matcher, holds: bool) -> None:
    assert matches([matcher], LABELS) is holds


def test_a_silence_made_there_becomes_one_command_for_each_alert_it_covers() -> None:
    covers = _silence(Matcher(name="feature", value="temp|dewp", is_regex=True))
    [command] = to_plumbline([_open()], [covers], NOW)
    assert command.action == "silence"
    assert (command.who, command.why, command.until) == ("ana", "deploying", UNTIL)
    assert command.fingerprint == moved().fingerprint
    assert [command] == to_plumbline([_open()], [covers], NOW)


@pytest.mark.parametrize(
    "silence",
    [
        _silence(Matcher(name="feature", value="humid")),
        _silence(Matcher(name="feature", value="temp"), state="expired"),
        _silence(Matcher(name="feature", value="temp"), ends=NOW),
        _silence(Matcher(name="feature", value="temp"), comment=f"{ORIGIN}ab: noise"),
    ],
)
def test_no_command_for_what_does_not_cover_has_ended_or_came_from_here(silence: Silence) -> None:
    assert to_plumbline([_open()], [silence], NOW) == []


def test_a_silence_made_here_is_made_there_once() -> None:
    silenced = _open(
        silenced_until=UNTIL.isoformat(), silenced_by="bo", silenced_why="known", silenced_id="c1"
    )
    [new] = to_alertmanager([silenced], [], NOW)
    assert new.created_by == "bo"
    assert new.ends_at == UNTIL
    assert {m.name: m.value for m in new.matchers} == dict(moved().labels)
    assert to_alertmanager([silenced], [_silence(comment=new.comment)], NOW) == []
    assert to_plumbline([silenced], [_silence(*new.matchers, comment=new.comment)], NOW) == []


def test_a_silence_from_there_and_one_that_is_over_are_not_made_there() -> None:
    echo = _open(silenced_until=UNTIL.isoformat(), silenced_id=f"{COMMAND_PREFIX}6a1c")
    over = _open(silenced_until=NOW.isoformat(), silenced_id="c1")
    assert to_alertmanager([echo, over, _open()], [], NOW) == []

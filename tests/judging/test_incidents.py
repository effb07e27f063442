"""Alerts of one cause are one incident, with the cause at its head."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts import AlertMove, AlertState
from monitor.findings import KINDS, kind_of
from monitor.judging.incidents import (
    CAUSES,
    CAUSES_OF_LABELS,
    EFFECTS,
    TOGETHER_EVENTS,
    Incidents,
    Place,
)
from schemas.alert import fingerprint
from tests.storage.samples import move


def _move(
    name: str,
    feature: str = "",
    *,
    event: int = 0,
    state: AlertState = AlertState.FIRING,
    previous: AlertState = AlertState.PENDING,
    version: str = "1",
    clock: bool = False,
) -> AlertMove:
    sample = move(1, state, previous)
    labels = {"alertname": name, "model": "flights", "model_version": version, "feature": feature}
    labels = {key: value for key, value in labels.items() if value}
    span = replace(sample.finding.span, last_event=event)
    return replace(
        sample,
        labels=labels,
        fingerprint=fingerprint(labels),
        finding=sample.finding._replace(span=span, clock=clock, model_version=version),
    )


def _ended(one: AlertMove) -> AlertMove:
    return replace(one, state=AlertState.RESOLVED, previous=AlertState.RECOVERING)


def _placed(incidents: Incidents, one: AlertMove) -> Place:
    place = incidents.place(one)
    assert place is not None
    return place


def test_what_fires_together_is_one_incident_and_what_fires_later_another() -> None:
    incidents = Incidents()
    first = _placed(incidents, _move("MissingValues", "temp", event=5_000))
    with_it = _placed(incidents, _move("MissingValues", "humid", event=5_000 + TOGETHER_EVENTS))
    later = _placed(incidents, _move("MissingValues", "visib", event=5_001 + TOGETHER_EVENTS))
    assert first.incident == with_it.incident != later.incident
    assert len(with_it.members) == 2


def test_the_named_cause_of_a_feature_becomes_the_head_of_its_drift() -> None:
    incidents = Incidents()
    drift = _move("FeatureDrift", "temp", event=1_000)
    assert _placed(incidents, drift).annotations(drift.fingerprint).keys() == {
        "incident",
        "incident_alerts",
        "incident_place",
    }
    cause = _move("UnitChange", "temp", event=90_000)
    place = _placed(incidents, cause)
    assert place.head.fingerprint == cause.fingerprint
    told = place.annotations(drift.fingerprint)
    assert told["inhibited_by"] == cause.fingerprint
    assert told["cause"] == "UnitChange temp"
    assert "nearer to the cause" in told["suppressed"]
    assert [member.fingerprint for member in place.turned] == [drift.fingerprint]
    head = place.annotations(cause.fingerprint)
    assert "inhibited_by" not in head
    assert head["suppresses"] == f"FeatureDrift temp {drift.fingerprint}"
    left = _placed(incidents, _ended(cause))
    assert [member.fingerprint for member in left.turned] == [drift.fingerprint]


def test_an_effect_joins_whenever_it_shows_but_a_cause_on_another_feature_does_not() -> None:
    incidents = Incidents()
    season = _placed(incidents, _move("FeatureDrift", "temp", event=1_000))
    effect = _placed(incidents, _move("PredictionDrift", "score", event=50_000))
    assert effect.incident == season.incident
    assert effect.head.alertname == "FeatureDrift"
    fault = _placed(incidents, _move("StuckFeature", "distance", event=60_000))
    assert fault.incident != season.incident


def test_another_version_and_a_clock_without_events_stand_alone() -> None:
    incidents = Incidents()
    first = _placed(incidents, _move("FeatureDrift", "temp", event=1_000))
    other = _placed(incidents, _move("FeatureDrift", "temp", event=1_000, version="2"))
    clock = _placed(incidents, _move("StreamStopped", event=1_000, clock=True))
    assert len({first.incident, other.incident, clock.incident}) == 3


def test_an_incident_closes_with_its_last_alert_and_the_next_one_is_new() -> None:
    incidents = Incidents()
    first, second = (
        _move("FeatureDrift", "temp", event=1_000),
        _move("FeatureDrift", "dewp", event=1_200),
    )
    opened = _placed(incidents, first)
    _placed(incidents, second)
    assert _placed(incidents, _ended(first)).incident == opened.incident
    assert len(_placed(incidents, _ended(second)).members) == 1
    assert incidents.state("flights") == []
    again = replace(second, starts_us=second.starts_us + 1)
    assert _placed(incidents, again).incident != opened.incident


def test_what_never_fired_has_no_incident() -> None:
    incidents = Incidents()
    one = _move("FeatureDrift", "temp", state=AlertState.PENDING)
    assert incidents.place(replace(one, previous=None)) is None
    assert incidents.place(replace(one, state=AlertState.RESOLVED)) is None


def test_the_order_of_causes_names_kinds_that_exist_once() -> None:
    known = {kind.alertname for kind in (*KINDS.values(), kind_of("ks", "score"))}
    named = [name for names in (*CAUSES, *CAUSES_OF_LABELS) for name in names]
    assert len(named) == len(set(named))
    assert set(named) <= known
    assert set(EFFECTS) <= set(named)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["FeatureDrift", "UnitChange", "MissingValues", "PredictionDrift"]),
        st.sampled_from(["temp", "dewp", "score"]),
        st.integers(0, 3_000),
        st.booleans(),
    ),
    max_size=30,
)


@given(_STEPS, st.integers(0, 30))
def test_every_alert_that_is_on_is_in_one_incident_also_after_a_restart(
    steps: list[tuple[str, str, int, bool]], restart: int
) -> None:
    incidents, never_stopped = Incidents(), Incidents()
    on: dict[str, str] = {}
    event = 0
    for number, (name, feature, gap, ends) in enumerate(steps):
        if number == restart:
            saved = incidents.state("flights")
            incidents = Incidents()
            incidents.restore(saved)
        event += gap
        one = _move(name, feature, event=event)
        if ends:
            one = _ended(one)
        place = incidents.place(one)
        assert place == never_stopped.place(one)
        if ends:
            assert (place is not None) == (one.fingerprint in on)
            on.pop(one.fingerprint, None)
        else:
            assert place is not None
            assert on.setdefault(one.fingerprint, place.incident) == place.incident
    members = [row[0] for incident in incidents.state("flights") for row in incident[6]]
    assert sorted(members) == sorted(on)


@pytest.mark.parametrize("name", ["FeatureDrift", "SchemaBreak"])
def test_a_move_of_an_open_alert_keeps_its_incident(name: str) -> None:
    incidents = Incidents()
    one = _move(name, "temp")
    opened = _placed(incidents, one)
    recovering = replace(one, state=AlertState.RECOVERING, previous=AlertState.FIRING)
    assert _placed(incidents, recovering) == opened

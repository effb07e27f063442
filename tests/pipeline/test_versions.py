"""A version that is replaced, one that comes back, one whose tests fail."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from monitor.detectors.battery import Battery
from monitor.findings import Measurement
from monitor.sketches.codes import Codes
from monitor.succession import WINDOWS
from monitor.version_monitor import VersionMonitor
from schemas import Monitoring, Owner
from tests.pipeline.harness import MODEL, LogRecord, Plant, events, reference, whole_card

QUICK = Monitoring(pane_events=50, scales=(200,))
OLD = whole_card(monitoring=QUICK)
NEW = whole_card(version="2", monitoring=QUICK, previous_version="1")
NEEDED = WINDOWS * 200


def stream(*parts: tuple[str, int, str, bool]) -> list[LogRecord]:
    """(version, events, role, drift) one after another."""
    log: list[LogRecord] = []
    for place, (version, n, role, drift) in enumerate(parts):
        log += events(
            n,
            versions=[version],
            role=role,
            first=len(log),
            drift=[(0, n)] if drift else [],
            seed=10 + place,
        )
    return log


def changes(plant: Plant) -> list[tuple[str, str, int]]:
    rows = plant.store.rows("boundaries")
    found = [(row["model_version"], row["change"], row["offset"]) for row in rows]
    return sorted(found, key=lambda one: one[2])


def test_a_replaced_version_ends_with_its_alerts_and_its_windows() -> None:
    log = stream(("1", 600, "live", True), ("2", NEEDED + 100, "live", False))
    plant = Plant(OLD, NEW).run(log)
    assert plant.moves()[-1] == ("FeatureDrift", "superseded")
    assert plant.roster.active().keys() == {(MODEL, "2")}
    assert changes(plant)[-1] == ("1", "replaced", 600 + NEEDED)
    [row] = [row for row in plant.store.rows("alerts") if row["state"] == "superseded"]
    assert row["reason"] == (
        f"version 2 has taken over: {NEEDED} live events of it and none of this"
    )
    assert plant.reborn().roster.active().keys() == {(MODEL, "2")}


@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    st.lists(st.integers(1, 4_000), min_size=1, max_size=12),
    st.lists(st.sampled_from(["", "commit", "snapshot", "kill", "lose"]), min_size=12, max_size=12),
)
def test_when_a_version_is_replaced_depends_on_the_log_alone(
    cuts: Sequence[int], deeds: Sequence[str]
) -> None:
    """Replaced, shadowing, back for a while (a roll-back), replaced again."""
    plain = Plant(OLD, NEW).run(LOG, len(LOG))
    assert [change for _, change, _ in changes(plain)].count("replaced") == 2
    plant = Plant(OLD, NEW)
    at = ("plumbline.predictions", 0)
    for cut, deed in zip(
        [*sorted(min(cut, len(LOG)) for cut in cuts), len(LOG)], deeds, strict=False
    ):
        plant.take(LOG[plant.positions.get(at, 0) : max(cut, plant.positions.get(at, 0))])
        if deed in ("commit", "snapshot", "lose"):
            plant.commit(snapshot=deed == "snapshot")
        if deed in ("kill", "lose"):
            plant = plant.reborn()
    plant.run(LOG[plant.positions.get(at, 0) :], 700)
    plant.commit()
    assert plant.alerts() == plain.alerts()
    assert changes(plant) == changes(plain)
    assert plant.counts() == plain.counts()


LOG = stream(
    ("1", 500, "live", True),
    ("2", 300, "shadow", False),
    ("2", NEEDED - 100, "live", False),
    ("1", 1, "live", False),
    ("2", NEEDED, "live", False),
    ("1", 200, "shadow", True),
    ("1", 500, "live", True),
    ("2", NEEDED, "live", True),
    ("1", 100, "shadow", True),
)


def test_shadow_events_of_a_replaced_version_are_stored_and_not_tested() -> None:
    log = stream(
        ("1", 400, "live", False), ("2", NEEDED, "live", False), ("1", 300, "shadow", True)
    )
    plant = Plant(OLD, NEW).run(log)
    assert plant.roster.active().keys() == {(MODEL, "2")}
    assert plant.moves() == []
    assert plant.counts()["predictions"] == len(log)


def test_no_version_is_replaced_by_one_that_does_not_name_it() -> None:
    other = NEW.model_copy(update={"previous_version": None})
    plant = Plant(OLD, other).run(
        stream(("1", 300, "live", False), ("2", 2 * NEEDED, "live", False))
    )
    assert plant.roster.active().keys() == {(MODEL, "1"), (MODEL, "2")}


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Testing fails in the third window of any version that drifts."""
    test = Battery.test

    def failing(
        self: Battery, scale: int, codes: Codes, last_event: int | None = None
    ) -> list[Measurement]:
        if scale == 200 and float(np.median(codes[0])) > 9_000:
            raise ZeroDivisionError("a fault in a test")
        return list(test(self, scale, codes, last_event))

    monkeypatch.setattr(Battery, "test", failing)


FAULTY_LOG = [
    record
    for pair in zip(
        events(900, drift=[(400, 900)]), events(900, model="returns", seed=4), strict=True
    )
    for record in pair
]
FAULTY_LOG = [replace(record, offset=place) for place, record in enumerate(FAULTY_LOG)]


@pytest.mark.usefixtures("faulty")
def test_a_fault_in_one_version_stays_there(caplog: pytest.LogCaptureFixture) -> None:
    plants = []
    for batch in (1_800, 400, 37):
        plant = Plant(whole_card(), whole_card(model="returns")).run(FAULTY_LOG, batch)
        assert plant.counts()["predictions"] == 1_800
        assert plant.roster.active().keys() == {("returns", "1")}
        assert plant.roster.active()["returns", "1"].stream.events == 900
        assert ("MonitorError", "firing") in plant.moves()
        assert changes(plant)[-1][:2] == ("1", "quarantined")
        plants.append(plant)
    assert "ZeroDivisionError: a fault in a test" in caplog.text
    assert plants[0].alerts() == plants[1].alerts() == plants[2].alerts()
    assert plants[0].telemetry.value("plumbline_errors_total", kind="ZeroDivisionError") == 1
    again = plants[0].reborn().run(events(300, first=1_800))
    assert again.roster.active().keys() == {("returns", "1")}
    again.pipeline.on_card(whole_card(owner=Owner(team="ops", contact="ops@example.org")))
    again.commit()
    again.run(events(300, first=2_100))
    assert ("MonitorError", "resolved") in again.moves()
    assert again.roster.active()[MODEL, "1"].stream.events == 300


def test_a_fault_in_coding_is_pinned_to_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    windowed = VersionMonitor.windowed

    def failing(self: VersionMonitor, columns):  # type: ignore[no-untyped-def]  # a stand-in
        if 333 in columns.offsets:
            raise IndexError("a fault in coding")
        return windowed(self, columns)

    monkeypatch.setattr(VersionMonitor, "windowed", failing)
    plants = [Plant(whole_card()).run(events(500), batch) for batch in (500, 90, 1)]
    assert plants[0].alerts() == plants[1].alerts() == plants[2].alerts()
    assert changes(plants[0]) == [("1", "begun", 0), ("1", "quarantined", 334)]
    assert plants[0].counts() == plants[2].counts()


def test_a_monitor_that_cannot_be_made_is_a_fault_of_its_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object) -> VersionMonitor:
        raise RuntimeError("a fault in a constructor")

    monkeypatch.setattr(VersionMonitor, "build", failing)
    plant = Plant(whole_card()).run(events(300))
    assert plant.moves() == [("MonitorError", "firing")]
    assert plant.counts()["predictions"] == 300


def test_idle_cards_hold_no_profile() -> None:
    plant = Plant(*(whole_card(version=f"v{number}") for number in range(50)))
    assert plant.roster.active() == {}
    assert len(plant.roster.cards()) == 50
    assert reference().hash

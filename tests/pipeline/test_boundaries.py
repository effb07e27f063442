"""Cards and commands act where the state says, however often the worker is killed."""

from collections import defaultdict
from collections.abc import Sequence

import orjson
import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from monitor.decisions import card_hash
from monitor.errors import BrokerError
from monitor.packing import pack
from monitor.publishing.outgoing import Outgoing
from monitor.restoring import joined
from monitor.state import newest
from schemas import FeatureSpec, ModelCard, Monitoring, Owner
from tests.pipeline.harness import (
    MODEL,
    PREDICTIONS,
    TOPICS,
    LogRecord,
    Plant,
    command,
    events,
    whole_card,
)

PHASES = (Phase.explicit, Phase.generate)
"""Without shrinking: a case takes seconds."""
LOG = events(2_400, versions=["1", "2"], drift=[(500, 1_300), (1_700, 2_200)])
N = len(LOG)
OWNER = Owner(team="ops", contact="ops@example.org")
NARROW = FeatureSpec(type="number", max=1.0)
CARDS = [
    whole_card(owner=OWNER),
    whole_card(monitoring=Monitoring(pane_events=50, scales=(400,))),
    whole_card(features={**whole_card().features, "amount": NARROW}),
    whole_card(version="2", monitoring=Monitoring(pane_events=100, scales=(400,))),
    whole_card(version="2", owner=OWNER),
]
BY_HASH = {card_hash(card): card for card in (*CARDS, whole_card(), whole_card(version="2"))}


class Worker:
    """A plant with the two topics that people write to, which outlive it."""

    def __init__(self, *cards: ModelCard) -> None:
        self.known = {card.model_version: card for card in cards}
        self.orders: list[LogRecord] = []
        self.plant = Plant(*cards)

    @property
    def at(self) -> int:
        return self.plant.positions.get((PREDICTIONS, 0), 0)

    def take(self, until: int) -> None:
        for start in range(self.at, until, 300):
            self.plant.take(LOG[start : min(start + 300, until)])

    def card(self, card: ModelCard) -> None:
        self.known[card.model_version] = card
        self.plant.pipeline.on_card(card)

    def order(self, action: str, which: int) -> None:
        """A command about some alert that was ever published, or about none."""
        marks = [*sorted(key.decode() for key in self.plant.alerts()), "0" * 16]
        until = {"until": "2026-01-01T00:15:00Z"} if action in ("silence", "accept") else {}
        mark = marks[which % len(marks)]
        self.orders.append(command(action, mark, offset=len(self.orders), **until))
        self.plant.take_commands(self.orders[-1:])

    def kill(self) -> None:
        self.plant = self.plant.reborn(*self.known.values())
        self.plant.take_commands(self.orders[self.plant.positions[TOPICS.commands, 0] :])


Deed = tuple[int, str, int]
_DEEDS = st.lists(
    st.tuples(
        st.integers(1, N - 1),
        st.sampled_from(
            ("commit", "snapshot", "kill", "fail", "card", "card") * 2
            + ("acknowledge", "silence", "close", "accept")
        ),
        st.integers(0, 20),
    ),
    min_size=4,
    max_size=14,
)


@settings(
    max_examples=14,
    deadline=None,
    phases=PHASES,
    suppress_health_check=[HealthCheck.filter_too_much],
)
@given(_DEEDS)
@example([(700, "commit", 0), (800, "card", 1), (900, "commit", 0), (1_000, "kill", 0)])
@example([(900, "snapshot", 0), (901, "close", 0), (950, "commit", 0), (960, "kill", 0)])
@example([(900, "snapshot", 0), (901, "card", 2), (902, "kill", 0), (1_500, "commit", 0)])
@example([(950, "commit", 0), (960, "silence", 0), (970, "kill", 0), (980, "commit", 0)])
def test_what_people_decide_acts_where_it_is_recorded(deeds: list[Deed]) -> None:
    """A run with kills anywhere equals one that hears everything exactly where it acted."""
    worker = Worker(whole_card(), whole_card(version="2"))
    for until, deed, which in sorted(deeds):
        worker.take(until)
        if deed == "card":
            worker.card(CARDS[which % len(CARDS)])
        elif deed in ("commit", "snapshot"):
            worker.plant.commit(snapshot=deed == "snapshot")
        elif deed == "fail":
            worker.plant.publisher.refusals.append(BrokerError("away"))
            with pytest.raises(BrokerError):
                worker.plant.commit()
            worker.kill()
        elif deed == "kill":
            worker.kill()
        else:
            worker.order(deed, which)
    worker.take(N)
    worker.plant.commit()
    worker.plant.commit()

    other = _told_in_time(worker)
    assert other.alerts() == worker.plant.alerts()
    for table in ("boundaries", "commands", "alerts", "rejections"):
        assert _rows(other, table) == _rows(worker.plant, table), table


def _told_in_time(worker: Worker) -> Plant:
    """An undisturbed run over the same log, which hears cards and commands where they acted."""
    plan: defaultdict[int, list[ModelCard | LogRecord]] = defaultdict(list)
    first = []
    for row in worker.plant.store.rows("boundaries"):
        if row["change"] == "begun":
            first.append(BY_HASH[row["card_hash"]])
        elif row["change"] in ("card", "windows"):
            card = BY_HASH[row["card_hash"]]
            versions = [
                one.model_version for one in plan[row["offset"]] if isinstance(one, ModelCard)
            ]
            assume(card.model_version not in versions)  # which of two came first is not told
            plan[row["offset"]].append(card)
    for row in worker.plant.store.rows("commands"):
        plan[row["acts_from"]].append(worker.orders[row["offset"]])
    other = Plant(*first)
    for at in sorted({*plan, N}):
        for start in range(other.positions.get((PREDICTIONS, 0), 0), at, 500):
            other.take(LOG[start : min(start + 500, at)])
        other.commit()
        for one in plan.get(at, ()):
            if isinstance(one, ModelCard):
                other.pipeline.on_card(one)
        orders = [one for one in plan.get(at, ()) if isinstance(one, LogRecord)]
        other.take_commands(sorted(orders, key=lambda record: record.offset))
        other.commit()
    return other


def _rows(plant: Plant, table: str) -> list[bytes]:
    return [orjson.dumps(row, default=str) for row in plant.store.rows(table)]


def test_a_card_waits_for_the_commit_that_records_it() -> None:
    plant = Plant(whole_card()).run(events(500))
    plant.pipeline.on_card(CARDS[1])
    assert plant.pipeline.has_work
    plant.take(events(100, first=500))
    assert plant.roster.acting(MODEL, "1") == whole_card()
    plant.commit()
    assert plant.roster.acting(MODEL, "1") == CARDS[1]
    begun, changed = plant.store.rows("boundaries")
    assert (begun["change"], begun["offset"]) == ("begun", 0)
    assert (changed["change"], changed["offset"]) == ("windows", 600)
    assert changed["card_hash"] == card_hash(CARDS[1])


def test_a_restart_does_not_let_a_newer_card_act_on_older_events() -> None:
    """The snapshot is of 500, the group stands at 900: these events had the old card."""
    plant = Plant(whole_card()).run(events(500))
    plant.commit(snapshot=True)
    plant.take(events(400, first=500))
    plant.commit()
    newer = CARDS[1]
    other = plant.reborn(newer)
    other.take(events(300, first=500))
    other.commit()
    assert other.roster.acting(MODEL, "1") == whole_card()
    other.take(events(100, first=800))
    other.commit()
    assert other.roster.acting(MODEL, "1") == newer
    assert [row["offset"] for row in other.store.rows("boundaries")] == [0, 900]


def test_a_card_for_a_version_that_was_only_stored_does_not_test_what_came_before() -> None:
    bare = whole_card(profile_hash=None)
    plant = Plant(bare).run(events(500))
    plant.commit(snapshot=True)
    plant.take(events(100, first=500, drift=[(0, 100)]))
    plant.commit()
    other = plant.reborn(whole_card())
    other.take(events(100, first=500, drift=[(0, 100)]))
    other.commit()
    assert other.roster.active() == {}
    other.take(events(100, first=600))
    assert other.roster.active()[MODEL, "1"].stream.events == 100


def test_an_old_format_is_taken_up_as_far_as_it_goes() -> None:
    plant = Plant(whole_card()).run(LOG_OF_ONE)
    plant.commit(snapshot=True)
    before = plant.open_alerts()
    assert before
    plant.publisher.records += _as_format_1(plant)
    other = plant.reborn()
    assert other.roster.active() == {}
    other.run(events(300, first=1_000))
    assert other.open_alerts() == set()
    assert {state for _, state in other.moves()[-len(before) :]} == {"superseded"}
    assert other.roster.active()[MODEL, "1"].stream.events == 300


LOG_OF_ONE = events(1_000, drift=[(300, 1_000)])


def _as_format_1(plant: Plant) -> Sequence[Outgoing]:
    """The newest state as the release before would have written it."""
    saved = newest(
        (record.key, record.value)
        for record in plant.publisher.records
        if record.topic == TOPICS.state
    )
    entries = joined(saved)
    head = dict(entries["head", MODEL])
    del head["standings"], head["commands"]
    alerts = head["alerts"]["lives"]
    for alert in alerts:
        del alert[3]["last"]
    head |= {"format": 1, "untested": [], "alerts": alerts}
    at = pack({"format": 1, "offset": head["offset"]})
    return [
        Outgoing(TOPICS.state, pack(["head", MODEL, 0]), pack([1, pack(head)]), partition=0),
        Outgoing(TOPICS.state, pack(["at"]), at, partition=0),
    ]


def test_panes_of_windows_that_ended_leave_the_state() -> None:
    plant = Plant(whole_card()).run(events(900))
    plant.commit(snapshot=True)
    plant.take_card(CARDS[1])
    saved = newest((r.key, r.value) for r in plant.publisher.records if r.topic == TOPICS.state)
    assert [key for key in joined(saved) if key[0] == "pane"] == []
    again = plant.run(events(500, first=900)).reborn(CARDS[1]).run(events(500, first=900))
    assert again.roster.active()[MODEL, "1"].card == CARDS[1]


def test_no_more_cards_are_kept_than_allowed() -> None:
    plant = Plant(whole_card())
    plant.roster._most_cards = 3
    for number in range(10):
        plant.pipeline.on_card(whole_card(version=f"v{number}"))
    assert len(plant.roster.cards()) == 3
    assert _turned_away(plant) == 8
    changed = whole_card(owner=OWNER)
    plant.pipeline.on_card(changed)
    assert plant.roster.cards()[MODEL, "1"] == changed
    assert _turned_away(plant) == 8


def test_a_card_beyond_the_limit_still_keeps_what_is_sensitive_from_being_stored() -> None:
    plant = Plant(whole_card())
    plant.roster._most_cards = 1
    plant.pipeline.on_card(SECRET.model_copy(update={"model": "late"}))
    plant.run([*events(20, model="late"), *events(20, first=20)])
    stored = defaultdict(list)
    for row in plant.store.rows("predictions"):
        stored[row["model"]].append(dict(row["strings"]))
    assert stored["late"] == [{}] * 20
    assert all(features["shop"] for features in stored[MODEL])
    assert plant.telemetry.value("plumbline_redacted_total", sensitivity="unknown") == 40


def test_a_card_that_has_left_its_topic_masks_on_after_a_restart() -> None:
    plant = Plant(SECRET).run(events(20))
    again = plant.reborn(whole_card(model="other")).run(events(20, first=20))
    rows = again.store.rows("predictions")
    assert len(rows) == 40
    assert not any("shop" in dict(row["strings"]) for row in rows)


SECRET = whole_card(
    features={
        **whole_card().features,
        "shop": FeatureSpec(type="category", sensitivity="drop"),
    }
)


def _turned_away(plant: Plant) -> float:
    return plant.telemetry.value(
        "plumbline_step_dropped_total", step="intake", reason="models_limit"
    )


def test_a_card_whose_key_is_missing_stops_nothing_and_nothing_of_it_is_kept_in_clear() -> None:
    hashed = whole_card(
        features={
            **whole_card().features,
            "shop": FeatureSpec(type="category", sensitivity="hash"),
        }
    )
    plant = Plant(whole_card(model="other"), hashed)
    plant.run(events(20)).run(events(20, model="other", first=20))
    dropped = plant.telemetry.value(
        "plumbline_step_dropped_total", step="intake", reason="hash_key"
    )
    assert dropped == 1
    kept = {row["model"]: dict(row["strings"]) for row in plant.store.rows("predictions")}
    assert kept.keys() == {MODEL, "other"}
    assert "shop" not in kept[MODEL]

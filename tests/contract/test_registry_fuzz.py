"""A hostile card or command is refused with its reasons, or taken and harmless."""

import random
import time
from collections import Counter

import numpy as np
import orjson
import pytest

from monitor.validation.cards import parse_card, parse_command
from schemas import ModelCard
from schemas.command import Command
from tests.contract.registry_fuzz import TEXTS, cards, commands
from tests.pipeline.harness import TOPICS, LogRecord, Plant, events, whole_card

CASES = 600
LONGEST_S = 1.0


@pytest.mark.parametrize(
    ("parse", "values"), [(parse_card, cards), (parse_command, commands)], ids=["card", "command"]
)
def test_it_is_parsed_or_refused_with_reasons(parse, values) -> None:  # type: ignore[no-untyped-def]  # two signatures
    taken = refused = 0
    for value in values(20_261_121, CASES):
        began = time.process_time()
        found = parse(value)
        assert time.process_time() - began < LONGEST_S
        if isinstance(found, ModelCard | Command):
            taken += 1
            assert type(found).model_validate_json(found.to_json()) == found
        else:
            refused += 1
            assert found
            assert all(reason and message for reason, _, message in found)
            assert len(repr(found)) < 100_000
    assert min(taken, refused) > CASES // 20


def test_a_card_that_is_taken_works_or_says_why_it_cannot() -> None:
    """Whatever it asks for: each model's events are taken, and another model's too."""
    plant = Plant(whole_card())
    place = 0
    for value in cards(7, CASES // 4):
        card = parse_card(value)
        if not isinstance(card, ModelCard) or card.model == whole_card().model:
            continue
        plant.pipeline.on_card(card.model_copy(update={"profile_hash": whole_card().profile_hash}))
        plant.take(events(60, model=card.model, versions=[card.model_version], first=place))
        plant.take(events(60, first=place + 60, seed=place))
        plant.commit(snapshot=place % 600 == 0)
        place += 120
    assert place > 1_000
    assert plant.counts()["predictions"] == place


def test_hostile_commands_are_accounted_for_and_change_nothing_else() -> None:
    plant = Plant(whole_card())
    plant.take(events(300))
    plant.commit()
    before = plant.alerts()
    values = list(commands(11, CASES // 2))
    plant.pipeline.on_commands(
        [
            LogRecord(offset=i, key=b"orders", value=value, topic=TOPICS.commands)
            for i, value in enumerate(values)
        ]
    )
    plant.positions[TOPICS.commands, 0] = len(values)
    plant.take(events(300, first=300))
    plant.commit(snapshot=True)
    assert plant.counts()["predictions"] == 600
    assert {key: moves[: len(before.get(key, []))] for key, moves in plant.alerts().items()} == (
        {key: before.get(key, []) for key in plant.alerts()}
    )


def test_hostile_names_come_through_every_step_unchanged() -> None:
    """Names of features, versions, entities and segments are data: in rows and alerts as sent."""
    names = [text[:100] for text in TEXTS if text and "\x00" not in text]
    rng, draw = np.random.default_rng(3), random.Random(3)
    records = []
    for i in range(400):
        event = {
            "schema_version": "1.0",
            "event_id": f"id-{i}",
            "model": "orders",
            "model_version": names[i % len(names)],
            "occurred_at": f"2026-01-01T00:{i // 60:02}:{i % 60:02}Z",
            "entity_id": draw.choice(names),
            "segments": {draw.choice(names): draw.choice(names)},
            "features": {name: float(rng.normal()) for name in draw.sample(names, 4)},
            "prediction": draw.choice(names),
        }
        records.append(LogRecord(offset=i, key=b"orders", value=orjson.dumps(event)))
    plant = Plant()
    plant.take(records)
    plant.commit(snapshot=True)
    rows = plant.store.rows("predictions")
    assert Counter(row["model_version"] for row in rows) == Counter(
        names[i % len(names)] for i in range(400)
    )
    assert {name for row in rows for name in row["numbers"]} == set(names)
    raised = {
        row["labels"]["model_version"] if isinstance(row["labels"], dict) else ""
        for row in plant.store.rows("alerts")
    }
    assert raised <= {*names, ""}
    assert raised

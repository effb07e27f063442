"""Rows as messages: valid contracts, in the order of their simulated time."""

import random
from typing import Any

import pyarrow as pa
import pytest

from producers.errors import InputFileError
from producers.rows import table_batches
from producers.timeline import LABEL, PREDICTION, Columns, Message, timeline
from schemas import LabelEvent, ModelCard, PredictionEvent

SECOND_US = 1_000_000
START_US = 1_362_139_200 * SECOND_US  # 2013-03-01T12:00:00Z


def table(rows: int, **columns: Any) -> pa.Table:
    base: dict[str, Any] = {
        "event_id": [f"e{n}" for n in range(rows)],
        "occurred_at": pa.array(
            [START_US + n * SECOND_US for n in range(rows)], pa.timestamp("us", tz="UTC")
        ),
        "age": [40.0] * rows,
        "income": [None if n % 3 == 0 else n for n in range(rows)],
        "home": ["own"] * rows,
        "student": [True] * rows,
        "prediction": [False] * rows,
        "score": [0.25] * rows,
    }
    return pa.table(base | columns)


def messages(data: pa.Table, card: ModelCard, columns: Columns | None = None) -> list[Message]:
    groups = timeline(table_batches(data, "test"), card, columns or Columns())
    return [message for group in groups for message in group]


def test_predictions_are_the_contract_in_order(card: ModelCard) -> None:
    sent = messages(table(4), card)
    assert [(at, kind) for at, kind, _ in sent] == [
        (START_US + n * SECOND_US, PREDICTION) for n in range(4)
    ]
    event = PredictionEvent.model_validate_json(sent[1][2])
    assert event.features == {"age": 40.0, "income": 1, "home": "own", "student": True}
    assert (event.event_id, event.model, event.model_version) == ("e1", "credit", "3")
    assert (event.prediction, event.score) == (False, 0.25)
    assert event.occurred_at.isoformat() == "2013-03-01T12:00:01+00:00"
    assert PredictionEvent.model_validate_json(sent[0][2]).features["income"] is None


def test_each_label_comes_at_its_time_across_batches(card: ModelCard) -> None:
    rows = 12_000
    draw = random.Random(7)
    waits = [draw.randrange(1, 8_000) for _ in range(rows)]
    never = [n % 10 == 0 for n in range(rows)]
    data = table(
        rows,
        label=[None if gone else True for gone in never],
        observed_at=pa.array(
            [
                None if gone else START_US + (n + waits[n]) * SECOND_US
                for n, gone in enumerate(never)
            ],
            pa.timestamp("us", tz="UTC"),
        ),
    )
    sent = messages(data, card)
    times = [at for at, _, _ in sent]
    assert times == sorted(times)
    labels = [LabelEvent.model_validate_json(v) for _, kind, v in sent if kind == LABEL]
    assert {label.event_id for label in labels} == {f"e{n}" for n in range(rows) if not never[n]}
    assert sum(kind == PREDICTION for _, kind, _ in sent) == rows
    for at, kind, value in sent[:200]:
        if kind == LABEL:
            observed = LabelEvent.model_validate_json(value).observed_at
            assert observed.timestamp() * SECOND_US == at


def test_a_row_that_came_late_is_sent_at_the_time_of_the_one_before(card: ModelCard) -> None:
    times = pa.array(
        [START_US, START_US + 9 * SECOND_US, START_US + SECOND_US], pa.timestamp("us", tz="UTC")
    )
    sent = messages(table(3, occurred_at=times), card)
    assert [at - START_US for at, _, _ in sent] == [0, 9 * SECOND_US, 9 * SECOND_US]
    late = PredictionEvent.model_validate_json(sent[2][2])
    assert late.occurred_at.timestamp() * SECOND_US == START_US + SECOND_US


def test_columns_are_mapped(card: ModelCard) -> None:
    data = table(1).rename_columns(
        ["id", "ts", "customer_age", "income", "home", "student", "answer", "p"]
    )
    named = Columns(
        {
            "event_id": "id",
            "occurred_at": "ts",
            "age": "customer_age",
            "prediction": "answer",
            "score": "p",
        }
    )
    named.check(card)
    [(_, _, value)] = messages(data, card, named)
    event = PredictionEvent.model_validate_json(value)
    assert (event.event_id, event.features["age"], event.score) == ("e0", 40.0, 0.25)
    with pytest.raises(InputFileError, match="cannot map 'agee': a field is one of age,"):
        Columns({"agee": "x"}).check(card)


def test_versions_and_labels_alone(card: ModelCard) -> None:
    [(_, _, value)] = messages(table(1, model_version=["9"]), card)
    assert PredictionEvent.model_validate_json(value).model_version == "9"
    observed = pa.array([START_US + 5, START_US], pa.timestamp("us", tz="UTC"))
    alone = pa.table({"event_id": ["a", "b"], "label": [1, 0], "observed_at": observed})
    sent = messages(alone, card)
    assert [(at - START_US, kind) for at, kind, _ in sent] == [(0, LABEL), (5, LABEL)]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"prediction": [None, True]}, "row 1, column 'prediction': no prediction"),
        ({"event_id": ["a", None]}, "row 2, column 'event_id': no value"),
        ({"occurred_at": ["2013-03-01T12:00:00Z", ""]}, "row 2, column 'occurred_at': no time"),
        ({"label": [True, False]}, "no column 'observed_at' that says when"),
        (
            {"label": [True, True], "observed_at": ["2013-03-01T12:00:00Z", ""]},
            "row 2, column 'observed_at': a label without the time",
        ),
        ({"age": ["40", "old"]}, "row 2, column 'age': 'old' is not a number"),
    ],
)
def test_faults_name_the_row(card: ModelCard, columns: dict[str, Any], words: str) -> None:
    with pytest.raises(InputFileError, match=words):
        messages(table(2, **columns), card)

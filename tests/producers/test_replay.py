"""Replay onto the real broker: everything arrives once, in order, with its simulated send time."""

import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from producers import flights
from producers.errors import DeliveryError, InputFileError
from producers.replay import Progress, replay_file
from producers.timeline import Columns
from schemas import LabelEvent, ModelCard, PredictionEvent
from schemas.contract import SENT_AT_HEADER
from tests.producers.conftest import Topics

START = pd.Timestamp("2013-03-01T12:00:00Z")
CARD = Path(__file__).parents[2] / "models" / "flights.yaml"


def rows(count: int) -> pd.DataFrame:
    """One row a second; every label comes a minute and a half later, every tenth never."""
    frame = pd.DataFrame({"event_id": [f"e{n}" for n in range(count)]})
    frame["occurred_at"] = START + pd.to_timedelta(range(count), unit="s")
    frame["customer_age"] = 40
    frame["income"] = 12.5
    frame["home"] = "own"
    frame["student"] = None
    frame["prediction"] = True
    frame["score"] = 0.5
    frame["label"] = [None if n % 10 == 0 else True for n in range(count)]
    known = frame["label"].notna()
    frame["observed_at"] = (frame["occurred_at"] + pd.Timedelta(seconds=90)).where(known)
    return frame


AGE = Columns({"age": "customer_age"})


def test_no_broker_is_one_clear_error(tmp_path: Path, card: ModelCard, silent_port: str) -> None:
    path = tmp_path / "rows.parquet"
    rows(3).to_parquet(path)
    with pytest.raises(DeliveryError, match=f"no Kafka broker answers at {silent_port}: start it"):
        replay_file(path, card, silent_port, columns=AGE)


def test_what_cannot_work_is_told_before_anything_is_sent(
    tmp_path: Path, card: ModelCard, silent_port: str
) -> None:
    path = tmp_path / "rows.csv"
    rows(3).to_csv(path, index=False)
    with pytest.raises(InputFileError, match=r"no column 'age': it has event_id, .*Map a field"):
        replay_file(path, card, silent_port)
    with pytest.raises(InputFileError, match="speed must be above 0"):
        replay_file(path, card, silent_port, columns=AGE, speed=0)
    with pytest.raises(InputFileError, match="cannot map 'typo'"):
        replay_file(path, card, silent_port, columns=Columns({"typo": "x"}))


@pytest.mark.integration
@pytest.mark.parametrize("ending", ["csv", "parquet", "ndjson"])
def test_a_file_arrives_whole(tmp_path: Path, card: ModelCard, topics: Topics, ending: str) -> None:
    path = tmp_path / f"rows.{ending}"
    frame = rows(6_000)
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True, date_format="iso")
    seen: list[Progress] = []
    result = replay_file(
        path,
        card,
        topics.bootstrap,
        columns=AGE,
        on_progress=seen.append,
        predictions_topic=topics.predictions,
        labels_topic=topics.labels,
    )
    assert (result.produced, result.failed) == (11_400, 0)
    assert (result.predictions, result.labels, result.error) == (6_000, 5_400, None)
    assert (seen[-1].predictions, seen[-1].labels) == (6_000, 5_400)
    predictions = topics.records(topics.predictions)
    labels = topics.records(topics.labels)
    assert len({record.partition for record in predictions + labels}) == 1
    assert {record.key for record in predictions + labels} == {b"credit"}
    events = [PredictionEvent.model_validate_json(record.value) for record in predictions]
    assert [event.event_id for event in events] == [f"e{n}" for n in range(6_000)]
    assert events[0].features == {"age": 40, "income": 12.5, "home": "own", "student": None}
    for record, event in zip(predictions, events, strict=True):
        [(name, sent_at)] = record.headers
        assert name == SENT_AT_HEADER
        assert int(sent_at) == round(event.occurred_at.timestamp() * 1e6)
    for record in labels:
        label = LabelEvent.model_validate_json(record.value)
        assert int(record.headers[0][1]) == round(label.observed_at.timestamp() * 1e6)


@pytest.mark.integration
def test_speed_is_recorded_seconds_in_a_second(
    tmp_path: Path, card: ModelCard, topics: Topics
) -> None:
    path = tmp_path / "rows.parquet"
    rows(61).drop(columns=["label", "observed_at"]).to_parquet(path)
    started_s = time.monotonic()
    result = replay_file(
        path,
        card,
        topics.bootstrap,
        columns=AGE,
        speed=40,
        predictions_topic=topics.predictions,
        labels_topic=topics.labels,
    )
    assert (result.produced, result.labels) == (61, 0)
    # 60 recorded seconds at 40 a second; connecting and the last acknowledgement come on top.
    assert 1.5 <= time.monotonic() - started_s < 45


@pytest.mark.integration
def test_a_topic_that_is_not_there(tmp_path: Path, card: ModelCard, topics: Topics) -> None:
    path = tmp_path / "rows.parquet"
    rows(3).to_parquet(path)
    with pytest.raises(DeliveryError, match="cannot send to topic nowhere: does it exist"):
        replay_file(
            path,
            card,
            topics.bootstrap,
            columns=AGE,
            predictions_topic="nowhere",
            labels_topic=topics.labels,
            kafka={"max_block_ms": 300},
        )


@pytest.mark.integration
def test_flights_go_the_same_way(topics: Topics) -> None:
    card = ModelCard.model_validate(yaml.safe_load(CARD.read_text(encoding="utf-8")))
    table = flights.load_flights()
    streamed = flights.stream(table, flights.train(table)).head(3_000)
    result = flights.send(
        streamed,
        card,
        topics.bootstrap,
        predictions_topic=topics.predictions,
        labels_topic=topics.labels,
    )
    known = int(streamed["label"].notna().sum())
    assert (result.predictions, result.labels, result.failed) == (3_000, known, 0)
    events = topics.events(topics.predictions)
    first = streamed.iloc[0]
    assert [event["event_id"] for event in events] == streamed["event_id"].tolist()
    assert events[0]["features"]["temp"] == first["temp"]
    assert events[0]["score"] == first["score"]
    assert isinstance(events[0]["prediction"], bool)
    labels = topics.events(topics.labels)
    assert {label["event_id"] for label in labels} <= set(streamed["event_id"])
    times = [label["observed_at"] for label in labels]
    assert times == sorted(times)

"""Faults in a backtest on files, and in a drill on the real broker and engine."""

import json
from pathlib import Path
from uuid import uuid4

import orjson
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from devstack import StackInfo
from monitor.backtest.file_events import file_events
from monitor.broker import client_options
from monitor.cli import main
from monitor.config import Settings, load_settings
from monitor.intake.topics import ensure_topics
from monitor.profiling.dataset import frame_dataset
from monitor.storage.clickhouse import ClickHouseStore
from schemas.contract import SENT_AT_HEADER
from tests.backtest.conftest import CARD, rows

ONSET = 3_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drill")
    rows(6_000, seed=2).to_parquet(path / "events.parquet")
    rows(20_000, seed=1).to_parquet(path / "reference.parquet")
    card = CARD.model_dump(mode="json", exclude_none=True)
    (path / "card.yaml").write_text(yaml.safe_dump(card))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def backtest(folder: Path, *more: object) -> Result:
    files = ("--reference", folder / "reference.parquet", "--card", folder / "card.yaml")
    return run("backtest", folder / "events.parquet", *files, *more)


def test_a_backtest_tells_what_was_injected_and_what_caught_it(
    folder: Path, tmp_path: Path
) -> None:
    file, page = tmp_path / "out.json", tmp_path / "out.html"
    done = backtest(
        folder,
        *("--fault", "null_burst", "--seed", 3, "--onset", ONSET, "--json", file, "--html", page),
    )
    assert done.exit_code == 0, done.output
    told = json.loads(file.read_text())
    [fault] = told["drill"]["faults"]
    assert fault["done"] in done.output.replace("\n", " ")
    feature = fault["caught"]["feature"]
    assert fault["named"]["alertname"] == "MissingValues"
    assert 0 < fault["named"]["delay_events"] <= 2_000
    assert told["drill"]["onset"] == ONSET
    assert told["drill"]["effects"][feature] > 0.2
    assert told["drill"]["twin"] == []
    [alert] = [a for a in told["alerts"] if a["alertname"] == "MissingValues"]
    assert alert["feature"] == feature
    assert alert["firing_event"] + 1 - ONSET == fault["named"]["delay_events"]
    assert "MissingValues" in page.read_text()
    again = backtest(folder, "--fault", "null_burst", "--seed", 3, "--onset", ONSET)
    assert again.output == done.output[: len(again.output)]


def test_a_lacking_signal_is_simulated_and_composed_faults_are_judged_each(
    folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "out.json"
    names = ("--fault", "latency_jump", "--fault", "stopped_stream")
    done = backtest(folder, *names, "--json", file)
    assert done.exit_code == 0, done.output
    told = json.loads(file.read_text())
    latency, stopped = told["drill"]["faults"]
    assert "times as long" in latency["done"]
    assert latency["named"] is None
    assert stopped["named"]["alertname"] == "StreamStopped"
    assert told["events"] == ONSET, "nothing came after the onset, which is the middle"


def test_a_wrong_question_is_refused(folder: Path) -> None:
    assert "at least 500" in backtest(folder, "--fault", "noise", "--onset", 100).output
    assert "onset 6,000" in backtest(folder, "--fault", "noise", "--onset", 6_000).output
    assert "exclude" in backtest(folder, "--fault", "noise", "--sweep", "floor=0.1").output
    assert "is not one of" in backtest(folder, "--fault", "bogus").output
    done = backtest(folder, "--fault", "time_zone")
    assert done.exit_code == 1
    assert "no feature of orders is a time of day" in done.output
    assert run("drill", "--model", "orders").exit_code == 2


@pytest.fixture
def config(stack: StackInfo, tmp_path: Path) -> Path:
    """Settings with topics and a database of this test's own."""
    name = f"drill_{uuid4().hex[:12]}"
    topics = ("predictions", "labels", "models", "commands", "alerts", "rejections", "state")
    file = tmp_path / "settings.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "kafka": {
                    "bootstrap_servers": stack.kafka_bootstrap,
                    "partitions": 2,
                    "topics": {
                        **{topic: f"{name}.{topic}" for topic in topics},
                        "alerts_state": f"{name}.alerts.state",
                    },
                },
                "clickhouse": {
                    "host": stack.clickhouse_host,
                    "port": stack.clickhouse_port,
                    "username": stack.writer_user,
                    "password": stack.writer_password,
                    "database": name,
                },
            }
        )
    )
    return file


def send(settings: Settings, frame: pd.DataFrame) -> None:
    """Rows to the predictions topic as a replay sends them, with a broken record and a stranger."""
    producer = KafkaProducer(**client_options(settings.kafka), linger_ms=10)
    topic = settings.kafka.topics.predictions
    for number, (event, sent_us) in enumerate(file_events(frame_dataset(frame, CARD), CARD)):
        headers = [(SENT_AT_HEADER, b"%d" % sent_us)]
        producer.send(topic, orjson.dumps(event), b"orders", headers)
        if number % 1_000 == 0:
            producer.send(topic, b"{broken", b"orders", headers)
            producer.send(topic, orjson.dumps(event | {"model": "other"}), b"other", headers)
    producer.flush()
    producer.close()


def everything(settings: Settings) -> tuple[set[str], dict[str, int], dict[str, int]]:
    """Topics, their ends, and the rows of every table."""
    admin = KafkaAdminClient(**client_options(settings.kafka))
    names = {name for name in admin.list_topics() if name.startswith(settings.clickhouse.database)}
    admin.close()
    consumer = KafkaConsumer(**client_options(settings.kafka), enable_auto_commit=False)
    ends: dict[str, int] = {}
    for name in sorted(names):
        parts = [TopicPartition(name, n) for n in consumer.partitions_for_topic(name) or ()]
        ends[name] = sum(consumer.end_offsets(parts).values())
    consumer.close(autocommit=False)
    with ClickHouseStore(settings.clickhouse) as store:
        tables = store.connection.query(
            "SELECT name, toInt64(total_rows) AS n FROM system.tables "
            "WHERE database = currentDatabase() AND total_rows IS NOT NULL"
        )
    return names, ends, {row["name"]: row["n"] for row in tables}


@pytest.mark.integration
def test_a_drill_on_live_traffic_catches_tells_and_leaves_nothing_behind(
    config: Path, folder: Path, tmp_path: Path
) -> None:
    settings = load_settings(config)
    ensure_topics(settings)
    done = run(
        *("--config", config, "register", folder / "card.yaml"),
        *("--reference", folder / "reference.parquet"),
    )
    assert done.exit_code == 0, done.output
    send(settings, rows(7_000, seed=4))
    before = everything(settings)
    drill = ("--config", config, "drill", "--model", "orders", "--seed", 3)

    caught = run(*drill, "--fault", "null_burst", "--events", 6_000, "--json")
    assert caught.exit_code == 0, caught.output
    told = json.loads(caught.output)
    [fault] = told["faults"]
    assert fault["named"]["alertname"] == "MissingValues"
    assert 2_900 < told["onset"] < 3_000, "half of the newest 6,000 and a little more, by the seed"
    assert told["twin"] == []

    missed = run(*drill, "--fault", "joint_shuffle", "--from", folder / "events.parquet")
    assert missed.exit_code == 1, missed.output  # independent columns have nothing to shuffle
    assert "missed: no alert about it within 2,000 events" in missed.output

    assert everything(settings) == before, "no topic, no record and no row is left behind"

    stranger = run("--config", config, "drill", "--model", "nobody", "--fault", "noise")
    assert stranger.exit_code == 1
    assert "nobody has no card" in stranger.output.replace("nobody  has", "nobody has")

"""`plumbline register` on the real broker and engine."""

import json
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from kafka import KafkaConsumer

from devstack import StackInfo
from monitor.cli import main
from monitor.clock import to_us
from monitor.config import load_settings
from monitor.profiling.card import load_card
from monitor.sketches.profile import Profile
from monitor.storage.clickhouse import ClickHouseStore
from schemas.model import ModelCard

CARD = """
model: churn
model_version: "1"
task: binary
owner: {team: retention, contact: retention@example.com}
features:
  age: {type: number}
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    file = tmp_path / "churn.yaml"
    file.write_text(CARD)
    return file


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    ages = np.random.default_rng(1).integers(18, 90, 6_000)
    file = tmp_path / "reference.csv"
    file.write_text("age,score\n" + "".join(f"{age},0.5\n" for age in ages))
    return file


@pytest.fixture
def config(stack: StackInfo, tmp_path: Path) -> Path:
    """Settings with topics and a database of this test's own."""
    name = f"register_{uuid4().hex[:12]}"
    topics = ("predictions", "labels", "models", "commands", "alerts", "rejections", "state")
    settings = {
        "kafka": {
            "bootstrap_servers": stack.kafka_bootstrap,
            "partitions": 1,
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
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.integration
def test_profile_then_card_then_rows(config: Path, card: Path, reference: Path) -> None:
    assert run("profile", reference, "--card", card).exit_code == 0
    result = run("--config", config, "register", card)
    assert result.exit_code == 0, result.output
    settings = load_settings(config)

    consumer = KafkaConsumer(
        settings.kafka.topics.models,
        bootstrap_servers=settings.kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=60_000,
    )
    record = next(iter(consumer))
    consumer.close()
    published = ModelCard.model_validate_json(record.value)
    built = Profile.from_bytes((card.with_suffix(".profile")).read_bytes())
    assert record.key == b"churn/1"
    assert published.profile_hash == built.hash
    assert published.dataset_fingerprint == built.dataset_fingerprint
    assert published.registered_at is not None

    with ClickHouseStore(settings.clickhouse) as store:
        assert store.load_profile(built.hash) == built.to_bytes()
        [audit] = store.connection.query("SELECT profile_hash, audit FROM audits")
        assert audit["profile_hash"] == built.hash
        assert json.loads(audit["audit"])["n_rows"] == 6_000
        [row] = store.connection.query("SELECT * FROM cards")
        assert (row["model"], row["owner_team"]) == ("churn", "retention")
        assert row["profile_hash"] == built.hash
        assert to_us(row["appended_at"]) == record.timestamp * 1_000
    assert f"profile  {built.hash} -> ClickHouse" in result.stdout
    assert f"card     churn 1 -> {settings.kafka.topics.models} offset 0" in result.stdout
    assert "owner    retention, retention@example.com" in result.stdout


@pytest.mark.integration
def test_a_reference_is_enough_and_its_remarks_are_shown(
    config: Path, card: Path, reference: Path
) -> None:
    result = run("--config", config, "register", card, "--reference", reference)
    assert result.exit_code == 0, result.output
    assert "score is constant: every value is 0.5" in result.stdout
    again = run("--config", config, "register", card, "--reference", reference)
    assert "offset 1" in again.stdout
    with ClickHouseStore(load_settings(config).clickhouse) as store:
        [count] = store.connection.query("SELECT count() AS n FROM profiles")
        assert count["n"] == 1


def test_without_a_profile_it_names_the_command(card: Path) -> None:
    result = run("register", card)
    assert result.exit_code == 1
    assert "churn.profile cannot be read" in result.stderr
    assert "build it with `plumbline profile" in result.stderr


def test_a_profile_of_another_card_is_refused(card: Path, reference: Path) -> None:
    assert run("profile", reference, "--card", card).exit_code == 0
    for old, new, problem in (
        ('"1"', '"2"', "it is of churn 1"),
        ("age: {type: number}", "age: {type: category}", "it differs in the columns age"),
        ("owner:", "monitoring: {scales: [2000]}\nowner:", "it is calibrated for windows of"),
    ):
        card.write_text(CARD.replace(old, new))
        load_card(card)
        result = run("register", card)
        assert result.exit_code == 1
        assert problem in result.stderr


def test_a_damaged_profile_and_a_foreign_audit_are_refused(card: Path, reference: Path) -> None:
    assert run("profile", reference, "--card", card).exit_code == 0
    file, audit = card.with_suffix(".profile"), card.with_suffix(".audit.json")
    content = file.read_bytes()
    audit.write_text('{"dataset_fingerprint": "sha256:0"}')
    assert "is about sha256:0, not about the profile's data set" in run("register", card).stderr
    file.write_bytes(content[: len(content) // 2])
    assert "churn.profile: " in run("register", card).stderr


def test_profile_and_reference_exclude_each_other(card: Path, reference: Path) -> None:
    assert run("register", card, "--profile", "x", "--reference", reference).exit_code == 2

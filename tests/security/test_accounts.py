"""Least privilege: the documented rights, given to a real broker, are enough and are all."""

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from click.testing import CliRunner
from kafka import KafkaProducer
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import TopicAuthorizationFailedError

from devstack import StackInfo
from monitor.broker import client_options
from monitor.cli import main
from monitor.config import Settings, load_settings
from monitor.errors import ConfigError
from monitor.intake.topics import ensure_topics
from monitor.publishing.card import publish_card
from monitor.storage.clickhouse import ClickHouseStore
from schemas import FeatureSpec, ModelCard
from schemas.rejection import Rejection
from tests.intake.brokers import read
from tests.integration.conftest import order_events, order_rows
from tests.security.broker import PASSWORDS, Broker

pytestmark = pytest.mark.integration
DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
WAIT_S = 120.0
EVENTS = 300
_KINDS = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}


def documented_acls() -> list[ACL]:
    """The kafka-acls commands of docs/security.md, as an administrator's client has them."""
    acls = []
    for line in re.findall(r"^kafka-acls --add (.+)$", DOCUMENT.read_text(), re.MULTILINE):
        words = shlex.split(line)
        pairs = list(zip(words[::2], words[1::2], strict=True))
        options = dict(pairs)
        pattern = options.get("--resource-pattern-type", "literal").upper()
        operation = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", options["--operation"]).upper()
        acls += [
            ACL(
                options["--allow-principal"],
                "*",
                ACLOperation[operation],
                ACLPermissionType.ALLOW,
                ResourcePattern(_KINDS[flag], name, ACLResourcePatternType[pattern]),
            )
            for flag, name in pairs
            if flag in _KINDS
        ]
    return acls


def _until(done: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.3)


def _settings_file(folder: Path, secured: Broker, stack: StackInfo, database: str) -> Path:
    kafka = secured.settings("worker")
    file = folder / "plumbline.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "kafka": {
                    "bootstrap_servers": kafka.bootstrap_servers,
                    "security_protocol": "SASL_PLAINTEXT",
                    "sasl_mechanism": "SCRAM-SHA-256",
                    "sasl_username": "worker",
                    "sasl_password": PASSWORDS["worker"],
                    "partitions": 2,
                },
                "clickhouse": {
                    "port": stack.clickhouse_port,
                    "username": stack.writer_user,
                    "password": stack.writer_password,
                    "database": database,
                },
                "worker": {"commit_interval_ms": 200},
                "sensitivity": {"hash_key": "planted-hash-key-4711"},
            }
        )
    )
    return file


def test_each_account_does_its_work_with_the_documented_rights_alone(
    secured: Broker, stack: StackInfo, tmp_path: Path
) -> None:
    ensure_topics(Settings(kafka=secured.settings()))
    admin: Any = KafkaAdminClient(**client_options(secured.settings()))
    created = admin.create_acls(documented_acls())
    admin.close()
    assert not created["failed"]
    database = f"least_{uuid4().hex[:10]}"
    file = _settings_file(tmp_path, secured, stack, database)
    settings = load_settings(file)
    card = ModelCard(
        model="orders",
        model_version="1",
        task="regression",
        features={
            "amount": FeatureSpec(type="number"),
            "items": FeatureSpec(type="number", sensitivity="hash"),
        },
    )
    with ClickHouseStore(settings.clickhouse) as store:
        store.migrate()
        try:
            registrar = Settings(kafka=secured.settings("registrar"))
            assert ensure_topics(registrar) == []
            publish_card(registrar, card)
            looked = CliRunner().invoke(main, ["--config", str(file), "doctor"])
            assert "FAIL" not in looked.output.replace("FAIL  card of orders 1", ""), looked.output
            keyless = tmp_path / "keyless.yaml"
            keyless.write_text(file.read_text().replace("planted-hash-key-4711", "null"))
            unkeyed = CliRunner().invoke(main, ["--config", str(keyless), "doctor"])
            assert "hashes items, but there is no key" in unkeyed.output, unkeyed.output
            outputs = looked.output + _run_worker(file, secured, store, tmp_path)
            rows = store.connection.query(
                "SELECT strings['items'] AS items FROM predictions WHERE model = 'orders'"
            )
            assert all(re.fullmatch("[0-9a-f]{32}", row["items"]) for row in rows)
        finally:
            store.connection.command("DROP DATABASE {name:Identifier}", {"name": database})
    for secret in (*PASSWORDS.values(), stack.writer_password, "planted-hash-key-4711"):
        assert secret not in outputs
    topics = settings.kafka.topics
    auditor = Settings(kafka=secured.settings("auditor"))
    [refused] = read(auditor, topics.rejections)
    assert b"4711" not in Rejection.model_validate_json(refused.value or b"").original
    [alert] = read(Settings(kafka=secured.settings("pager")), topics.alerts)
    assert b"UnregisteredModel" in (alert.value or b"")
    for account, topic in (
        ("producer", topics.predictions),
        ("pager", topics.predictions),
        ("auditor", topics.labels),
        ("registrar", topics.models),
        ("nobody", topics.alerts),
    ):
        with pytest.raises(ConfigError):
            read(Settings(kafka=secured.settings(account)), topic)
    with pytest.raises(TopicAuthorizationFailedError):
        _send(secured, "pager", topics.predictions, [(b"k", b"v", [])])


def _send(secured: Broker, account: str, topic: str, records: list[Any]) -> None:
    producer = KafkaProducer(
        **client_options(secured.settings(account)), max_block_ms=10_000, enable_idempotence=False
    )
    try:
        sent = [producer.send(topic, value, key) for key, value, _ in records]
        for future in sent:
            future.get(timeout=60)
    finally:
        producer.close(timeout=5)


def _run_worker(file: Path, secured: Broker, store: ClickHouseStore, folder: Path) -> str:
    """A worker until it has stored and rejected everything; what it logged."""
    predictions = Settings().kafka.topics.predictions
    events = order_events(order_rows(EVENTS - 1, 1))
    events += order_events(order_rows(1, 2), "stray")  # it has no card: an alert
    _send(secured, "producer", predictions, [*events, (b"orders", b'{"items": 4711', [])])
    log = folder / "worker.log"
    with log.open("wb") as stream:
        worker = subprocess.Popen(
            [sys.executable, "-m", "monitor.cli", "--config", str(file), "run"],
            stdout=stream,
            stderr=stream,
        )
        try:
            _until(
                lambda: (
                    worker.poll() is not None
                    or (
                        len(store.connection.query("SELECT offset FROM predictions")) == EVENTS
                        and len(store.connection.query("SELECT offset FROM rejections")) == 1
                    )
                ),
                log.read_text,
            )
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=60) == 0, log.read_text()
        finally:
            if worker.poll() is None:
                worker.kill()
                worker.wait(timeout=60)
    text = log.read_text()
    assert "uthorization" not in text, text
    return text


def test_clickhouse_reads_the_documented_grants(stack: StackInfo) -> None:
    grants = re.findall(r"^(GRANT .+);$", DOCUMENT.read_text(), re.MULTILINE)
    assert len(grants) >= 8
    settings = Settings.model_validate(
        {
            "clickhouse": {
                "port": stack.clickhouse_port,
                "username": stack.writer_user,
                "password": stack.writer_password,
                "database": "default",
            }
        }
    )
    with ClickHouseStore(settings.clickhouse) as store:
        for grant in grants:
            [row] = store.connection.query(
                "SELECT formatQuerySingleLine({grant:String}) AS read", {"grant": grant}
            )
            assert row["read"] == grant

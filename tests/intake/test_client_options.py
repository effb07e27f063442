"""Connection options: one place for address, TLS and SASL."""

from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from pydantic import SecretStr

from monitor.broker import client_options
from monitor.config import KafkaSettings


def test_plaintext_passes_no_security_option() -> None:
    options = client_options(KafkaSettings())
    assert options == {"bootstrap_servers": ["127.0.0.1:9092"], "security_protocol": "PLAINTEXT"}


def test_sasl_over_tls_passes_account_and_files() -> None:
    kafka = KafkaSettings(
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="monitor",
        sasl_password=SecretStr("hidden"),
        ssl_cafile=Path("ca.pem"),
    )
    options = client_options(kafka)
    assert options["sasl_plain_username"] == "monitor"
    assert options["sasl_plain_password"] == "hidden"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["ssl_cafile"] == "ca.pem"
    assert "ssl_certfile" not in options


def test_every_client_knows_every_option() -> None:
    kafka = KafkaSettings(
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_username="monitor",
        sasl_password=SecretStr("hidden"),
        ssl_cafile=Path("ca.pem"),
        ssl_certfile=Path("cert.pem"),
        ssl_keyfile=Path("key.pem"),
    )
    clients: list[Any] = [KafkaConsumer, KafkaProducer, KafkaAdminClient]
    for client in clients:
        assert set(client_options(kafka)) <= set(client.DEFAULT_CONFIG), client.__name__

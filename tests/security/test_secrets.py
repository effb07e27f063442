"""No secret is said: planted in every place that holds one, and looked for in all that is said."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from click.testing import CliRunner
from prometheus_client import generate_latest
from pydantic import BaseModel, SecretStr, ValidationError

from monitor.cli import COMMANDS, main
from monitor.clock import SystemClock
from monitor.config import Settings, load_settings
from monitor.errors import ConfigError, PlumblineError
from monitor.publishing.kafka import KafkaPublisher
from monitor.storage.connection import Connection
from monitor.worker import Worker

PLANTED = "planted-secret-4711-"


def _secrets(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Keys of the settings that hold a secret."""
    for name, field in model.model_fields.items():
        kinds = _kinds(field.annotation)
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _secrets(kind, f"{prefix}{name}.")
        if SecretStr in kinds:
            yield prefix + name


def _kinds(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for part in get_args(annotation) for kind in _kinds(part))
    inner = getattr(annotation, "__origin__", annotation)
    return (inner,)


KEYS = tuple(_secrets(Settings))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Settings in which every secret is planted, at servers that are away."""
    for key in KEYS:
        variable = "PLUMBLINE_" + key.replace(".", "__").upper()
        monkeypatch.setenv(variable, PLANTED + key)
    port = _free_port()
    file = tmp_path / "settings.yaml"
    file.write_text(
        f"""
kafka:
  bootstrap_servers: 127.0.0.1:{port}
  security_protocol: SASL_PLAINTEXT
  sasl_mechanism: PLAIN
  sasl_username: worker
clickhouse: {{port: {port}, reader_username: reader}}
"""
    )
    return file


def test_the_known_secrets_are_found() -> None:
    assert {
        "kafka.sasl_password",
        "kafka.ssl_keypassword",
        "clickhouse.password",
        "clickhouse.reader_password",
        "sensitivity.hash_key",
    } <= set(KEYS)


def test_settings_hide_what_they_hold(planted: Path) -> None:
    settings = load_settings(planted)
    shown = repr(settings) + str(settings) + settings.model_dump_json() + str(settings.model_dump())
    assert PLANTED not in shown
    key = settings.sensitivity.key()
    assert key is not None
    assert PLANTED not in repr(key) + repr(key.id) + key.text("a", "b")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_help_says_one(planted: Path, command: str) -> None:
    words = ["--config", str(planted), *([command] if command else []), "--help"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0
    assert PLANTED not in result.output


def test_neither_doctor_nor_an_error_nor_a_log_says_one(
    planted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = [CliRunner().invoke(main, ["--config", str(planted), "doctor"]).output]
    settings = load_settings(planted)
    for attempt in (
        lambda: KafkaPublisher(settings.kafka, "a-slot").open(),
        lambda: Connection(settings.clickhouse).ping(),
        lambda: Connection(settings.clickhouse, reader=True).query("SELECT 1"),
    ):
        with pytest.raises(PlumblineError) as error:
            attempt()
        said.append(f"{error.value!r} {error.value.__cause__!r}")
    worker = Worker(settings, SystemClock())
    deadline_s = SystemClock().monotonic_s() + 1.0
    worker.run(lambda: SystemClock().monotonic_s() > deadline_s)
    said.append(generate_latest(worker.telemetry.registry).decode())
    assert "127.0.0.1" in caplog.text
    assert PLANTED not in "".join(said) + caplog.text


@pytest.mark.parametrize("key", KEYS)
def test_an_error_about_a_setting_hides_it(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section, _, name = key.partition(".")
    for wrong in (f"[{PLANTED}]", f"{{a: {PLANTED}}}"):
        file = tmp_path / "settings.yaml"
        file.write_text(f"{section}: {{{name}: {wrong}}}\n")
        with pytest.raises(ConfigError) as error:
            load_settings(file)
        assert key in str(error.value)
        assert PLANTED not in str(error.value)
    file.write_text(f"{section}: {{{name}s: {PLANTED}}}\n")
    with pytest.raises(ConfigError) as misspelt:
        load_settings(file)
    assert PLANTED not in str(misspelt.value)
    monkeypatch.setenv("PLUMBLINE_SENSITIVITY__HASH_KEY", "planted-short")
    file.write_text("")
    with pytest.raises(ConfigError) as short:
        load_settings(file)
    assert "at least 16" in str(short.value)
    assert "planted-short" not in str(short.value)


def test_a_password_without_its_user_is_not_quoted() -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate(
            {"kafka": {"security_protocol": "SASL_SSL", "sasl_password": PLANTED}}
        )
    explained = [str(problem["msg"]) for problem in error.value.errors()]
    assert PLANTED not in "".join(explained)

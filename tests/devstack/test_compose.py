"""docker-compose.yml and the Dockerfile agree with the settings and with the local stack.

Docker itself is not asked: the files are read, checked for their shape, and held to the code.
"""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from devstack.clickhouse.accounts import DEFAULT_SETTINGS, READER_GRANTS
from devstack.kafka.broker import properties
from devstack.kafka.jars import kafka_version
from monitor.config import (
    ENV_DELIMITER,
    ENV_PREFIX,
    ClickHouseSettings,
    KafkaSettings,
    RoutingSettings,
    Settings,
)
from tests.routing.alerts import binary

ROOT = Path(__file__).parents[2]
REQUIRED = re.compile(r"\$\{([A-Z0-9_]+):\?[^}]+\}")
IMAGE = re.compile(r"[a-z0-9./-]+:v?\d+(\.\d+)+")
SERVICE_KEYS = {
    "build",
    "depends_on",
    "entrypoint",
    "environment",
    "healthcheck",
    "image",
    "ports",
    "restart",
    "ulimits",
    "volumes",
}
HEALTHCHECK_KEYS = {"test", "interval", "timeout", "retries", "start_period"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = compose["services"]
    return services


def test_shape(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    assert set(compose) == {"name", "services", "volumes"}
    servers = {"kafka", "clickhouse", "prometheus", "alertmanager", "grafana"}
    assert set(services) == {*servers, "worker", "router"}
    named = set(compose["volumes"])
    for name, service in services.items():
        assert set(service) <= SERVICE_KEYS, name
        assert set(service["healthcheck"]) == HEALTHCHECK_KEYS, name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name
        # Unquoted YAML would turn a number or a truth value into something else.
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), (
            name
        )
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in named or (ROOT / source).exists(), mount
        for other in service.get("depends_on", {}):
            assert other in services, name
    assert services["worker"]["depends_on"] == {
        "kafka": {"condition": "service_healthy"},
        "clickhouse": {"condition": "service_healthy"},
    }


def test_images_are_fixed_and_kafka_is_the_local_stacks(
    services: dict[str, dict[str, Any]],
) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{kafka_version()}"
    for name in ("clickhouse", "prometheus", "alertmanager", "grafana"):
        assert IMAGE.fullmatch(services[name]["image"]), name
    plugin = services["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    assert re.fullmatch(r"grafana-clickhouse-datasource@\d+\.\d+\.\d+", plugin)


def test_ports_are_on_the_loopback_and_are_the_defaults(
    services: dict[str, dict[str, Any]],
) -> None:
    kafka, clickhouse = KafkaSettings(), ClickHouseSettings()
    assert services["kafka"]["ports"] == [f"{kafka.bootstrap_servers}:9092"]
    assert services["clickhouse"]["ports"] == [f"{clickhouse.host}:{clickhouse.port}:8123"]
    for name in ("prometheus", "alertmanager", "grafana"):
        [port] = services[name]["ports"]
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port), name
    assert services["alertmanager"]["ports"] == [
        f"{RoutingSettings().alertmanager_url.removeprefix('http://')}:9093"
    ]
    assert "ports" not in services["worker"]


def test_prometheus_scrapes_the_worker_and_knows_alertmanager(
    services: dict[str, dict[str, Any]],
) -> None:
    scraped = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    [job] = scraped["scrape_configs"]
    worker = services["worker"]["environment"]
    assert job["job_name"] == "plumbline"
    assert job["static_configs"][0]["targets"] == [
        f"worker:{worker['PLUMBLINE_WORKER__HTTP_PORT']}"
    ]
    [manager] = scraped["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert f"http://{manager}" == worker["PLUMBLINE_ROUTING__ALERTMANAGER_URL"]
    for tool, *words in (
        ("promtool", "check", "config", "ops/prometheus/prometheus.yml"),
        ("amtool", "check-config", "ops/alertmanager/alertmanager.yml"),
    ):
        done = subprocess.run(
            [binary(tool), *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_listeners_lead_where_clients_are(services: dict[str, dict[str, Any]]) -> None:
    environment = services["kafka"]["environment"]
    advertised = dict(
        listener.split("://") for listener in environment["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    worker = services["worker"]["environment"]
    assert advertised["HOST"] == KafkaSettings().bootstrap_servers
    assert advertised["INTERNAL"] == worker["PLUMBLINE_KAFKA__BOOTSTRAP_SERVERS"]
    listening = {listener.split("://")[0] for listener in environment["KAFKA_LISTENERS"].split(",")}
    mapped = environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert listening == {entry.split(":")[0] for entry in mapped} == {*advertised, "CONTROLLER"}


def test_kafka_is_set_as_in_the_local_stack(services: dict[str, dict[str, Any]]) -> None:
    text = properties(1, 2, Path("data"))
    local = dict(line.split("=", 1) for line in text.splitlines())
    addresses = {"process.roles", "node.id", "controller.quorum.voters", "log.dirs"}
    for variable, value in services["kafka"]["environment"].items():
        name = variable.removeprefix("KAFKA_").lower().replace("_", ".")
        if name in addresses or "listener" in name:
            continue
        assert local[name] == value, variable


def test_the_workers_variables_are_settings(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = services["worker"]["environment"]
    for name, value in environment.items():
        assert name.startswith(ENV_PREFIX)
        assert ENV_DELIMITER in name
        monkeypatch.setenv(name, REQUIRED.sub(r"value of \1", value))
    # An unknown name is an error of the settings: `extra` is forbidden.
    settings = Settings()
    clickhouse = settings.clickhouse
    assert settings.kafka.bootstrap_servers == environment["PLUMBLINE_KAFKA__BOOTSTRAP_SERVERS"]
    assert (clickhouse.host, clickhouse.port) == ("clickhouse", 8123)
    assert clickhouse.database == ClickHouseSettings().database
    assert clickhouse.username == services["clickhouse"]["environment"]["CLICKHOUSE_USER"]
    assert clickhouse.password.get_secret_value() == "value of PLUMBLINE_CLICKHOUSE__PASSWORD"
    assert clickhouse.reader_username == "reader"


def test_every_password_is_required_and_none_is_written(
    services: dict[str, dict[str, Any]],
) -> None:
    found = {}
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                required = REQUIRED.fullmatch(value)
                assert required, (name, variable)
                found[name, variable] = required[1]
    writer, reader = "PLUMBLINE_CLICKHOUSE__PASSWORD", "PLUMBLINE_CLICKHOUSE__READER_PASSWORD"
    assert found == {
        ("clickhouse", "CLICKHOUSE_PASSWORD"): writer,
        ("clickhouse", "PLUMBLINE_READER_PASSWORD"): reader,
        ("worker", writer): writer,
        ("worker", reader): reader,
        ("router", writer): writer,
        ("router", reader): reader,
        ("grafana", "PLUMBLINE_READER_PASSWORD"): reader,
        ("grafana", "GF_SECURITY_ADMIN_PASSWORD"): "GRAFANA_PASSWORD",
    }


def test_the_reader_has_the_rights_of_the_local_reader(
    services: dict[str, dict[str, Any]],
) -> None:
    config = ElementTree.parse(ROOT / "devstack/clickhouse/reader.xml").getroot()
    user = config.find("users/reader")
    assert user is not None
    assert tuple(query.text for query in user.findall("grants/query")) == READER_GRANTS
    password = user.find("password")
    assert password is not None
    assert password.get("from_env") in services["clickhouse"]["environment"]
    profile = config.find(f"profiles/{user.findtext('profile')}")
    assert profile is not None
    assert profile.findtext("readonly") == "2"
    assert profile.findtext("max_execution_time") == DEFAULT_SETTINGS["max_execution_time"]


def test_the_dockerfile_copies_what_the_wheel_needs_and_drops_rights() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    copied = {word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]}
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    packages = [*wheel["packages"], *wheel["force-include"]]
    metadata = [project["project"]["readme"], *project["project"]["license-files"]]
    assert copied == {"pyproject.toml", *metadata, *packages}
    assert all((ROOT / name).exists() for name in copied)
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in allowed if line.startswith("!")} == copied
    minimum = project["project"]["requires-python"].removeprefix(">=")
    assert f"FROM python:{minimum}-slim" in lines
    assert "USER plumbline" in lines
    assert lines.index("USER plumbline") < lines.index('ENTRYPOINT ["plumbline"]')
    assert "plumbline" in project["project"]["scripts"]

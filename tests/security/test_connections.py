"""SASL and TLS against real servers: what works, and what doctor says of what does not."""

import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka.admin import KafkaAdminClient
from pydantic import SecretStr
from urllib3.exceptions import InsecureRequestWarning

from devstack import StackInfo
from monitor.broker import client_options
from monitor.cli import main
from monitor.clock import SystemClock
from monitor.config import ClickHouseSettings, KafkaSettings, Settings
from monitor.intake.access import Access, check_access, check_rights, worker_rights
from monitor.intake.topics import check_topics, ensure_topics
from monitor.publishing.kafka import KafkaPublisher
from monitor.storage.access import WRITTEN_TABLES, check_road, missing_grants
from monitor.storage.clickhouse import ClickHouseStore
from monitor.storage.connection import Connection
from monitor.tls import RoadError
from producers.logger import PredictionLogger
from tests.intake.brokers import read
from tests.security.broker import PASSWORDS, Broker
from tests.security.certificates import Authority

pytestmark = pytest.mark.integration
CLOCK = SystemClock()


def _sasl_tls(broker: Broker, user: str = "admin", **changes: object) -> KafkaSettings:
    options = {
        "bootstrap_servers": f"127.0.0.1:{broker.sasl_tls}",
        "security_protocol": "SASL_SSL",
        "ssl_cafile": broker.authority.ca,
    }
    return broker.settings(user, **{**options, **changes})


def _tls(broker: Broker, **changes: object) -> KafkaSettings:
    options = {
        "bootstrap_servers": f"127.0.0.1:{broker.tls}",
        "security_protocol": "SSL",
        "ssl_cafile": broker.authority.ca,
    }
    return broker.settings("", **{**options, **changes})


def _one(kafka: KafkaSettings) -> Access:
    [access] = check_access(kafka, CLOCK)
    return access


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_every_client_passes_sasl_over_tls(secured: Broker, mechanism: str) -> None:
    kafka = _sasl_tls(secured, sasl_mechanism=mechanism)
    settings = Settings(kafka=kafka)
    ensure_topics(settings)
    assert check_topics(settings) == []
    assert _one(kafka).problem == ""
    with closing(KafkaPublisher(kafka, "a-slot")) as publisher:
        publisher.open()
    options = client_options(kafka)
    servers = ",".join(options.pop("bootstrap_servers"))
    before = len(read(settings, kafka.topics.predictions))
    with PredictionLogger(servers, model="m", model_version="1", kafka=options) as logger:
        logger.log({"a": 1.0}, 1.0)
        logger.close(timeout_s=60)
    assert logger.counts().delivered == 1, logger.counts()
    assert len(read(settings, kafka.topics.predictions)) == before + 1


def test_a_clients_certificate_opens_a_listener_that_wants_one(secured: Broker) -> None:
    certificate, key = secured.authority.sign("client", days=3)
    with_it = _tls(secured, ssl_certfile=certificate, ssl_keyfile=key)
    assert _one(with_it).problem == ""
    admin = KafkaAdminClient(**client_options(with_it), bootstrap_timeout_ms=60_000)
    assert admin.list_topics() == []  # nothing is granted to it
    admin.close()
    without = _one(_tls(secured))
    assert without.problem.startswith("refuses this client: ")
    assert "kafka.ssl_certfile" in without.fix


@pytest.mark.parametrize(
    ("changes", "problem", "fix"),
    [
        (
            {"sasl_password": SecretStr("not it")},
            "refuses account admin: Authentication failed",
            "kafka.sasl_password",
        ),
        (
            {"sasl_username": "stranger", "sasl_mechanism": "PLAIN"},
            "refuses account stranger: Authentication failed",
            "kafka.sasl_username",
        ),
        (
            {"sasl_mechanism": "SCRAM-SHA-512"},
            "does not offer SCRAM-SHA-512, but PLAIN, SCRAM-SHA-256",
            "kafka.sasl_mechanism",
        ),
        ({"ssl_cafile": None}, "certificate that is refused: unable to get", "kafka.ssl_cafile"),
        ({"ssl_cafile": Path("/nowhere/ca.pem")}, "/nowhere/ca.pem cannot be used", "ssl_cafile"),
    ],
)
def test_doctor_names_the_step_that_fails(
    secured: Broker, changes: dict[str, object], problem: str, fix: str
) -> None:
    kafka = _sasl_tls(secured).model_copy(update=changes)
    access = _one(kafka)
    assert problem in access.problem
    assert fix in access.fix
    assert not any(secret in repr(access) for secret in (*PASSWORDS.values(), "not it"))


def test_doctor_tells_listeners_apart(secured: Broker) -> None:
    wrong_name = _sasl_tls(secured, bootstrap_servers=f"localhost:{secured.sasl_tls}")
    assert "Hostname mismatch" in _one(wrong_name).problem
    unchecked = wrong_name.model_copy(update={"ssl_check_hostname": False})
    assert _one(unchecked).problem == ""
    for port in (secured.tls, secured.sasl):
        plain = secured.settings(bootstrap_servers=f"127.0.0.1:{port}")
        assert _one(plain).problem.startswith("ends the connection")
        assert "kafka.security_protocol" in _one(plain).fix
    encrypted = _tls(secured, bootstrap_servers=f"127.0.0.1:{secured.plain}")
    assert "does not shake hands" in _one(encrypted).problem
    closed = secured.settings(bootstrap_servers="127.0.0.1:1")
    assert "Connection refused" in _one(closed).problem


def test_doctor_names_each_right_that_is_missing_with_its_command(secured: Broker) -> None:
    ensure_topics(Settings(kafka=secured.settings()))
    kafka = secured.settings("nobody")
    found = check_rights(kafka, worker_rights(kafka))
    assert len(found) == len(worker_rights(kafka))
    assert found[0] == Access(
        "right to read topic plumbline.predictions",
        "account nobody has it not",
        "kafka-acls --add --allow-principal User:nobody --operation Read "
        "--topic plumbline.predictions",
    )
    admin = secured.settings("admin")
    [well] = check_rights(admin, worker_rights(admin))
    assert well.problem == ""


@contextmanager
def _front(authority: Authority, port: int, target: int, *, days: int = 30) -> Iterator[None]:
    """TLS in front of a plain port; the certificate is valid for so many days from now."""
    certificate, key = authority.sign(f"front-{days}", days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", port))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while part := source.recv(65_536):
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has gone

    def serve() -> None:
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return  # the test is over
            try:
                client = context.wrap_socket(raw, server_side=True)
            except OSError:
                continue  # a handshake that the test wants to fail
            server = socket.create_connection(("127.0.0.1", target))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _house(stack: StackInfo, port: int, **changes: object) -> ClickHouseSettings:
    return ClickHouseSettings.model_validate(
        {
            "port": port,
            "username": stack.writer_user,
            "password": SecretStr(stack.writer_password),
            "secure": True,
            "database": "default",
            **changes,
        }
    )


def test_clickhouse_over_tls(stack: StackInfo, tmp_path: Path) -> None:
    authority, port = Authority.make(tmp_path / "tls"), _free_port()
    with _front(authority, port, stack.clickhouse_port):
        trusted = _house(stack, port, ca_cert=authority.ca)
        assert "valid until" in check_road(trusted, CLOCK)
        with warnings.catch_warnings(), closing(Connection(trusted)) as connection:
            warnings.simplefilter("error", InsecureRequestWarning)
            assert connection.query("SELECT 1 AS one") == [{"one": 1}]
        unverified = _house(stack, port, verify=False)
        assert "not verified" in check_road(unverified, CLOCK)
        with (
            pytest.warns(InsecureRequestWarning, match="127.0.0.1"),
            closing(Connection(unverified)) as connection,
        ):
            assert connection.ping()
        with pytest.raises(RoadError, match="refused: unable to get local issuer") as refused:
            check_road(_house(stack, port), CLOCK)
        assert "clickhouse.ca_cert" in refused.value.fix
        with pytest.raises(RoadError, match="Hostname mismatch"):
            check_road(_house(stack, port, ca_cert=authority.ca, host="localhost"), CLOCK)
    with pytest.raises(RoadError, match="does not shake hands"):
        check_road(_house(stack, stack.clickhouse_port, ca_cert=authority.ca), CLOCK)


def test_a_certificate_that_ends_soon_or_has_ended(stack: StackInfo, tmp_path: Path) -> None:
    authority, port = Authority.make(tmp_path / "tls"), _free_port()
    settings = _house(stack, port, ca_cert=authority.ca)
    with (
        _front(authority, port, stack.clickhouse_port, days=5),
        pytest.raises(RoadError, match="days from now") as soon,
    ):
        check_road(settings, CLOCK)
    assert soon.value.fix == "renew the server's certificate"
    with (
        _front(authority, port, stack.clickhouse_port, days=-1),
        pytest.raises(RoadError, match="certificate has expired") as ended,
    ):
        check_road(settings, CLOCK)
    assert ended.value.fix == "renew the server's certificate"


def test_doctor_names_the_grants_that_are_missing(stack: StackInfo) -> None:
    accounts = {
        "secure": False,
        "database": "plumbline",
        "reader_username": stack.reader_user,
        "reader_password": SecretStr(stack.reader_password),
    }
    settings = _house(stack, stack.clickhouse_port, **accounts)
    with ClickHouseStore(settings) as store:
        store.migrate()
        assert missing_grants(store.connection) == []
    with closing(Connection(settings, reader=True)) as connection:
        missing = missing_grants(connection)
    assert len(missing) == len(WRITTEN_TABLES)
    assert missing[0][0].startswith("account reader ")
    assert missing[0][1] == "as administrator: GRANT SELECT, INSERT ON plumbline.* TO reader"


def test_doctor_reports_all_of_it(secured: Broker, stack: StackInfo, tmp_path: Path) -> None:
    kafka = secured.settings("nobody", sasl_password=SecretStr("planted-wrong-password"))
    file = tmp_path / "settings.yaml"
    file.write_text(
        f"""
kafka:
  bootstrap_servers: {kafka.bootstrap_servers}
  security_protocol: SASL_PLAINTEXT
  sasl_mechanism: PLAIN
  sasl_username: nobody
  sasl_password: planted-wrong-password
clickhouse: {{port: {stack.clickhouse_port}, username: writer, password: planted-wrong-too}}
"""
    )
    result = CliRunner().invoke(main, ["--config", str(file), "doctor"])
    assert result.exit_code == 1
    assert "refuses account nobody" in result.output
    assert "correct clickhouse.username or clickhouse.password" in result.output
    assert "planted" not in result.output

"""Whether this process gets at Kafka as it must: the road, TLS, the account, the rights.

In: settings. Out: what is wrong, broker by broker and right by right, each with its fix. Never: a
right tried out by using it on somebody's data, a password in a word.

kafka-python keeps trying and says no more than "unable to bootstrap", whatever the reason: each
step of a connection is therefore taken by hand.
"""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from kafka.admin import ACLOperation, KafkaAdminClient
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)

from monitor.broker import client_options
from monitor.clock import Clock
from monitor.config import KafkaSettings
from monitor.intake.credentials import introduce
from monitor.tls import (
    RoadError,
    RoadSettings,
    TlsFiles,
    connected,
    secured,
    tls_context,
    validity,
)

ADMIN_TIMEOUT_MS: Final = 5_000
COORDINATOR_TRIES: Final = 20
COORDINATOR_PAUSE_S: Final = 0.25

_NAMES: Final = RoadSettings(
    address="kafka.bootstrap_servers",
    protocol="kafka.security_protocol",
    ca="kafka.ssl_cafile",
    certificate="kafka.ssl_certfile",
)


@dataclass(frozen=True, slots=True)
class Access:
    """One thing looked at: `problem` is empty where it is well."""

    name: str
    problem: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Right:
    """Something that an account must be allowed to do."""

    kind: str
    """topic or group, as kafka-acls calls it."""
    name: str
    operation: str

    def command(self, user: str) -> str:
        """How an administrator grants it."""
        operation = self.operation.title()
        return (
            f"kafka-acls --add --allow-principal User:{user} --operation {operation} "
            f"--{self.kind} {self.name}"
        )


def worker_rights(kafka: KafkaSettings) -> tuple[Right, ...]:
    """What a worker's account needs of topics and group; docs/security.md has the whole list."""
    topics = kafka.topics
    read = (topics.predictions, topics.labels, topics.models, topics.commands, topics.state)
    written = (topics.alerts, topics.alerts_state, topics.rejections, topics.state)
    return (
        *(Right("topic", name, "READ") for name in read),
        *(Right("topic", name, "WRITE") for name in written),
        Right("group", kafka.group_id, "READ"),
    )


def check_access(kafka: KafkaSettings, clock: Clock) -> list[Access]:
    """The road to every broker, TLS with its certificate, and the account there."""
    context = None
    if kafka.security_protocol.endswith("SSL"):
        files = TlsFiles(
            kafka.ssl_cafile, kafka.ssl_certfile, kafka.ssl_keyfile, kafka.ssl_keypassword
        )
        try:
            context = tls_context(files, _NAMES, check_hostname=kafka.ssl_check_hostname)
        except RoadError as error:
            return [Access("files for TLS", error.problem, error.fix)]
    servers = client_options(kafka)["bootstrap_servers"]
    return [_road(kafka, server, context, clock) for server in servers]


def check_rights(kafka: KafkaSettings, rights: Sequence[Right]) -> list[Access]:
    """Which of `rights` the account has not; topics that are not there are not looked at.

    Raises kafka-python's KafkaError where the broker cannot be asked.
    """
    with _admin(kafka) as admin:
        allowed = _allowed(admin, rights)
    user = kafka.sasl_username or "THE-CERTIFICATE'S-NAME"
    lacking = [
        right
        for right in rights
        if (right.kind, right.name) in allowed
        and right.operation not in allowed[right.kind, right.name]
    ]
    if not lacking:
        return [Access("the account may do on topics and group what a worker does")]
    return [
        Access(
            f"right to {right.operation.lower()} {right.kind} {right.name}",
            f"account {user} has it not",
            right.command(user),
        )
        for right in lacking
    ]


def _road(
    kafka: KafkaSettings, server: str, context: ssl.SSLContext | None, clock: Clock
) -> Access:
    user = f" as {kafka.sasl_username}" if kafka.security_protocol.startswith("SASL") else ""
    place = f"at {server}{user}"
    name, well = f"Kafka {place}", f"Kafka answers {place}"
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit():
        return Access(name, "is no host:port", f"correct {_NAMES.address}")
    try:
        with connected(host, int(port), _NAMES) as connection:
            if context is None:
                introduce(connection, kafka)
                return Access(well)
            with secured(connection, context, host, _NAMES) as encrypted:
                introduce(encrypted, kafka)
                return Access(f"{well} with TLS, {validity(encrypted, clock)}")
    except RoadError as error:
        return Access(name, error.problem, error.fix)


@contextmanager
def _admin(kafka: KafkaSettings) -> Iterator[Any]:
    admin = KafkaAdminClient(
        **client_options(kafka),
        bootstrap_timeout_ms=ADMIN_TIMEOUT_MS,
        request_timeout_ms=ADMIN_TIMEOUT_MS,
    )
    try:
        yield admin
    finally:
        admin.close()


def _allowed(admin: Any, rights: Sequence[Right]) -> dict[tuple[str, str], frozenset[str]]:
    """What the account may do with each topic and group that is there."""
    topics = sorted({right.name for right in rights if right.kind == "topic"})
    groups = sorted({right.name for right in rights if right.kind == "group"})
    allowed = {
        ("topic", str(topic["name"])): _operations(topic, "topic_authorized_operations")
        for topic in admin.describe_topics(topics)
        if topic["error_code"] in (0, TopicAuthorizationFailedError.errno)
    }
    for group in groups:
        about = _group(admin, group)
        if about is not None:
            allowed["group", group] = _operations(about, "authorized_operations")
    return allowed


def _group(admin: Any, group: str) -> Mapping[str, Any] | None:
    """What is told of a group; None while a new broker has no coordinator yet."""
    for _ in range(COORDINATOR_TRIES):
        try:
            about: Mapping[str, Any] = admin.describe_groups([group])[group]
        except GroupAuthorizationFailedError:
            return {}
        except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError):
            Event().wait(COORDINATOR_PAUSE_S)
        else:
            if "Coordinator" not in str(about["error"]):
                # Of a group that nobody has joined yet, a broker tells no rights.
                return about if about["error"] is None else None
            Event().wait(COORDINATOR_PAUSE_S)
    return None


def _operations(about: Mapping[str, Any], name: str) -> frozenset[str]:
    found = about.get(name, about.get("authorized_operations"))
    if isinstance(found, int):  # a bit for each of ACLOperation
        return frozenset(op.name for op in ACLOperation if found >= 0 and found >> op.value & 1)
    return frozenset(str(operation) for operation in found or ())

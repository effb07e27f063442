"""A real broker that asks who you are: SASL, TLS and an authorizer, for the tests of security.

One node as the local stack's, with four listeners: plain (the tests' own administrator), SASL
without TLS, TLS, and SASL over TLS. Accounts by PLAIN and SCRAM. Nobody may do anything but by an
ACL, except `admin` and whoever comes by the plain listener.
"""

import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from devstack import processes
from devstack.kafka.broker import answers, command, properties
from devstack.ports import LOOPBACK, free_ports
from monitor.config import KafkaSettings, TopicSettings
from tests.security.certificates import Authority

START_S = 60.0
PASSWORDS = {
    name: f"{name}-secret-4711"
    for name in ("admin", "worker", "producer", "auditor", "pager", "nobody", "registrar")
}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where it is, and who signed its certificate."""

    plain: int
    sasl: int
    tls: int
    sasl_tls: int
    authority: Authority

    def settings(self, user: str = "", **changes: object) -> KafkaSettings:
        """The plain listener, or an account at the SASL listener."""
        options: dict[str, object] = {"partitions": 2}
        if user:
            options |= {
                "bootstrap_servers": f"{LOOPBACK}:{self.sasl}",
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "SCRAM-SHA-256",
                "sasl_username": user,
                "sasl_password": SecretStr(PASSWORDS[user]),
            }
        else:
            options["bootstrap_servers"] = f"{LOOPBACK}:{self.plain}"
        return KafkaSettings.model_validate({**options, "topics": TopicSettings(), **changes})


def start(folder: Path) -> tuple[Broker, processes.Process]:
    """Start the broker; it answers when this returns."""
    authority = Authority.make(folder / "tls")
    plain, controller, sasl, tls, sasl_tls = free_ports(5)
    config, data = folder / "kafka.properties", folder / "data"
    data.mkdir()
    config.write_text(
        properties(plain, controller, data)
        + _secured(plain, controller, (sasl, tls, sasl_tls), authority),
        encoding="utf-8",
    )
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    java = command(config)[:-2]
    scram = [
        f"--add-scram=SCRAM-SHA-256=[name={name},password={password}]"
        for name, password in PASSWORDS.items()
    ]
    subprocess.run(
        [
            *java,
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster_id}",
            f"--config={config}",
            *scram,
        ],
        check=True,
        capture_output=True,
        timeout=START_S,
    )
    process = processes.start(command(config), log=folder / "kafka.log", directory=folder)
    deadline = time.monotonic() + START_S
    while not answers(plain):
        if time.monotonic() > deadline or not processes.runs(process):
            processes.end(process)
            raise AssertionError((folder / "kafka.log").read_text()[-3_000:])
        time.sleep(0.1)
    return Broker(plain, sasl, tls, sasl_tls, authority), process


def _secured(plain: int, controller: int, ports: tuple[int, int, int], authority: Authority) -> str:
    sasl, tls, sasl_tls = ports
    users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
    login = f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    where = {"BROKER": plain, "SASL": sasl, "TLS": tls, "SASLTLS": sasl_tls}
    listeners = [f"{name}://{LOOPBACK}:{port}" for name, port in where.items()]
    values = {
        "listeners": ",".join([*listeners, f"CONTROLLER://{LOOPBACK}:{controller}"]),
        "advertised.listeners": ",".join(listeners),
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        "SASL:SASL_PLAINTEXT,TLS:SSL,SASLTLS:SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "listener.name.tls.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": authority.server_bundle,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": authority.ca,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:admin",
    }
    for listener in ("sasl", "sasltls"):
        values[f"listener.name.{listener}.plain.sasl.jaas.config"] = login
        values[f"listener.name.{listener}.scram-sha-256.sasl.jaas.config"] = scram
    return "".join(f"{name}={value}\n" for name, value in values.items())

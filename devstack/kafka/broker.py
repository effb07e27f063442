"""The broker: its configuration, its command lines, and whether it answers.

In: ports and folders. Out: command lines for `devstack.processes`. One KRaft node on the loopback
interface, whose topics never expire, because replayed data carries old timestamps.
"""

import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from devstack.errors import StackError
from devstack.kafka.jars import find_java, jars
from devstack.ports import LOOPBACK

LOG4J = Path(__file__).with_name("log4j2.properties")
FORMAT_TIMEOUT_S = 60
ANSWER_TIMEOUT_S = 2.0


def properties(port: int, controller_port: int, data: Path) -> str:
    """The broker's server.properties."""
    forever = 9_223_372_036_854_775_807
    values = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"BROKER://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"BROKER://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "num.partitions": 1,
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        # Real data has old timestamps: nothing expires, and no timestamp is too far away.
        "log.retention.ms": -1,
        "log.retention.bytes": -1,
        "log.message.timestamp.before.max.ms": forever,
        "log.message.timestamp.after.max.ms": forever,
        # Compacted state is read back at every restart: let the cleaner run often.
        "log.cleaner.backoff.ms": 5_000,
        "log.cleaner.dedupe.buffer.size": 16_777_216,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "controlled.shutdown.max.retries": 1,
        "num.network.threads": 2,
        "num.io.threads": 4,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def prepare(config: Path, data: Path, port: int, controller_port: int) -> None:
    """Write the configuration and, for an empty data folder, format it as KRaft storage."""
    config.write_text(properties(port, controller_port, data), encoding="utf-8")
    if (data / "meta.properties").exists():
        return
    data.mkdir(parents=True, exist_ok=True)
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    # Compiled code is not worth its compilation in a program that runs for a second.
    command = [*_java("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"), "kafka.tools.StorageTool"]
    command += ["format", f"--cluster-id={cluster_id}", "--config", str(config)]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"formatting {data} took more than {FORMAT_TIMEOUT_S} s") from None
    if answer.returncode != 0:
        raise StackError(f"formatting {data} failed:\n{(answer.stdout + answer.stderr).strip()}")


def command(config: Path) -> list[str]:
    """The command line of the broker."""
    return [*_java("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC"), "kafka.Kafka", str(config)]


def answers(port: int) -> bool:
    """Whether the broker on `port` answers, and lists itself as a live broker of the cluster."""
    # A metadata request, version 1, for no topics: length, key, version, correlation id, client.
    body = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)
    try:
        with socket.create_connection((LOOPBACK, port), timeout=ANSWER_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = connection.makefile("rb").read(12)
    except OSError:
        return False
    return len(answer) == 12 and int(struct.unpack(">iii", answer)[2]) > 0


def _java(*options: str) -> list[str]:
    return [
        find_java(),
        *options,
        "-XX:+ExitOnOutOfMemoryError",
        f"-Dlog4j2.configurationFile={LOG4J}",
        "-cp",
        f"{jars()}/*",
    ]

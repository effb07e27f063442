"""What the steps that speak to Kafka share: where the broker is, and who speaks.

In: `KafkaSettings`. Out: the connection options of every client, and the records that pass between
intake (which consumes) and publishing (which commits). Never: a connection, nor kafka-python.
"""

from dataclasses import dataclass
from typing import Any

from monitor.config import KafkaSettings

Partition = tuple[str, int]
"""(topic, partition number)."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A consumer's place in its group as it was when its partitions were assigned.

    It fences: a commit under a membership of an older generation is refused by the broker. It is
    captured once, in the assignment callback: a member that was removed reports generation -1,
    which the broker would accept unfenced.
    """

    group_id: str
    generation: int
    member_id: str
    instance_id: str | None


class _Unspoken(str):
    """A password: kafka-python writes its whole configuration into its log at level DEBUG.

    >>> {"password": _Unspoken("open sesame")}
    {'password': '***'}
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Address, TLS and SASL for any client of kafka-python: consumer, producer or admin.

    >>> client_options(KafkaSettings(bootstrap_servers="a:9092, b:9092"))
    {'bootstrap_servers': ['a:9092', 'b:9092'], 'security_protocol': 'PLAINTEXT'}
    """
    options: dict[str, Any] = {
        "bootstrap_servers": [host.strip() for host in kafka.bootstrap_servers.split(",")],
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol.startswith("SASL") and kafka.sasl_password is not None:
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = _Unspoken(kafka.sasl_password.get_secret_value())
    if kafka.security_protocol.endswith("SSL"):
        files = {
            "ssl_cafile": kafka.ssl_cafile,
            "ssl_certfile": kafka.ssl_certfile,
            "ssl_keyfile": kafka.ssl_keyfile,
        }
        options |= {name: str(file) for name, file in files.items() if file is not None}
        options["ssl_check_hostname"] = kafka.ssl_check_hostname
        if kafka.ssl_keypassword is not None:
            options["ssl_password"] = _Unspoken(kafka.ssl_keypassword.get_secret_value())
    return options

"""One record to one topic, for the command line: a card, a command.

In: settings, topic, key, value. Out: its place in the topic, once every replica has it. Never: a
record in doubt: either its place is known, or an error says that it was not published.
"""

from dataclasses import dataclass

from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError

from monitor.broker import client_options
from monitor.config import KafkaSettings
from monitor.errors import BrokerError, ConfigError

WAIT_S = 10.0
CONNECT_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a record stands in its topic, and when the broker appended it."""

    partition: int
    offset: int
    appended_us: int


def send_one(kafka: KafkaSettings, topic: str, key: bytes, value: bytes, what: str) -> Sent:
    """Publish one record, named `what` in errors; raises BrokerError or ConfigError."""
    try:
        producer = KafkaProducer(
            **client_options(kafka),
            acks="all",
            allow_auto_create_topics=False,
            request_timeout_ms=5_000,
            delivery_timeout_ms=int(WAIT_S * 1_000),
            max_block_ms=int(WAIT_S * 1_000),
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
        )
        try:
            placed = producer.send(topic, key=key, value=value).get(timeout=WAIT_S)
            return Sent(int(placed.partition), int(placed.offset), int(placed.timestamp) * 1_000)
        finally:
            producer.close(timeout=WAIT_S)
    except AuthorizationError as error:
        raise ConfigError(f"the account may not write to {topic}: {error}; grant Write") from error
    except KafkaError as error:
        raise BrokerError(
            f"{what} was not published to {topic} at {kafka.bootstrap_servers}: {error}"
        ) from error

"""Publishes a model card to the models topic (`plumbline register`).

In: a valid `ModelCard`. Out: its place in the topic, once every replica has it. The key is
`model/version`: no model name holds a slash, so the key names the version, and compaction keeps
the last card of each version for ever.
"""

from dataclasses import dataclass

from kafka import KafkaProducer
from kafka.errors import AuthorizationError, KafkaError

from monitor.broker import client_options
from monitor.config import Settings
from monitor.errors import BrokerError, ConfigError
from schemas.model import ModelCard

WAIT_S = 10.0
CONNECT_TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class PublishedCard:
    """Where a card stands in the topic, and when the broker appended it."""

    offset: int
    appended_us: int


def card_key(model: str, model_version: str) -> bytes:
    """Key of a card.

    >>> card_key("flights", "2013-01")
    b'flights/2013-01'
    """
    return f"{model}/{model_version}".encode()


def publish_card(settings: Settings, card: ModelCard) -> PublishedCard:
    """Publish one card and say where it stands; raises BrokerError or ConfigError."""
    topic = settings.kafka.topics.models
    try:
        producer = KafkaProducer(
            **client_options(settings.kafka),
            acks="all",
            allow_auto_create_topics=False,
            request_timeout_ms=5_000,
            delivery_timeout_ms=int(WAIT_S * 1_000),
            max_block_ms=int(WAIT_S * 1_000),
            bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
        )
        try:
            sent = producer.send(
                topic, key=card_key(card.model, card.model_version), value=card.to_json()
            )
            placed = sent.get(timeout=WAIT_S)
            return PublishedCard(int(placed.offset), int(placed.timestamp) * 1_000)
        finally:
            producer.close(timeout=WAIT_S)
    except AuthorizationError as error:
        raise ConfigError(f"the account may not write to {topic}: {error}; grant Write") from error
    except KafkaError as error:
        raise BrokerError(
            f"the card of {card.model} {card.model_version} was not published to {topic} at "
            f"{settings.kafka.bootstrap_servers}: {error}"
        ) from error

"""Publishes a model card to the models topic (`plumbline register`).

In: a valid `ModelCard`. Out: its place in the topic, once every replica has it. The key is
`model/version`: no model name holds a slash, so the key names the version, and compaction keeps
the last card of each version for ever.
"""

from monitor.config import Settings
from monitor.publishing.sending import Sent, send_one
from schemas.model import ModelCard


def card_key(model: str, model_version: str) -> bytes:
    """Key of a card.

    >>> card_key("flights", "2013-01")
    b'flights/2013-01'
    """
    return f"{model}/{model_version}".encode()


def publish_card(settings: Settings, card: ModelCard) -> Sent:
    """Publish one card and say where it stands; raises BrokerError or ConfigError."""
    return send_one(
        settings.kafka,
        settings.kafka.topics.models,
        card_key(card.model, card.model_version),
        card.to_json(),
        f"the card of {card.model} {card.model_version}",
    )

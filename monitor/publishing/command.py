"""Publishes a command to the commands topic (`plumbline alerts ack|silence|accept|close`).

In: a valid `Command`. Out: its place in the topic. The key is the model's name, as that of its
events is: so the worker that has the model reads it.
"""

from monitor.config import Settings
from monitor.publishing.sending import Sent, send_one
from schemas.command import Command


def send_command(settings: Settings, command: Command) -> Sent:
    """Publish one command; raises BrokerError or ConfigError."""
    return send_one(
        settings.kafka,
        settings.kafka.topics.commands,
        command.model.encode(),
        command.to_json(),
        f"the command {command.action} of {command.who}",
    )

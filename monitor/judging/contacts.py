"""Whom a contact reaches: an e-mail address, a webhook's URL, a Slack channel.

In: the contact of a model card, as its owner wrote it. Out: the channel. Never: a message.
"""

import re
from typing import Literal

Channel = Literal["email", "webhook", "slack"]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def channel_of(contact: str) -> Channel | None:
    """The channel of a contact; None where no program can reach it.

    >>> channel_of("ops@example.com"), channel_of("#ops"), channel_of("+1 555 0100")
    ('email', 'slack', None)
    """
    if contact.startswith(("http://", "https://")):
        return "webhook"
    if _EMAIL.fullmatch(contact):
        return "email"
    return "slack" if contact.startswith("#") else None

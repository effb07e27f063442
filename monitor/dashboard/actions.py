"""What people decide about an alert: a command on its topic, as `plumbline alerts` sends it.

In: who is signed in, the alert, the form. Out: the command's id. Never: a write to ClickHouse; the
worker obeys with its next commit, and only then the page shows it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from monitor.clock import Clock, to_datetime
from monitor.config import Settings
from monitor.dashboard.asked import Moment
from monitor.errors import ContractError
from monitor.publishing.command import send_command
from schemas.command import Action, Command, Reason


class Decision(BaseModel):
    """What is decided."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    why: Reason
    """For those who come after."""
    until: Moment | None = None
    """End of a silence or of an accepted new normal, in event time."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A command that is on its topic."""

    command_id: str
    topic: str
    partition: int
    offset: int


class Actions:
    """Sends commands."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def send(self, decision: Decision, *, model: str, fingerprint: str, who: str) -> Sent:
        """Publish a decision; raises ContractError where it is none, BrokerError without Kafka."""
        try:
            command = Command(
                command_id=uuid4().hex,
                model=model,
                action=decision.action,
                fingerprint=fingerprint,
                who=who,
                why=decision.why,
                issued_at=to_datetime(self._clock.now_us()),
                until=decision.until,
            )
        except ValidationError as error:
            raise ContractError(str(error.errors(include_url=False)[0]["msg"])) from None
        placed = send_command(self._settings, command)
        topic = self._settings.kafka.topics.commands
        return Sent(command.command_id, topic, placed.partition, placed.offset)


def default_until(newest_at: datetime) -> datetime:
    """What the form proposes: a day after the last event known.

    >>> default_until(to_datetime(0)).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return newest_at + timedelta(days=1)

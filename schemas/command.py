"""The command: what a person decided about an alert (topic `plumbline.commands`)."""

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from schemas.contract import (
    SCHEMA_VERSION,
    Contract,
    EventTime,
    Identifier,
    ModelName,
    SchemaVersion,
    ShortText,
)

Action = Literal["acknowledge", "silence", "accept", "close"]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class Command(Contract):
    """Who decided what, when and why."""

    schema_version: SchemaVersion = SCHEMA_VERSION
    command_id: Identifier
    model: ModelName
    action: Action
    fingerprint: Fingerprint
    """The alert that the command is about."""
    who: ShortText
    why: Reason
    issued_at: EventTime
    until: EventTime | None = None
    """End of a silence, or of an accepted new normal."""
    incident: bool = False
    """Whether it is about all alerts of the incident that are on."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.action in ("silence", "accept") and self.until is None:
            raise ValueError(
                f"{self.action} needs `until`: nothing is silenced or accepted for ever"
            )
        return self

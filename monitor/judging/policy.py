"""What a card asks of the judge, and what its alerts say of it.

In: a model card. Out: how many looks decide, who owns the version, by what its settings are named.
Never: a decision about a finding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.decisions import config_hash
from schemas import ModelCard

MAX_ANNOTATION_CHARS = 2_000
"""Of what a card says of its owner; an alert must stay far below the broker's limit."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the card of a model version asks of the judge."""

    confirmations: int = 2
    resolving_scale: int = 0
    owner: Mapping[str, str] | None = None
    features: int = 1
    """Of the model: an alert of one of them reaches so much less."""
    evidence: Mapping[str, str] = field(default_factory=dict)
    """By what each alert names the reference and the settings that it was found with."""

    @classmethod
    def of(cls, card: ModelCard, smallest_scale: int) -> "Policy":
        """The policy of a card; `smallest_scale` is the smallest window that can tell."""
        owner = None
        if card.owner is not None:
            fields = {
                "owner": card.owner.team,
                "contact": card.owner.contact,
                "escalation": card.owner.escalation,
                "owner_runbook_url": card.owner.runbook,
            }
            owner = {name: value[:MAX_ANNOTATION_CHARS] for name, value in fields.items() if value}
        evidence = {"config_hash": config_hash(card)}
        if card.profile_hash is not None:
            evidence["profile_hash"] = card.profile_hash
        return cls(
            confirmations=card.monitoring.confirmations,
            resolving_scale=smallest_scale,
            owner=owner,
            features=len(card.features),
            evidence=evidence,
        )

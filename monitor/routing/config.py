"""A ready `alertmanager.yml` from the owners of the model cards.

In: model cards. Out: YAML: a route and a receiver for each owning team, an escalation beside it,
inhibition that knows which trouble causes which. Never: a password; `smtp_auth_*` and API keys are
for the operator to add, by file (`smtp_auth_password_file`, `slack_api_url_file`).
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import yaml

from schemas.model import ModelCard

UNOWNED: Final = "unowned"
"""Receiver of what no card names an owner for."""
CAUSES: Final = (
    (
        (
            "SchemaBreak|MissingValues|PlaceholderBurst|StuckFeature|UnitChange|SwappedColumns"
            "|TimeZoneShift|CategoryEncoding"
        ),
        "FeatureDrift|UnseenCategories|CorrelationBreak",
        ("model", "model_version", "feature"),
    ),
    (
        "SchemaBreak|StreamStopped",
        "JointDrift|PredictionDrift|CorrelationBreak",
        ("model", "model_version"),
    ),
    ("StreamStopped", "StreamThinned", ("model",)),
)
"""(kinds that cause, kinds that they cause, labels that must agree)."""
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def alertmanager_config(
    cards: Iterable[ModelCard], *, smarthost: str, sender: str
) -> dict[str, Any]:
    """The configuration as Alertmanager reads it; a model belongs to its newest card's owner.

    `smarthost` (host:port) and `sender` are asked for by Alertmanager where a contact is an e-mail
    address.
    """
    owners = {card.model: card.owner for card in cards if card.owner is not None}
    receivers: dict[str, dict[str, Any]] = {UNOWNED: {"name": UNOWNED}}
    routes: list[dict[str, Any]] = []
    for model, owner in sorted(owners.items()):
        name = f"{owner.team}: {owner.contact}"
        receivers[name] = _receiver(name, owner.contact)
        route: dict[str, Any] = {"receiver": name, "matchers": [_equals("model", model)]}
        if owner.escalation is not None:
            above = f"{owner.team}, escalation: {owner.escalation}"
            receivers[above] = _receiver(above, owner.escalation)
            route["routes"] = [{"receiver": above, "matchers": [_equals("category", "escalation")]}]
        routes.append(route)
    config: dict[str, Any] = {
        "route": {
            "receiver": UNOWNED,
            "group_by": ["model"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": routes,
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname=~"{cause}"'],
                "target_matchers": [f'alertname=~"{caused}"'],
                "equal": list(equal),
            }
            for cause, caused, equal in CAUSES
        ]
        + [
            {
                "source_matchers": ['severity="critical"'],
                "target_matchers": ['severity="warning"'],
                "equal": ["alertname", "model", "model_version", "feature", "segment"],
            }
        ],
        "receivers": list(receivers.values()),
    }
    if any("email_configs" in receiver for receiver in receivers.values()):
        config["global"] = {"smtp_smarthost": smarthost, "smtp_from": sender}
    return config


def to_yaml(config: dict[str, Any]) -> str:
    """The file's text."""
    note = "# Made by `plumbline route-config` from the owners of the model cards.\n"
    return note + str(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100))


def _receiver(name: str, contact: str) -> dict[str, Any]:
    """Whom a contact reaches: an e-mail address, a webhook, a Slack channel; else nobody yet."""
    if contact.startswith(("http://", "https://")):
        return {"name": name, "webhook_configs": [{"url": contact, "send_resolved": True}]}
    if _EMAIL.fullmatch(contact):
        return {"name": name, "email_configs": [{"to": contact, "send_resolved": True}]}
    if contact.startswith("#"):
        slack = {"channel": contact, "send_resolved": True, "api_url_file": "slack_api_url"}
        return {"name": name, "slack_configs": [slack]}
    return {"name": name}


def _equals(label: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}="{quoted}"'

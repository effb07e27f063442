"""A ready `alertmanager.yml` from the owners of the model cards.

In: model cards. Out: YAML: a route and a receiver for each owning team, an escalation beside it,
inhibition that knows which trouble causes which. Never: a password; `smtp_auth_*` and API keys are
for the operator to add, by file (`smtp_auth_password_file`, `slack_api_url_file`).
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import yaml

from monitor.judging.contacts import channel_of
from monitor.judging.incidents import CAUSES
from schemas.model import ModelCard

UNOWNED: Final = "unowned"
"""Receiver of what no card names an owner for."""
DEAD_MANS_SWITCH: Final = "dead man's switch"
"""Receiver of the heartbeat."""
REPEAT: Final = {"critical": "4h", "warning": "3d"}
"""How often people are told again of what goes on, by severity."""


def alertmanager_config(
    cards: Iterable[ModelCard],
    *,
    smarthost: str,
    sender: str,
    escalation: str = "",
    dead_mans_switch: str = "",
) -> dict[str, Any]:
    """The configuration as Alertmanager reads it; a model belongs to its newest card's owner.

    `smarthost` (host:port) and `sender` are asked for by Alertmanager where a contact is an e-mail
    address. `escalation` is told where no card says whom; `dead_mans_switch` hears the heartbeat.
    """
    owners = {card.model: card.owner for card in cards if card.owner is not None}
    receivers: dict[str, dict[str, Any]] = {
        UNOWNED: _receiver(UNOWNED, escalation),
        DEAD_MANS_SWITCH: _receiver(DEAD_MANS_SWITCH, dead_mans_switch),
    }
    routes: list[dict[str, Any]] = [
        {
            "receiver": DEAD_MANS_SWITCH,
            "matchers": [_equals("category", "heartbeat")],
            "group_wait": "0s",
            "group_interval": "1m",
            "repeat_interval": "1m",
        },
        {"receiver": UNOWNED, "matchers": [_equals("category", "monitor")]},
    ]
    for model, owner in sorted(owners.items()):
        name = f"{owner.team}: {owner.contact}"
        receivers[name] = _receiver(name, owner.contact)
        route: dict[str, Any] = {"receiver": name, "matchers": [_equals("model", model)]}
        by_severity = [
            {
                "receiver": name,
                "matchers": [_equals("severity", severity)],
                "repeat_interval": every,
            }
            for severity, every in REPEAT.items()
        ]
        above = []
        if owner.escalation is not None:
            said = f"{owner.team}, escalation: {owner.escalation}"
            receivers[said] = _receiver(said, owner.escalation)
            above = [{"receiver": said, "matchers": [_equals("category", "escalation")]}]
        route["routes"] = [*above, *by_severity]
        routes.append(route)
    config: dict[str, Any] = {
        "route": {
            "receiver": UNOWNED,
            "group_by": ["model", "incident"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": routes,
        },
        "inhibit_rules": list(_inhibitions()),
        "receivers": list(receivers.values()),
    }
    if any("email_configs" in receiver for receiver in receivers.values()):
        config["global"] = {"smtp_smarthost": smarthost, "smtp_from": sender}
    return config


def _inhibitions() -> Iterator[dict[str, Any]]:
    """One notification an incident: what is nearer to the cause inhibits the rest of it.

    `incident_place` is the nearness to the cause, and `-later` for all but the first there. What is
    critical is inhibited by what is critical alone.
    """
    last = len(CAUSES)  # the performance
    for place in range(last + 1):
        farther = [
            f"{one}{later}" for one in range(place + 1, last + 1) for later in ("", "-later")
        ]
        for source, targets in (
            (str(place), [f"{place}-later", *farther]),
            (f"{place}-later", farther),
        ):
            if targets:
                yield _inhibition(source, targets, ['severity="critical"'], [])
                yield _inhibition(source, targets, [], ['severity!="critical"'])
    yield {
        "source_matchers": ['severity="critical"'],
        "target_matchers": ['severity="warning"'],
        "equal": ["alertname", "model", "model_version", "feature", "segment"],
    }
    yield {
        "source_matchers": ['alertname="StreamStopped"'],
        "target_matchers": ['alertname="StreamThinned"'],
        "equal": ["model"],
    }


def _inhibition(
    source: str, targets: list[str], source_severity: list[str], target_severity: list[str]
) -> dict[str, Any]:
    return {
        "source_matchers": [_equals("incident_place", source), *source_severity],
        "target_matchers": [f'incident_place=~"{"|".join(targets)}"', *target_severity],
        "equal": ["model", "incident"],
    }


def to_yaml(config: dict[str, Any]) -> str:
    """The file's text."""
    note = "# Made by `plumbline route-config` from the owners of the model cards.\n"
    return note + str(yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100))


def _receiver(name: str, contact: str) -> dict[str, Any]:
    """Whom a contact reaches; nobody yet, where it is of no kind that Alertmanager knows."""
    match channel_of(contact):
        case "webhook":
            return {"name": name, "webhook_configs": [{"url": contact, "send_resolved": True}]}
        case "email":
            return {"name": name, "email_configs": [{"to": contact, "send_resolved": True}]}
        case "slack":
            slack = {"channel": contact, "send_resolved": True, "api_url_file": "slack_api_url"}
            return {"name": name, "slack_configs": [slack]}
        case None:
            return {"name": name}


def _equals(label: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{label}="{quoted}"'

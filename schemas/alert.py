"""The alert event: CloudEvents structured JSON around an Alertmanager webhook (v4) body.

Topics `plumbline.alerts` (the log) and `plumbline.alerts.state` (compacted, current state).
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.command import Fingerprint
from schemas.contract import SCHEMA_VERSION, Contract, Identifier, SchemaVersion

ALERT_TYPE: Final = "io.plumbline.alert.v1"
LABEL_NAMES: Final = (
    "alertname",
    "severity",
    "model",
    "model_version",
    "feature",
    "segment",
    "category",
)
"""Labels are identity: never a p-value, never an id, never the owner."""

AlertState = Literal["pending", "firing", "recovering", "resolved", "stale", "superseded"]
Severity = Literal["info", "warning", "critical"]

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_SEPARATOR: Final = b"\xff"


def fingerprint(labels: Mapping[str, str]) -> str:
    """FNV-1a 64 over the sorted labels, as Prometheus computes it (`model.LabelSet.Fingerprint`).

    >>> fingerprint({"severity": "warning", "job": "foo"})
    '9266ef3da838ad95'
    >>> fingerprint({})
    'cbf29ce484222325'
    """
    digest = _FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + _SEPARATOR + labels[name].encode() + _SEPARATOR:
            digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def alert_event_id(alert_fingerprint: str, starts_at_us: int, state: str, window_end: int) -> str:
    """Id of one move of one alert: the same move found again has the same id.

    `window_end` is the exclusive offset at which the evidence ends.

    >>> alert_event_id("9266ef3da838ad95", 1_362_114_000_000_000, "firing", 4000)
    'fc12bcf0a28c546a32570c81f390cf65'
    """
    text = f"{alert_fingerprint}|{starts_at_us}|{state}|{window_end}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class AlertEntry(Contract):
    """One alert as Alertmanager's webhook gives it, with Grafana's `values`."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: AwareDatetime  # noqa: N815 - Alertmanager's own spelling
    endsAt: AwareDatetime | None = None  # noqa: N815 - Alertmanager's own spelling
    generatorURL: str = ""  # noqa: N815 - Alertmanager's own spelling
    fingerprint: Fingerprint
    values: dict[str, float] = Field(default_factory=dict)
    """The measured numbers: statistic, effect, threshold, p_value, n_ref, n_cur."""


class AlertBody(Contract):
    """Alertmanager webhook body, version 4, with exactly one alert."""

    version: Literal["4"] = "4"
    groupKey: str  # noqa: N815 - Alertmanager's own spelling
    truncatedAlerts: int = 0  # noqa: N815 - Alertmanager's own spelling
    status: Literal["firing", "resolved"]
    receiver: str = ""
    groupLabels: dict[str, str]  # noqa: N815 - Alertmanager's own spelling
    commonLabels: dict[str, str]  # noqa: N815 - Alertmanager's own spelling
    commonAnnotations: dict[str, str]  # noqa: N815 - Alertmanager's own spelling
    externalURL: str = ""  # noqa: N815 - Alertmanager's own spelling
    alerts: Annotated[tuple[AlertEntry, ...], Field(min_length=1, max_length=1)]


class AlertEvent(Contract):
    """One move in the life of one alert; Kafka key = `subject` = the alert's fingerprint."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    source: str
    """`/plumbline/<model>`."""
    type: Literal["io.plumbline.alert.v1"] = ALERT_TYPE
    subject: Fingerprint
    time: AwareDatetime
    """Event time of the move."""
    datacontenttype: Literal["application/json"] = "application/json"
    schemaversion: SchemaVersion = SCHEMA_VERSION
    state: AlertState
    previousstate: AlertState | None = None
    reason: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    """Why the alert moved."""
    clock: bool = False
    """True for an alert that the clock raised: outside the replay guarantee."""
    model: Identifier
    offsets: str | None = None
    """`topic:partition:first-last` of the evidence (inclusive)."""
    data: AlertBody

"""Alertmanager's API, version 2: what the router needs of it.

In: alerts and silences as the API spells them. Out: the same. Never: a retry; the router comes
again anyway, which is what Alertmanager expects of its clients.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from monitor.errors import RoutingError

TIMEOUT_S = 5.0


class _Api(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Matcher(_Api):
    """One condition of a silence on one label."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True


class SilenceStatus(_Api):
    """`active`, `pending` or `expired`."""

    state: str


class Silence(_Api):
    """A silence as Alertmanager keeps it."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    status: SilenceStatus


@dataclass(frozen=True, slots=True)
class PostableAlert:
    """One alert to post; `ends_at` in the past resolves it."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    generator_url: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the API spells it."""
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": self.starts_at.isoformat(),
            "endsAt": self.ends_at.isoformat(),
            **({"generatorURL": self.generator_url} if self.generator_url else {}),
        }


class Alertmanager:
    """A client of one Alertmanager (or of each member of a cluster, one client each)."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=f"{self.url}/api/v2", timeout=TIMEOUT_S)

    def post_alerts(self, alerts: Sequence[PostableAlert]) -> None:
        """Post alerts; raises RoutingError."""
        self._call("POST", "/alerts", [alert.to_json() for alert in alerts])

    def silences(self) -> list[Silence]:
        """All silences that have not been forgotten, expired ones included."""
        try:
            return [Silence.model_validate(one) for one in self._call("GET", "/silences").json()]
        except (ValidationError, ValueError) as error:
            raise RoutingError(f"{self.url} answered with silences of another form: {error}") from (
                None
            )

    def silence(
        self,
        matchers: Sequence[Matcher],
        starts_at: datetime,
        ends_at: datetime,
        *,
        created_by: str,
        comment: str,
    ) -> str:
        """Make a silence and give its id; raises RoutingError."""
        body = {
            "matchers": [matcher.model_dump(by_alias=True) for matcher in matchers],
            "startsAt": starts_at.isoformat(),
            "endsAt": ends_at.isoformat(),
            "createdBy": created_by,
            "comment": comment,
        }
        return str(self._call("POST", "/silences", body).json()["silenceID"])

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise RoutingError(
                f"Alertmanager at {self.url} does not answer ({error}): set "
                "routing.alertmanager_url or start it",
                retryable=True,
            ) from error
        if answer.status_code >= 300:
            raise RoutingError(
                f"Alertmanager at {self.url} refused {method} {path} with {answer.status_code}: "
                f"{answer.text[:300]}",
                retryable=answer.status_code >= 500,
            )
        return answer

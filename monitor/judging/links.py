"""Links from an alert to where a person reads on: its page, its model's page, its runbook.

In: where dashboard and documentation are served. Out: addresses. Never: a request.
"""

from dataclasses import dataclass
from urllib.parse import quote

from monitor.findings import Finding


@dataclass(frozen=True, slots=True)
class Links:
    """Base addresses; without a dashboard there are no pages.

    >>> Links(dashboard="https://plumbline.example.com/").page("9266ef3da838ad95")
    'https://plumbline.example.com/alerts/9266ef3da838ad95'
    """

    dashboard: str = ""
    runbooks: str = "docs/runbooks"

    def page(self, fingerprint: str) -> str:
        """The page of an alert."""
        return f"{self.dashboard.rstrip('/')}/alerts/{fingerprint}" if self.dashboard else ""

    def annotations(self, finding: Finding) -> dict[str, str]:
        """The runbook of the alert's kind and the page of its model."""
        told = {"runbook_url": f"{self.runbooks.rstrip('/')}/{finding.alertname}.md"}
        if self.dashboard:
            base = self.dashboard.rstrip("/")
            told["model_url"] = f"{base}/models/{quote(finding.model, safe='')}"
        return told

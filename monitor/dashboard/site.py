"""What the routes share, and the records that a page and its JSON twin are both made of.

In: what an address asks for. Out: `Overview`, `ModelPage`, `AlertPage`, `Explanation`. Never: HTML.
"""

from dataclasses import dataclass

from monitor.audit.explain import explain
from monitor.audit.explanation import Explanation
from monitor.clock import Clock, to_datetime
from monitor.config import Settings
from monitor.dashboard.actions import Actions
from monitor.dashboard.alerts import (
    AlertFacts,
    AlertRow,
    Behind,
    EffectLine,
    Moment,
    MoveRow,
    alert_facts,
    alert_list,
    behind,
    effect_lines,
    recent_moves,
    timeline,
)
from monitor.dashboard.asked import Asked
from monitor.dashboard.live import Pulse
from monitor.dashboard.model_page import ModelPage, model_page
from monitor.dashboard.overview import Overview, overview
from monitor.dashboard.panel import Asking, Panel
from monitor.dashboard.rendering import Templates
from monitor.dashboard.runbooks import runbook
from monitor.dashboard.sessions import Sessions
from monitor.dashboard.sources import Sources
from monitor.storage.reader import Reader


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """All models at a glance, and what moved last."""

    overview: Panel[Overview]
    moves: Panel[tuple[MoveRow, ...]]


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """The list of alerts."""

    alerts: Panel[tuple[AlertRow, ...]]


@dataclass(frozen=True, slots=True)
class AlertPage:
    """One alert."""

    facts: AlertFacts
    timeline: Panel[tuple[Moment, ...]]
    behind: Panel[tuple[Behind, ...]]
    effects: Panel[tuple[EffectLine, ...]]
    runbook: str
    """Markdown, empty for a kind without one."""


class Site:
    """One database and what is made of it; serves many threads."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self.sessions = Sessions(settings.dashboard, clock)
        self.actions = Actions(settings, clock)
        self.templates = Templates()
        self._reader = Reader(settings.clickhouse)
        self._sources = Sources(self._reader)
        self._asking = Asking()
        self.pulse = Pulse(self._reader)

    def overview(self, asked: Asked) -> OverviewPage:
        """All models."""
        sources = self._sources
        return OverviewPage(
            **self._asking.panels(
                {
                    "overview": lambda: overview(
                        sources, asked.range, asked.since, asked.to, asked.q
                    ),
                    "moves": lambda: recent_moves(sources),
                }
            )
        )

    def model(self, model: str, asked: Asked) -> ModelPage:
        """One model; NotFoundError where nobody ever heard of it."""
        now = to_datetime(self._clock.now_us())
        return model_page(self._sources, self._asking, model, asked, now)

    def alerts(self, asked: Asked) -> AlertsPage:
        """The list."""
        return AlertsPage(
            **self._asking.panels(
                {
                    "alerts": lambda: alert_list(
                        self._sources,
                        model=asked.model,
                        severity=asked.severity,
                        ended=asked.ended,
                    )
                }
            )
        )

    def alert(self, fingerprint: str) -> AlertPage:
        """One alert; NotFoundError where there is none."""
        sources = self._sources
        facts = alert_facts(sources, fingerprint)
        return AlertPage(
            facts=facts,
            runbook=runbook(facts.row.alertname),
            **self._asking.panels(
                {
                    "timeline": lambda: timeline(sources, fingerprint),
                    "behind": lambda: behind(sources, facts),
                    "effects": lambda: effect_lines(sources, facts),
                }
            ),
        )

    def prediction(self, event_id: str, model: str) -> Explanation:
        """One prediction explained; NotFoundError where it is not stored."""
        return explain(self._reader, event_id, model or None)

    async def close(self) -> None:
        """Let listeners and connections go."""
        await self.pulse.close()
        self._asking.close()
        self._reader.close()

"""What a backtest found.

In: the store and the roster of a finished pipeline. Out: a `BacktestResult` and its JSON. Never: a
number that the pipeline did not make.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.alerts import AlertMove
from monitor.backtest.alerts import BacktestAlert, alerts_of, events_under_alert
from monitor.backtest.labels import LabelCoverage
from monitor.backtest.store import ReportStore
from monitor.detectors.battery import Battery
from monitor.events import Int64
from monitor.performance.period import PeriodPerformance, by_month
from monitor.performance.report import CohortReport
from monitor.profiling.dataset import Dataset
from monitor.profiling.timeline import TimeAudit, audit_times
from monitor.roster import Roster
from monitor.sketches.profile import Profile
from schemas.model import ModelCard


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """The alerts of a backtest, the findings behind them, and what was counted."""

    source: str
    card: ModelCard
    profile: Profile
    events: int
    """Rows of the file."""
    tested: int
    """Valid, of the card's version, and not seen before."""
    repeated: int
    other_versions: Mapping[str, int]
    """Rows of versions that the card is not about: not tested."""
    refused: Mapping[str, int]
    """Rows that are no predictions, by reason."""
    faults: Mapping[tuple[str, str], int]
    """Value faults by (feature, reason)."""
    time: TimeAudit | None
    """None where the file has no times."""
    occurred_us: Int64 | None
    alerts: tuple[BacktestAlert, ...]
    """Those that fired, in the order of firing."""
    unconfirmed: int
    """Alerts that were pending and never fired."""
    moves: tuple[AlertMove, ...]
    """All moves, those of unconfirmed alerts too."""
    findings: Any
    """An Arrow table with the columns of the table `findings` in ClickHouse."""
    battery: Battery
    """What tested: its budget and what it can see."""
    labels: LabelCoverage | None
    cohorts: tuple[CohortReport, ...]
    """What labels say, by closed cohort."""

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        card: ModelCard,
        profile: Profile,
        store: ReportStore,
        roster: Roster,
        labels: LabelCoverage | None = None,
    ) -> "BacktestResult":
        """The result of a pipeline that has taken every row of `dataset`."""
        alerts, unconfirmed = alerts_of(store.moves)
        watched = roster.active().get((card.model, card.model_version))
        occurred_us = dataset.occurred_us
        versions = store.events_by_version
        return cls(
            source=dataset.source,
            card=card,
            profile=profile,
            events=dataset.n_rows,
            tested=watched.stream.events if watched else 0,
            repeated=store.repeated,
            other_versions={v: n for v, n in versions.items() if v != card.model_version},
            refused=dict(store.refused),
            faults=dict(store.faults),
            time=None if occurred_us is None else audit_times(occurred_us),
            occurred_us=occurred_us,
            alerts=alerts,
            unconfirmed=unconfirmed,
            moves=tuple(store.moves),
            findings=store.findings(),
            battery=watched.battery if watched else Battery(profile, card.monitoring),
            labels=labels,
            cohorts=tuple(store.cohorts),
        )

    @property
    def months(self) -> list[PeriodPerformance]:
        """What labels say of the card's version, by month (UTC)."""
        own = [one for one in self.cohorts if one.model_version == self.card.model_version]
        return by_month(self.card.task, own)

    @property
    def under_alert(self) -> int:
        """Rows that came while at least one alert was firing."""
        return events_under_alert(self.alerts, self.events)

    @property
    def expected_false_alarms(self) -> float:
        """False firings that the budget allows in as many events."""
        return self.battery.per_event * self.tested

    def to_json(self) -> dict[str, Any]:
        """The result as one JSON object."""
        return {
            "events": self.events,
            "tested": self.tested,
            "repeated": self.repeated,
            "refused": dict(self.refused),
            "other_versions": dict(self.other_versions),
            "model": self.card.model,
            "model_version": self.card.model_version,
            "profile_hash": self.card.profile_hash,
            "expected_false_alarms": self.expected_false_alarms,
            "events_under_alert": self.under_alert,
            "unconfirmed": self.unconfirmed,
            "backward_steps": 0 if self.time is None else self.time.backward_steps,
            "labels": None if self.labels is None else self.labels.to_json(),
            "months": [month.to_json() for month in self.months],
            "alerts": [alert.to_json() for alert in self.alerts],
        }

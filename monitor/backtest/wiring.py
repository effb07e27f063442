"""The worker's pipeline with nothing real around it.

In: a store in memory, a validator, a clock. Out: the pipeline and the roster of whom it watches.
Never: a broker, a server, a setting but the defaults and the card's.
"""

from typing import Final

from monitor.broker import Membership
from monitor.clock import Clock
from monitor.config import EscalationSettings, LimitSettings, TopicSettings, WorkerSettings
from monitor.judging.judge import Judge
from monitor.pipeline import Pipeline
from monitor.publishing.memory import MemoryPublisher
from monitor.roster import Roster
from monitor.storage.memory import MemoryStore
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from monitor.version_monitor import Encoder, encode

MEMBERSHIP: Final = Membership("backtest", 1, "backtest", None)
TOPICS: Final = TopicSettings()
LIMITS: Final = LimitSettings()
WORKER: Final = WorkerSettings()
"""The defaults: a backtest has no settings but the card's."""
_FOR_EVER: Final = 1e12
NOBODY: Final = EscalationSettings(
    critical_minutes=_FOR_EVER, warning_minutes=_FOR_EVER, owner_missing_minutes=_FOR_EVER
)
"""Nobody looks at the alerts of a backtest or a drill, and nobody has to."""


def new_pipeline(
    store: MemoryStore,
    validator: Validator,
    clock: Clock,
    telemetry: Telemetry,
    encoder: Encoder = encode,
) -> tuple[Pipeline, Roster]:
    """The worker's pipeline with a store and a publisher in memory, and whom it watches."""
    roster = Roster(store.load_profile, WORKER.duplicate_memory, encoder)
    pipeline = Pipeline(
        validator=validator,
        roster=roster,
        judge=Judge(),
        store=store,
        publisher=MemoryPublisher(),
        topics=TOPICS,
        clock=clock,
        telemetry=telemetry,
        unregistered_limit=LIMITS.unregistered_models,
        escalation=NOBODY,
    )
    return pipeline, roster

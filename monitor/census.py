"""Who is known: models and their versions, what is wrong with them, when they were last seen.

In: the columns of each batch, the clock. Out: what is kept of a model, and the findings that need
no window (nobody registered it, it fell silent). Never: a memory that strangers can fill: of models
and versions without a card so many are kept as `unregistered_limit` says.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from monitor.broker import Partition
from monitor.checks.registration import registration
from monitor.checks.stopped import stopped
from monitor.clock import Clock
from monitor.events import PredictionColumns
from monitor.findings import Finding, Measurement, Span, finding_of, span_of_event
from monitor.roster import VersionKey
from monitor.version_monitor import VersionMonitor

COMMANDS_REMEMBERED = 500
"""Ids of a model's last commands among which a repeat is recognised."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Standing:
    """What is kept of one version of a model beside its windows."""

    trouble: Finding | None = None
    """Why it is not tested: no card, no profile, a fault in its tests."""
    replaced: bool = False
    """Another version has taken over."""
    since: int = 0
    """Its own live events since the last live one of the version that it replaces."""


@dataclass(slots=True)
class ModelState:
    """What is kept of a model beside its streams."""

    versions: dict[str, Standing] = field(default_factory=dict)
    """The versions that have sent events."""
    last_version: str = ""
    last_span: Span | None = None
    silent: bool = False
    partition: int = 0
    """Where its events lie; every record of a partition's state lies on the same number."""
    commands: dict[str, None] = field(default_factory=dict)
    """Ids of the last commands, the oldest first."""

    def remember(self, command_id: str) -> None:
        """Note the id of a command that was obeyed."""
        self.commands[command_id] = None
        while len(self.commands) > COMMANDS_REMEMBERED:
            del self.commands[next(iter(self.commands))]


class Census:
    """The models that this worker knows, by name."""

    def __init__(self, clock: Clock, unregistered_limit: int) -> None:
        self.models: dict[str, ModelState] = {}
        self._clock = clock
        self._limit = unregistered_limit
        self._last_seen_s: dict[str, float] = {}
        self._strangers = 0
        """Models that are kept without ever having had a card."""
        self._raised = 0
        """Versions that are in trouble."""

    @property
    def troubled(self) -> int:
        """Versions that are not tested: no card, no profile, a fault in their tests."""
        return self._raised

    def standing(self, model: str, version: str) -> Standing | None:
        """What is kept of a version, None of one that has sent no event yet."""
        state = self.models.get(model)
        return None if state is None else state.versions.get(version)

    def admit(self, columns: PredictionColumns) -> bool:
        """Whether anything is remembered of a model: strangers only up to the limit."""
        if columns.model not in self.models:
            if not columns.registered:
                if self._strangers >= self._limit:
                    return False
                self._strangers += 1
            self.models[columns.model] = ModelState(partition=columns.partition)
        return True

    def moved(self, columns: PredictionColumns) -> bool:
        """Whether a known model's events now come from another partition; it is noted."""
        state = self.models[columns.model]
        if state.partition == columns.partition:
            return False
        log.warning(
            "events of %s come from partitions %d and %d: key them by model, else its windows mix "
            "what has no order",
            columns.model,
            state.partition,
            columns.partition,
        )
        state.partition = columns.partition
        return True

    def seen(self, columns: PredictionColumns) -> Finding | None:
        """Note that a registered model has sent events; the finding that ends its silence."""
        model, last = columns.model, span_of_event(columns, -1)
        state = self.models[model]
        ended = None
        if state.silent:
            measurement = stopped(0.0, 1.0)._replace(reason="events have come again")
            version, first = (model, state.last_version), span_of_event(columns, 0)
            ended = finding_of(version, first, measurement, clock=True)
        state.silent = False
        before = state.last_span
        if (
            before is None
            or last.last_offset > before.last_offset
            or state.partition != before.partition
        ):
            state.last_version, state.last_span = columns.model_version, last
        self._last_seen_s[model] = self._clock.monotonic_s()
        return ended

    def quiet(
        self,
        least_minutes: Callable[[VersionKey], float | None],
        topic: str,
        behind: Collection[Partition],
    ) -> dict[str, float]:
        """The models that may be silent for too long, with the minutes since their last event.

        `least_minutes`: no silence of a version up to this is ever too long; None: not tested.
        """
        now_s = self._clock.monotonic_s()
        found = {}
        for model, state in self.models.items():
            least = None if state.silent else least_minutes((model, state.last_version))
            if least is None or state.last_span is None:
                continue
            if (topic, state.partition) in behind:
                self._last_seen_s[model] = now_s
                continue
            silent_minutes = (now_s - self._last_seen_s[model]) / 60
            if silent_minutes > least:
                found[model] = silent_minutes
        return found

    def fallen_silent(
        self, quiet: Mapping[str, float], awake: Mapping[VersionKey, VersionMonitor]
    ) -> Iterator[Finding]:
        """Those of the `quiet` models that are silent for longer than they may be, each once."""
        for model, silent_minutes in quiet.items():
            state = self.models[model]
            monitor = awake.get((model, state.last_version))
            if monitor is None or state.last_span is None:
                continue
            allowed_minutes = monitor.silence.minutes(state.last_span.ended_us)
            if silent_minutes > allowed_minutes:
                state.silent = True
                measurement = stopped(silent_minutes, allowed_minutes)
                version = (model, state.last_version)
                yield finding_of(version, state.last_span, measurement, clock=True)

    def raise_trouble(
        self, version: VersionKey, span: Span, trouble: Measurement, *, bounded: bool = True
    ) -> Finding | None:
        """Note why a version of a known model is not tested; None beyond the limit."""
        if bounded and self._raised >= self._limit:
            return None
        finding = finding_of(version, span, trouble)
        self.models[version[0]].versions.setdefault(version[1], Standing()).trouble = finding
        self._raised += 1
        return finding

    def take_back(self, version: VersionKey, reason: str) -> Finding | None:
        """The finding that ends what was raised about a version, if anything was."""
        standing = self.standing(*version)
        if standing is None or standing.trouble is None:
            return None
        raised, standing.trouble = standing.trouble, None
        self._raised -= 1
        measurement = registration("unregistered", trouble=False, reason=reason)
        return raised._replace(measurement=measurement._replace(check=raised.measurement.check))

    def replace(self, version: VersionKey) -> bool:
        """Another version has taken over; False where this one is replaced already or unknown."""
        standing = self.standing(*version)
        if standing is None or standing.replaced:
            return False
        standing.replaced = True
        if standing.trouble is not None:
            standing.trouble = None
            self._raised -= 1
        return True

    def restore(self, models: Mapping[str, ModelState]) -> None:
        """Know these models too, all of them as if seen now."""
        self.models |= models
        now_s = self._clock.monotonic_s()
        self._last_seen_s |= dict.fromkeys(models, now_s)
        self._strangers += sum(state.last_span is None for state in models.values())
        self._raised += sum(
            standing.trouble is not None
            for state in models.values()
            for standing in state.versions.values()
        )

    def forget(self) -> None:
        """Know nobody."""
        self.models.clear()
        self._last_seen_s.clear()
        self._strangers = self._raised = 0

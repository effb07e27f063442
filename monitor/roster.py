"""The model versions that this worker watches: their cards, references, streams and batteries.

In: cards as they come, profiles on a version's first event. Out: one `VersionMonitor` per active
version. Never: the network itself; profiles come through a port that storage fills.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import takewhile
from operator import itemgetter

import numpy as np

from monitor.checks.pane_view import PaneView
from monitor.checks.stopped import allowed_silence_minutes
from monitor.checks.suite import CheckSuite
from monitor.detectors.battery import Battery
from monitor.errors import ConfigError, ProfileError
from monitor.events import SIGNALS, Float64, PaneSummary, PredictionColumns
from monitor.findings import Finding, finding_of
from monitor.judging.judge import Policy
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.windows.duplicates import RecentIds
from monitor.windows.panes import Chunk, Pane
from monitor.windows.stream import WindowedStream
from monitor.windows.summary import summarise
from schemas import ModelCard

VersionKey = tuple[str, str]
"""(model, model version)."""

UNTESTABLE = (ProfileError, ConfigError)
"""What `Roster.monitor` raises where a version's profile or its detectors cannot be used."""

ProfileLoader = Callable[[str], bytes | None]
"""Profile hash to its bytes; None where the store has none. Raises StorageError."""

Encoded = tuple[Codes, Float64]
"""Codes (columns, n) and raw numbers (number columns, n) of a batch."""

EventFault = tuple[int, str, str, float | str | None]
"""(event index, feature, reason, what was logged)."""

Encoder = Callable[[Profile, PredictionColumns], Encoded]
"""How a batch becomes codes: `encode`, or one that remembers what it has encoded."""


_RESENDS = SIGNALS.index("resends") - len(SIGNALS)


def encode(profile: Profile, columns: PredictionColumns) -> Encoded:
    """Codes and raw numbers of a batch against the references of its profile."""
    n = len(columns)
    absent = np.full(n, np.nan)
    values = [
        columns.numbers.get(column.name, absent)
        for column in profile.columns
        if isinstance(column, NumberReference)
    ]
    codes = profile.encode(columns.numbers, columns.categories, n, columns.event_us)
    return codes, np.array(values, np.float64).reshape(len(values), n)


@dataclass(slots=True)
class VersionMonitor:
    """Everything that is kept of one active model version."""

    card: ModelCard
    profile: Profile
    battery: Battery
    checks: CheckSuite
    stream: WindowedStream
    policy: Policy
    encoder: Encoder
    allowed_silence_minutes: float
    faults: deque[EventFault] = field(default_factory=deque)
    """Those of the open pane."""
    resends: int = 0
    """Resends since the last event that was none."""

    @classmethod
    def build(cls, card: ModelCard, profile: Profile, encoder: Encoder) -> "VersionMonitor":
        """Begin watching a version from its first event."""
        battery = Battery(profile, card.monitoring)
        smallest = min(battery.scales, default=0)
        return cls(
            card=card,
            profile=profile,
            battery=battery,
            checks=CheckSuite(card, profile, battery.spent["checks"].false_alarms_per_event),
            stream=WindowedStream(card.monitoring.pane_events, battery.scales),
            policy=Policy.of(card, smallest),
            encoder=encoder,
            allowed_silence_minutes=allowed_silence_minutes(
                profile.longest_gap_us, card.monitoring.stopped_after_minutes
            ),
        )

    def windowed(self, columns: PredictionColumns) -> Iterator[Chunk]:
        """Step 3: a batch as chunks, its resends left out."""
        codes, numbers = self.encoder(self.profile, columns)
        values = np.concatenate([numbers, columns.signals])
        offsets, occurred_us, marks = columns.offsets, columns.event_us, columns.faults
        if self.resends or columns.repeated.any():
            kept = ~columns.repeated
            codes, values = codes[:, kept], values[:, kept]
            offsets, occurred_us = offsets[kept], occurred_us[kept]
            before = np.cumsum(columns.repeated)[kept] + self.resends
            values[_RESENDS] = np.diff(before, prepend=0)
            self.resends += int(columns.repeated.sum()) - int(before[-1] if before.size else 0)
            place = np.cumsum(kept) - 1
            marks = tuple(
                replace(fault, row=int(place[fault.row])) for fault in marks if kept[fault.row]
            )
        first_event = self.stream.events
        self.faults.extend(
            sorted(
                ((first_event + m.row, m.feature, m.reason, m.value) for m in marks),
                key=itemgetter(0, 1, 2),
            )
        )
        return self.stream.add(
            columns.topic, columns.partition, offsets, occurred_us, codes, values
        )

    def summaries(self, chunk: Chunk) -> list[PaneSummary]:
        """What is kept of the pane that a chunk closed, if it closed one."""
        if chunk.closed is None or chunk.closed_values is None:
            return []
        numbers = chunk.closed_values[: -len(SIGNALS)]
        faults = [(feature, reason) for _, feature, reason, _ in self._faults_of(chunk.closed)]
        return summarise(self.profile, self.card.model_version, chunk.closed, numbers, faults)

    def tested(self, chunk: Chunk) -> list[Finding]:
        """Step 4: what the sequential detectors, the tests of closed windows and the checks say."""
        version = (self.card.model, self.card.model_version)
        findings = []
        for row, measurement in self.battery.observe(chunk.codes):
            span = self.stream.span_of_last(measurement.n_cur, chunk.span.first_event + row)
            findings.append(finding_of(version, span, measurement))
        for window in chunk.windows:
            findings += [
                finding_of(version, window.span, measurement)
                for measurement in self.battery.test(window.scale, window.codes)
            ]
        if chunk.closed is not None and chunk.closed_values is not None:
            pane = self._view(chunk.closed, chunk.closed_values)
            for measurement in self.checks.look(pane):
                span = self.stream.span_of_last(measurement.n_cur, chunk.span.last_event)
                findings.append(finding_of(version, span, measurement))
            while self.faults and self.faults[0][0] <= chunk.span.last_event:
                self.faults.popleft()
        return findings

    def _faults_of(self, pane: Pane) -> Iterator[EventFault]:
        return takewhile(lambda fault: fault[0] <= pane.span.last_event, self.faults)

    def _view(self, pane: Pane, values: Float64) -> PaneView:
        first = pane.span.first_event
        return PaneView(
            index=pane.index,
            codes=pane.codes,
            values=values[: -len(SIGNALS)],
            signals=values[-len(SIGNALS) :],
            occurred_us=pane.occurred_us,
            faults=tuple(
                (event - first, feature, reason, value)
                for event, feature, reason, value in self._faults_of(pane)
            ),
        )


class Roster:
    """Cards by model version, and a monitor for each version that has sent events."""

    def __init__(
        self, load_profile: ProfileLoader, duplicate_memory: int, encoder: Encoder = encode
    ) -> None:
        self._load_profile = load_profile
        self._encoder = encoder
        self._duplicate_memory = duplicate_memory
        self._cards: dict[VersionKey, ModelCard] = {}
        self._monitors: dict[VersionKey, VersionMonitor] = {}
        self._recent: dict[str, RecentIds] = {}

    def put(self, card: ModelCard) -> bool:
        """Take a card; True if it changes what is known. Windows restart if the tests change."""
        key = (card.model, card.model_version)
        known = self._cards.get(key)
        if known == card:
            return False
        self._cards[key] = card
        monitor = self._monitors.get(key)
        if monitor is not None:
            same_tests = (
                monitor.card.profile_hash == card.profile_hash
                and monitor.card.monitoring == card.monitoring
            )
            if same_tests:
                monitor.card = card
                monitor.policy = Policy.of(card, min(monitor.battery.scales, default=0))
            else:
                del self._monitors[key]
        return True

    def card(self, model: str, version: str) -> ModelCard | None:
        """The card of a version, if it is registered."""
        return self._cards.get((model, version))

    def monitor(self, model: str, version: str) -> VersionMonitor | None:
        """The monitor of a version, made on its first event.

        None where there is no card, or the card names no profile. Raises ProfileError where the
        profile that the card names is missing or unreadable, ConfigError where its detectors cannot
        be made, StorageError where the profile cannot be asked for.
        """
        key = (model, version)
        monitor = self._monitors.get(key)
        if monitor is None:
            card = self._cards.get(key)
            if card is None or card.profile_hash is None:
                return None
            raw = self._load_profile(card.profile_hash)
            if raw is None:
                raise ProfileError(
                    f"profile {card.profile_hash} of {model} {version} is not in ClickHouse: "
                    "register the version again with `plumbline register`"
                )
            monitor = self._monitors[key] = VersionMonitor.build(
                card, Profile.from_bytes(raw), self._encoder
            )
        return monitor

    def recent(self, model: str) -> RecentIds:
        """The memory of a model's last event ids."""
        memory = self._recent.get(model)
        if memory is None:
            memory = self._recent[model] = RecentIds(self._duplicate_memory)
        return memory

    def active(self) -> Mapping[VersionKey, VersionMonitor]:
        """The versions that have sent events."""
        return self._monitors

    def cards(self) -> Mapping[VersionKey, ModelCard]:
        """All registered versions."""
        return self._cards

    def drop(self, model: str, version: str) -> None:
        """Let the windows of a version start anew at its next event."""
        self._monitors.pop((model, version), None)

    def drop_model(self, model: str) -> None:
        """Let everything of a model start anew at its next event."""
        self._recent.pop(model, None)
        for version in [version for name, version in self._monitors if name == model]:
            self.drop(model, version)

    def forget(self) -> None:
        """Drop every stream, for a new beginning; the cards stay."""
        self._monitors.clear()
        self._recent.clear()

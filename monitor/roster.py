"""The model versions that this worker watches: their cards, references, streams and batteries.

In: cards as they come, profiles on a version's first event. Out: one `VersionMonitor` per active
version. Never: the network itself; profiles come through a port that storage fills.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, takewhile
from operator import itemgetter

import numpy as np

from monitor.attribution.root_cause import RootCause, RootCauses
from monitor.attribution.sent import MeanAttributions
from monitor.checks.pane_view import UNSEEN, PaneView
from monitor.checks.stopped import AllowedSilence
from monitor.checks.suite import CheckSuite
from monitor.config import LimitSettings
from monitor.decisions import AcceptedTurn, decisive
from monitor.detectors.battery import Battery
from monitor.errors import ConfigError, ProfileError
from monitor.events import SIGNALS, Fault, Float64, PaneSummary, PredictionColumns
from monitor.findings import Finding, Span, finding_of
from monitor.judging.policy import Policy
from monitor.rebasing import Rebased
from monitor.sketches.category import CategoryReference
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


def _unseen(
    profile: Profile, codes: Codes, categories: Mapping[str, Sequence[str | None]]
) -> tuple[Fault, ...]:
    """Values that the reference never had, as they were logged; none where it pooled some."""
    found = []
    for row, column in enumerate(profile.columns):
        if isinstance(column, CategoryReference) and not column.counts[-1]:
            texts = categories.get(column.name, ())
            other = np.flatnonzero(codes[row] == len(column.names)).tolist()
            found += [Fault(at, column.name, UNSEEN, texts[at]) for at in other]
    return tuple(found)


@dataclass(slots=True)
class VersionMonitor:
    """Everything that is kept of one active model version."""

    card: ModelCard
    profile: Profile
    rebased: Rebased
    checks: CheckSuite
    stream: WindowedStream
    policy: Policy
    encoder: Encoder
    silence: AllowedSilence
    causes: RootCauses
    attributions: MeanAttributions
    faults: deque[EventFault] = field(default_factory=deque)
    """Those of the open pane."""
    resends: int = 0
    """Resends since the last event that was none."""

    @classmethod
    def build(cls, card: ModelCard, profile: Profile, encoder: Encoder) -> "VersionMonitor":
        """Begin watching a version from its first event."""
        rebased = Rebased(profile, card.monitoring)
        battery = rebased.battery
        smallest = min(battery.scales, default=0)
        return cls(
            card=card,
            profile=profile,
            rebased=rebased,
            checks=CheckSuite(card, profile, battery.spent["checks"].false_alarms_per_event),
            stream=WindowedStream(card.monitoring.pane_events, battery.scales),
            policy=Policy.of(card, smallest),
            encoder=encoder,
            silence=AllowedSilence.of(profile, card.monitoring.stopped_after_minutes),
            causes=RootCauses(profile),
            attributions=MeanAttributions(card.monitoring.pane_events, card.features),
        )

    @property
    def battery(self) -> Battery:
        """All tests, against what is normal now."""
        return self.rebased.battery

    def windowed(self, columns: PredictionColumns) -> Iterator[Chunk]:
        """Step 3: a batch as chunks, its resends left out."""
        codes, numbers = self.encoder(self.profile, columns)
        values = np.concatenate([numbers, columns.signals])
        offsets, occurred_us = columns.offsets, columns.event_us
        marks = columns.faults + _unseen(self.profile, codes, columns.categories)
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
        if columns.attributions:
            sent = compress(columns.attributions, (~columns.repeated).tolist())
            self.attributions.add(first_event, sent)
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
        faults = [
            (feature, reason)
            for _, feature, reason, _ in self._faults_of(chunk.closed)
            if reason != UNSEEN
        ]
        return summarise(self.profile, self.card.model_version, chunk.closed, numbers, faults)

    def tested(self, chunk: Chunk) -> Iterator[Finding]:
        """Step 4: what the sequential detectors, the tests of closed windows and the checks say."""
        version = (self.card.model, self.card.model_version)
        for row, measurement in self.rebased.observe(chunk.codes):
            span = self.stream.span_of_last(measurement.n_cur, chunk.span.first_event + row)
            yield finding_of(version, span, measurement)
        for window in chunk.windows:
            for measurement in self.rebased.test(window):
                yield finding_of(version, window.span, measurement)
        if chunk.closed is not None and chunk.closed_values is not None:
            pane = self._view(chunk.closed, chunk.closed_values)
            for measurement in self.checks.look(pane):
                span = self.stream.span_of_last(measurement.n_cur, chunk.span.last_event)
                yield finding_of(version, span, measurement)
            while self.faults and self.faults[0][0] <= chunk.span.last_event:
                self.faults.popleft()

    def closed(self, chunk: Chunk) -> list[AcceptedTurn]:
        """A chunk has been tested and judged: what counts pane by pane counts its pane.

        Gives what of the accepted distributions is over with it.
        """
        if chunk.closed is None:
            return []
        self.attributions.close(chunk.span.last_event)
        return self.rebased.over(chunk.closed.span, self.stream)

    def cause(self, finding: Finding) -> RootCause | None:
        """What stands behind an alert of drift, from the events that it is about."""
        if finding.category != "drift":
            return None
        span, panes = finding.span, self.stream.panes_since(0)
        found = self.causes.of_window(
            finding.measurement.feature,
            self.rebased.recoded(self.stream.codes_of(span)),
            [
                replace(pane, codes=self.rebased.recoded(pane.codes))
                for pane in panes
                if pane.span.last_event <= span.last_event
            ],
            self.attributions.means(),
            columns=self.rebased.columns,
        )
        if finding.measurement.scale:
            return found
        pane = span.first_event // self.card.monitoring.pane_events
        return replace(found, first_pane=pane, since_us=span.started_us, older=False)

    def go_on_at(self, event: int) -> None:
        """Begin with this event, the first of a pane: those before it cannot be had."""
        self.stream.begin_at(event)

    def pane_begin(self, chunk: Chunk) -> Span:
        """The first event of the pane in which a chunk lies: the same however it was cut."""
        first_event = chunk.span.first_event
        return self.stream.span_of_last(
            1, first_event - first_event % self.card.monitoring.pane_events
        )

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
    """Cards by model version, and a monitor for each version that has sent events.

    Of a version that has sent events two cards may be known: the one that acts, and a newer one
    that waits until `turn`. Idle cards cost their own size; a profile is held only by a monitor.
    """

    def __init__(
        self,
        load_profile: ProfileLoader,
        duplicate_memory: int,
        encoder: Encoder = encode,
        *,
        most_cards: int = LimitSettings().models,
    ) -> None:
        self._load_profile = load_profile
        self._encoder = encoder
        self._duplicate_memory = duplicate_memory
        self._most_cards = most_cards
        self._cards: dict[VersionKey, ModelCard] = {}
        """The newest of each version."""
        self._acting: dict[VersionKey, ModelCard | None] = {}
        """Of the versions that have sent events: the card that acts, None where none does."""
        self._waiting: set[VersionKey] = set()
        """Those whose newest card does not act yet."""
        self._monitors: dict[VersionKey, VersionMonitor] = {}
        self._recent: dict[str, RecentIds] = {}

    def has_room_for(self, card: ModelCard) -> bool:
        """Whether a card is within the limit: of a version that is known it always is."""
        known = (card.model, card.model_version) in self._cards
        return known or len(self._cards) < self._most_cards

    def put(self, card: ModelCard) -> bool:
        """Take a card for which there is room; True if it is another than the newest known."""
        key = (card.model, card.model_version)
        if self._cards.get(key) == card:
            return False
        self._cards[key] = card
        self._wait(key)
        return True

    def acting(self, model: str, version: str) -> ModelCard | None:
        """The card that acts for a version: the newest, for one that has sent no event yet."""
        key = (model, version)
        return self._acting[key] if key in self._acting else self._cards.get(key)

    def begun(self, model: str, version: str) -> bool:
        """Whether a version has sent events, so that a new card of it must wait."""
        return (model, version) in self._acting

    def begin(self, version: VersionKey) -> None:
        """A version has sent its first event: from here its card acts."""
        self._acting[version] = self._cards.get(version)

    def take_up(self, version: VersionKey, card: ModelCard | None) -> None:
        """After a restart: this card acted for a version."""
        self._acting[version] = card
        self._wait(version)

    def waiting(self) -> list[VersionKey]:
        """The versions whose newest card does not act yet."""
        return sorted(self._waiting)

    def turn(self, version: VersionKey) -> VersionMonitor | None:
        """Let the newest card of a version act; the monitor whose windows that ends, if any."""
        self._waiting.discard(version)
        card = self._acting[version] = self._cards[version]
        monitor = self._monitors.get(version)
        if monitor is None:
            return None
        if decisive(monitor.card) == decisive(card):
            monitor.card = card
            monitor.policy = Policy.of(card, min(monitor.battery.scales, default=0))
            return None
        return self._monitors.pop(version)

    def monitor(self, model: str, version: str) -> VersionMonitor | None:
        """The monitor of a version, made on its first event.

        None where there is no card, or the card names no profile. Raises ProfileError where the
        profile that the card names is missing or unreadable, ConfigError where its detectors cannot
        be made, StorageError where the profile cannot be asked for.
        """
        key = (model, version)
        monitor = self._monitors.get(key)
        if monitor is None:
            card = self.acting(model, version)
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

    def profile(self, model: str, version: str) -> Profile | None:
        """The profile of the card that acts for a version; None where there is none to be had.

        Raises StorageError where it cannot be asked for.
        """
        monitor = self._monitors.get((model, version))
        if monitor is not None:
            return monitor.profile
        card = self.acting(model, version)
        raw = self._load_profile(card.profile_hash) if card and card.profile_hash else None
        try:
            return None if raw is None else Profile.from_bytes(raw)
        except ProfileError:
            return None

    def renew(self, ended: VersionMonitor) -> VersionMonitor:
        """A version whose windows were dropped sends events again: it starts anew."""
        key = (ended.card.model, ended.card.model_version)
        monitor = VersionMonitor.build(ended.card, ended.profile, self._encoder)
        self._monitors[key] = monitor
        return monitor

    def policies(self, model: str) -> dict[str, Policy]:
        """What the acting cards of a model ask of the judge, by version."""
        found = {}
        for key, card in self._acting.items():
            if key[0] == model and card is not None:
                monitor = self._monitors.get(key)
                found[key[1]] = Policy.of(card, 0) if monitor is None else monitor.policy
        return found

    def recent(self, model: str) -> RecentIds:
        """The memory of a model's last event ids."""
        memory = self._recent.get(model)
        if memory is None:
            memory = self._recent[model] = RecentIds(self._duplicate_memory)
        return memory

    def active(self) -> Mapping[VersionKey, VersionMonitor]:
        """The versions that are tested."""
        return self._monitors

    def cards(self) -> Mapping[VersionKey, ModelCard]:
        """All registered versions."""
        return self._cards

    def drop(self, model: str, version: str) -> None:
        """Let the windows of a version start anew at its next event."""
        self._monitors.pop((model, version), None)

    def never_seen(self, model: str, version: str) -> None:
        """Treat the next event of a version as its first."""
        self.drop(model, version)
        self._acting.pop((model, version), None)
        self._waiting.discard((model, version))

    def drop_model(self, model: str) -> None:
        """Let everything of a model start anew at its next event."""
        self._recent.pop(model, None)
        for version in [version for name, version in self._acting if name == model]:
            self.never_seen(model, version)

    def forget(self) -> None:
        """Drop every stream, for a new beginning; the cards stay."""
        self._acting.clear()
        self._waiting.clear()
        self._monitors.clear()
        self._recent.clear()

    def _wait(self, version: VersionKey) -> None:
        newest = self._cards.get(version)
        waits = version in self._acting and newest not in (None, self._acting[version])
        (self._waiting.add if waits else self._waiting.discard)(version)

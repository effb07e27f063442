"""A model version under the pipeline apart from everything real: for drills.

In: the card, its profile, prediction events as they lie on the topic, a function that may put
others in their place. Out: the alert moves, each with how many events after the onset it came.
Never: a broker, a database, a wall clock: the publisher and the store are in memory, the clock is
the events' send time, so a drill alerts nobody.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import orjson

from monitor.alerts import AlertMove, AlertState
from monitor.backtest.caught import Firing
from monitor.backtest.labels import LabelCoverage
from monitor.backtest.record import PARTITION, RowRecord
from monitor.backtest.result import BacktestResult
from monitor.backtest.store import ReportStore
from monitor.backtest.wiring import LIMITS, MEMBERSHIP, TOPICS, new_pipeline
from monitor.clock import US_PER_SECOND, ManualClock
from monitor.events import RejectedRecord
from monitor.findings import Finding
from monitor.profiling.dataset import Dataset
from monitor.profiling.files import check_fit
from monitor.sketches.profile import Profile
from monitor.storage.memory import MemoryStore
from monitor.storage.store import StoreBatch
from monitor.telemetry import Telemetry
from monitor.validation.validator import Validator
from schemas.contract import SENT_AT_HEADER
from schemas.model import ModelCard
from schemas.values import HashKey

TICK_US: Final = 900 * US_PER_SECOND
"""How often the clock ticks in a shadow, in the time of the events."""
BATCH_EVENTS: Final = 500


class SentEvent(Protocol):
    """An event and when it was sent."""

    @property
    def event(self) -> Mapping[str, Any]: ...
    @property
    def sent_us(self) -> int: ...


Inject = Callable[[Any], Sequence[SentEvent]]
"""What comes instead of an event: called once for each, in order."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An alert move and where it stands in the stream."""

    move: AlertMove
    log_events: int
    """Events in the log up to the end of its evidence."""
    source_events: int
    """Events of the source taken when it was made."""


class Shadow:
    """One model version, its pipeline in memory, and every move so far.

    `play` takes events; `branch` gives a second shadow that goes on from the same state. `report`
    keeps what `result` needs; a branch has none.
    """

    def __init__(
        self,
        card: ModelCard,
        profile: Profile,
        key: HashKey | None = None,
        report: ReportStore | None = None,
    ) -> None:
        check_fit(profile, card)
        self.card = card.model_copy(update={"profile_hash": profile.hash})
        self._profile = profile
        self._clock = ManualClock()
        self._telemetry = Telemetry(self._clock)
        self._validator = Validator(LIMITS, TOPICS.predictions, TOPICS.labels, key)
        self._report = report
        self._store = _Moves(report)
        self._store.save_profile(profile.hash, profile.to_bytes())
        self._pipeline, self._roster = new_pipeline(
            self._store, self._validator, self._clock, self._telemetry
        )
        self._pipeline.on_card(self.card)
        self._records: list[RowRecord] = []
        self._sent_us = self._ticked_us = self._clock.start_us
        """When the newest record was sent; when the clock ticked last."""
        self.log_events = 0
        """Events in the shadow's log."""
        self.source_events = 0
        """Events of the source that were played."""
        self.placed: list[Placed] = []

    @property
    def findings(self) -> Sequence[Finding]:
        """Every finding of the last `play`."""
        return self._store.findings

    def play(self, events: Iterable[SentEvent], inject: Inject | None = None) -> None:
        """Take events, or what `inject` puts in their place, to the end."""
        self._store.findings.clear()
        for sent in events:
            if sent.sent_us - self._ticked_us >= TICK_US:
                self._flush()
                self._clock.start_us = self._ticked_us = sent.sent_us
                self._pipeline.on_tick()
                self._commit()
            self.source_events += 1
            for one in (sent,) if inject is None else inject(sent):
                self._records.append(self._record(one))
                self.log_events += 1
            if len(self._records) >= BATCH_EVENTS:
                self._flush()
        self._flush()

    def branch(self) -> Self:
        """The same state once more: what is played to one does not reach the other."""
        shared = (self._profile, self.card, self._validator, self._telemetry)
        memo: dict[int, Any] = {id(one): one for one in shared}
        memo[id(self._report)] = None
        for monitor in self._roster.active().values():
            for part in (monitor.profile, monitor.card):
                memo[id(part)] = part
        for card in self._roster.cards().values():
            memo[id(card)] = card
        return copy.deepcopy(self, memo)

    def result(self, dataset: Dataset, labels: LabelCoverage | None = None) -> BacktestResult:
        """What was found, as a backtest of `dataset`: the moments of what reached the log."""
        if self._report is None:
            raise ValueError("a shadow without a report has no result")
        return BacktestResult.of(
            dataset, self.card, self._profile, self._report, self._roster, labels
        )

    def firings_after(self, log_events: int, source_events: int) -> list[Firing]:
        """The alerts that fired anew after an onset, with the events that it took."""
        return [
            _firing(placed, log_events, source_events)
            for placed in self.placed
            if placed.move.state is AlertState.FIRING
            and placed.move.previous is AlertState.PENDING
            and placed.source_events > source_events
        ]

    def _record(self, sent: SentEvent) -> RowRecord:
        self._sent_us = sent.sent_us
        return RowRecord(
            topic=TOPICS.predictions,
            partition=PARTITION,
            offset=self.log_events,
            timestamp=sent.sent_us // 1_000,
            key=self.card.model.encode(),
            value=orjson.dumps(sent.event),
            headers=((SENT_AT_HEADER, b"%d" % sent.sent_us),),
        )

    def _flush(self) -> None:
        if self._records:
            self._clock.start_us = max(self._clock.start_us, self._sent_us)
            records, self._records = self._records, []
            self._pipeline.on_batch(records)
            self._commit()

    def _commit(self) -> None:
        self._pipeline.commit({(TOPICS.predictions, PARTITION): self.log_events}, MEMBERSHIP)
        for move in self._store.moves:
            self.placed.append(Placed(move, move.finding.span.last_offset + 1, self.source_events))
        self._store.moves.clear()


class _Moves(MemoryStore):
    """A store that hands on the moves and findings of a commit and keeps no event."""

    def __init__(self, report: ReportStore | None) -> None:
        super().__init__()
        self._report = report
        self.moves: list[AlertMove] = []
        self.findings: list[Finding] = []

    def store(self, batch: StoreBatch) -> Sequence[RejectedRecord]:
        """Step 1 of a commit; nothing is refused."""
        self.findings += batch.findings
        if self._report is not None:
            self._report.store(batch)
        return ()

    def store_alerts(self, moves: Sequence[AlertMove]) -> None:
        """Step 3 of a commit."""
        self.moves += moves
        if self._report is not None:
            self._report.store_alerts(moves)


def _firing(placed: Placed, log_events: int, source_events: int) -> Firing:
    move = placed.move
    measurement = move.finding.measurement
    late = placed.source_events - source_events
    return Firing(
        alertname=move.labels["alertname"],
        feature=measurement.feature,
        check=measurement.check,
        delay=late if move.finding.clock else placed.log_events - log_events,
        reason=measurement.reason or move.annotations["summary"],
        threshold=measurement.threshold,
    )

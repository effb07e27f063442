"""Everything that is kept of one active model version: its stream, its tests, its checks.

In: the columns of its events. Out: chunks, pane summaries and findings. Never: another version, the
network; the pipeline says when.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from operator import itemgetter

import numpy as np

from monitor.attribution.root_cause import RootCause, RootCauses
from monitor.attribution.sent import MeanAttributions
from monitor.checks.pane_view import UNSEEN, InBulk, PaneBlock, PaneView
from monitor.checks.stopped import AllowedSilence
from monitor.checks.suite import CheckSuite
from monitor.decisions import AcceptedTurn
from monitor.detectors.battery import Battery
from monitor.events import SIGNALS, Fault, Float64, Int64, PaneSummary, PredictionColumns
from monitor.findings import Finding, Span, finding_of
from monitor.judging.policy import Policy
from monitor.rebasing import Rebased
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import Codes
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.windows.panes import Chunk, Pane
from monitor.windows.stream import WindowedStream
from monitor.windows.summary import PaneMeasures, PaneSummaries
from schemas import ModelCard

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
    summaries: PaneSummaries
    measures: InBulk[list[PaneMeasures]]
    """What is kept of the values of each pane."""
    faults: deque[EventFault] = field(default_factory=deque)
    """Those of the open pane."""
    resends: int = 0
    """Resends since the last event that was none."""
    block: PaneBlock | None = None
    """The panes that the events in hand close, where they could be prepared together."""

    @classmethod
    def build(cls, card: ModelCard, profile: Profile, encoder: Encoder) -> "VersionMonitor":
        """Begin watching a version from its first event."""
        rebased = Rebased(profile, card.monitoring)
        battery = rebased.battery
        summaries = PaneSummaries(profile, card.model_version)
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
            summaries=summaries,
            measures=InBulk(lambda block: summaries.measured(block.codes, block.values)),
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
        self._prepare(codes, values, occurred_us)
        return self.stream.add(
            columns.topic, columns.partition, offsets, occurred_us, codes, values
        )

    def _prepare(self, codes: Codes, values: Float64, occurred_us: Int64) -> None:
        """Measure at once the panes and windows that these events close, before any is looked at.

        It changes nothing that is said. Where it fails, each is measured at its own turn: then the
        fault counts from its own pane on, however the events were batched.
        """
        self.block = None
        first_event, size = self.stream.open_since, self.card.monitoring.pane_events
        panes = (self.stream.events + len(occurred_us) - first_event) // size
        if not panes:
            return
        try:
            block = self._block(first_event, *self.stream.closing(codes, values, occurred_us))
            self.measures.of(block)
            self.checks.prepare(block)
            self._prepare_windows(codes, panes)
        except Exception:  # noqa: BLE001 - it comes again where the pane or window is looked at
            return
        self.block = block

    def _prepare_windows(self, codes: Codes, panes: int) -> None:
        looks = self.stream.looks(panes)
        if looks:
            first_event = min(last - scale + 1 for scale, last in looks)
            before = self.stream.last_codes(max(self.stream.events - first_event, 0))
            known = np.concatenate([before, codes], axis=1) if before.size else codes
            self.rebased.prepare(known, self.stream.events - before.shape[1], looks)

    def _block(
        self, first_event: int, codes: Codes, values: Float64, occurred_us: Int64
    ) -> PaneBlock:
        """Panes of events that begin with `first_event`, with the faults that are known of them."""
        size, rows = self.card.monitoring.pane_events, len(values) - len(SIGNALS)
        return PaneBlock.cut(
            first_event // size,
            size,
            codes,
            values[:rows],
            values[rows:],
            occurred_us,
            ((f[0] - first_event, f[1], f[2], f[3]) for f in self.faults),
        )

    def summary(self, chunk: Chunk) -> PaneSummary | None:
        """What is kept of the pane that a chunk closed, if it closed one."""
        if chunk.closed is None or chunk.closed_values is None:
            return None
        pane = self._view(chunk.closed, chunk.closed_values)
        faults = [(feature, reason) for _, feature, reason, _ in pane.faults if reason != UNSEEN]
        measures = self.measures.of(pane.block)[pane.place]
        return self.summaries.of(pane.index, chunk.closed.span, len(pane), measures, faults)

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
        if self.block is not None and chunk.closed.index >= self.block.index + len(self.block) - 1:
            self.block = None  # what was measured of it goes with it
            self.checks.release()
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

    def _view(self, pane: Pane, values: Float64) -> PaneView:
        block = self.block
        if block is None or not 0 <= pane.index - block.index < len(block):
            first_event = pane.span.first_event
            block = self._block(first_event, pane.codes, values, pane.occurred_us)
            self.block = block
        return block.pane(pane.index - block.index)

"""The tests of one model version, against what people have accepted as normal.

In: codes against the original reference; what was accepted, by column. Out: measurements, against
the accepted distribution where there is one; how each of these ended. Never: another code in the
stream: panes, summaries and checks stay with the original.

An accepted distribution stands in its column's place in the profile, and the same battery is made
of that: it knows how few events were accepted. It is a function of the log and of the records of
its acceptances, as the battery is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from monitor.clock import to_datetime
from monitor.decisions import Accepted, AcceptedTurn, Turn
from monitor.detectors.battery import Battery
from monitor.errors import ContractError, StateError
from monitor.findings import Finding, Measurement, Span, Verdict
from monitor.sketches.accepted import MOST_EVENTS, SlotCounts
from monitor.sketches.codes import NULL_CODE, Codes
from monitor.sketches.profile import Profile
from monitor.windows.panes import Window
from monitor.windows.stream import WindowedStream
from schemas.command import Command
from schemas.model import Monitoring

OF_COLUMN: Final = ("ks", "total_variation", "unseen_categories", "cusum", "river")
"""Tests that compare a column's distribution."""
OF_ALL: Final = ("joint_shift", "correlation")
"""Tests that compare all columns together."""
BLIND_SHARE: Final = 0.1
"""A share of values beyond the original's range that is worth a word."""


@dataclass(frozen=True, slots=True)
class Order:
    """A command to accept, at the offset from which it acts."""

    command: Command
    model_version: str
    until_us: int
    offset: int
    at_us: int
    since_us: int
    """Event time at which what is accepted began."""
    profile_hash: str


class Rebased:
    """A battery, and what of its profile is replaced by accepted distributions.

    Without one it is the battery alone.
    """

    def __init__(self, profile: Profile, monitoring: Monitoring) -> None:
        self._profile = profile
        self._monitoring = monitoring
        self.battery = Battery(profile, monitoring)
        self.columns = profile.columns
        """What is compared with: the original, or what was accepted."""
        self.accepted: dict[str, Accepted] = {}
        """What acts, by column."""
        self._tables: dict[int, Codes] = {}
        """Row to the new code of each old one."""

    def observe(self, codes: Codes) -> list[tuple[int, Measurement]]:
        """`Battery.observe` of codes against the original."""
        return self.battery.observe(self.recoded(codes))

    def prepare(self, codes: Codes, first_event: int, looks: Sequence[tuple[int, int]]) -> None:
        """Measure at once the windows (scale, last event) that the next panes will close.

        `codes` uint16[columns, n] are consecutive events from `first_event` on that hold them.
        It changes nothing that is said.
        """
        self.battery.prepare(self.recoded(codes), first_event, looks)

    def test(self, window: Window) -> list[Measurement]:
        """`Battery.test`; of a window that began before what is accepted nothing can be told."""
        measurements = self.battery.test(
            window.scale, self.recoded(window.codes), window.span.last_event
        )
        if not self.accepted:
            return measurements
        early = {
            name for name, one in self.accepted.items() if window.span.first_event < one.first_event
        }
        words = "the window began before the events that were accepted as normal"
        return [
            m._replace(verdict=Verdict.CANNOT_TELL, cleared=False, reason=words, values={})
            if (m.check in OF_COLUMN and m.feature in early) or (early and m.check in OF_ALL)
            else m
            for m in measurements
        ]

    def recoded(self, codes: Codes) -> Codes:
        """Codes against `columns` from codes against the original."""
        if not self._tables:
            return codes
        codes = codes.copy()
        for row, table in self._tables.items():
            codes[row] = table.take(codes[row], mode="clip")
        return codes

    def words(self, accepted: Sequence[Accepted]) -> str:
        """What was accepted, and what will not be seen because of it."""
        columns = dict(zip(self._profile.names, self._profile.columns, strict=True))
        blind = []
        for one in accepted:
            counts = SlotCounts(one.slots, one.counts, one.n_rows)
            share = counts.beyond(columns[one.column])
            if share >= BLIND_SHARE:
                blind.append(f"{one.column} {share:.0%}")
        said = (
            f"the {accepted[0].n_rows} events from offset {accepted[0].first_offset} to "
            f"{accepted[0].last_offset} are the reference of "
            + ", ".join(one.column for one in accepted)
        )
        if not blind:
            return said
        return f"{said}; beyond the original's range, where no shift shows: {', '.join(blind)}"

    def note(self, finding: Finding) -> Mapping[str, str]:
        """As an annotation: with what a finding compares, if not with the original."""
        measured = finding.measurement
        ours = measured.check in OF_COLUMN and self.accepted.get(measured.feature)
        if not ours:
            return {}
        until = to_datetime(ours.until_us)
        return {
            "accepted": f"compared with {ours.n_rows} events accepted as normal until "
            f"{until:%Y-%m-%d %H:%M} UTC by {ours.who}: {ours.why}"
        }

    def drawn(
        self, order: Order, stream: WindowedStream, columns: Collection[str]
    ) -> list[Accepted]:
        """What is accepted of these columns (none: all): the panes since `order.since_us`.

        Raises ContractError where they are fewer than the smallest window, or hold no value.
        """
        most = MOST_EVENTS // self._monitoring.pane_events
        panes = stream.panes_since(0)[-most:]
        later = [int(np.median(pane.occurred_us)) >= order.since_us for pane in panes]
        panes = panes[later.index(True) :] if any(later) else []
        events = len(panes) * self._monitoring.pane_events
        needed = min(min(self.battery.scales), most * self._monitoring.pane_events)
        if events < needed:
            raise ContractError(
                f"{events} events in closed panes have come since it began, and an acceptance "
                f"needs {needed}, a smallest window: accept it later, or silence it until then"
            )
        codes = np.concatenate([pane.codes for pane in panes], axis=1)
        found = []
        for row, name in enumerate(self._profile.names):
            if columns and name not in columns:
                continue
            counts = SlotCounts.of(codes[row])
            if counts.n == 0:
                raise ContractError(
                    f"{name} has no value in the {events} events since it began: there is no "
                    "distribution to accept; silence it instead"
                )
            found.append(
                Accepted(
                    model=order.command.model,
                    model_version=order.model_version,
                    column=name,
                    fingerprint=order.command.fingerprint,
                    command_id=order.command.command_id,
                    who=order.command.who,
                    why=order.command.why,
                    until_us=order.until_us,
                    topic=panes[0].span.topic,
                    partition=panes[0].span.partition,
                    offset=order.offset,
                    at_us=order.at_us,
                    first_event=panes[0].span.first_event,
                    first_offset=panes[0].span.first_offset,
                    last_offset=panes[-1].span.last_offset,
                    n_rows=counts.n_rows,
                    slots=counts.slots,
                    counts=counts.counts,
                    profile_hash=order.profile_hash,
                )
            )
        return found

    def put(self, accepted: Sequence[Accepted], stream: WindowedStream) -> list[AcceptedTurn]:
        """Let these act from their offset on, the next of the stream."""
        turns = []
        for one in accepted:
            before = self.accepted.get(one.column)
            if before is not None:
                words = f"another one was accepted by {one.who}: {one.why}"
                turns.append(AcceptedTurn(before, Turn.ENDED, one.offset, one.at_us, words))
            words = f"accepted by {one.who}: {one.why}"
            turns.append(AcceptedTurn(one, Turn.ACTS, one.offset, one.at_us, words))
        columns = {one.column: one for one in accepted}
        self._change({**self.accepted, **columns}, columns.keys(), stream)
        return turns

    def over(self, pane: Span, stream: WindowedStream) -> list[AcceptedTurn]:
        """A pane has closed: end what was accepted until then, from the next event on."""
        ended = {n: one for n, one in self.accepted.items() if pane.ended_us >= one.until_us}
        if not ended:
            return []
        kept = {name: one for name, one in self.accepted.items() if name not in ended}
        self._change(kept, ended.keys(), stream)
        return self._ended(ended.values(), pane.last_offset + 1, pane.ended_us, "its time is over")

    def dropped(self, offset: int, at_us: int, reason: str) -> list[AcceptedTurn]:
        """The windows end here, and with them all that was accepted."""
        return self._ended(self.accepted.values(), offset, at_us, reason)

    def restore(
        self, accepted: Sequence[Accepted], saved: Mapping[str, Any], stream: WindowedStream
    ) -> None:
        """Go on where `battery.state` and `accepted` were taken: at the end of the stream."""
        if accepted:
            self._take({one.column: one for one in accepted})
        self.battery.restore(saved, self._recent(stream))

    def _change(
        self,
        accepted: dict[str, Accepted],
        changed: Collection[str],
        stream: WindowedStream,
    ) -> None:
        """Compare with other distributions; what watches the changed columns begins anew."""
        self.battery.rearm(changed)
        state = self.battery.state()
        self._take(accepted)
        self.battery.restore(state, self._recent(stream))

    def _take(self, accepted: dict[str, Accepted]) -> None:
        rows = {name: row for row, name in enumerate(self._profile.names)}
        columns, tables = list(self._profile.columns), {}
        for name, one in accepted.items():
            if name not in rows:
                raise StateError(f"{name!r} was accepted, and is no column of the profile")
            counts = SlotCounts(one.slots, one.counts, one.n_rows)
            columns[rows[name]], tables[rows[name]] = counts.reference(columns[rows[name]])
        profile = replace(self._profile, columns=tuple(columns)) if accepted else self._profile
        self.battery, self.columns = Battery(profile, self._monitoring), profile.columns
        self.accepted, self._tables = accepted, tables

    def _recent(self, stream: WindowedStream) -> Codes:
        """Recoded; nothing is known of a column before what is accepted of it."""
        recent = stream.last_codes(self.battery.memory_events)
        if not recent.shape[0]:
            recent = np.zeros((len(self._profile.columns), 0), dtype=np.uint16)
        recent = self.recoded(recent)
        first = stream.events - recent.shape[1]
        for row in self._tables:
            since = self.accepted[self._profile.names[row]].first_event
            recent[row, : max(since - first, 0)] = NULL_CODE
        return recent

    def _ended(
        self, ended: Collection[Accepted], offset: int, at_us: int, reason: str
    ) -> list[AcceptedTurn]:
        return [AcceptedTurn(one, Turn.ENDED, offset, at_us, reason) for one in ended]


def saved_accepted(one: Accepted) -> dict[str, Any]:
    """As plain values and arrays; counts are of at most MOST_EVENTS, so 16 bits do."""
    fields = {name: getattr(one, name) for name in Accepted.__dataclass_fields__}
    return {**fields, "counts": one.counts.astype(np.uint16)}


def accepted_of_saved(saved: Mapping[str, Any]) -> Accepted:
    """What `saved_accepted` gave."""
    counts = np.asarray(saved["counts"]).astype(np.int64)
    return Accepted(**{**saved, "counts": counts})

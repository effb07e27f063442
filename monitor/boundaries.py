"""Where what people decided begins to act: between two events, at a commit that records it.

In: cards and commands, whenever they come. Out: at the next commit each acts, from the offset that
this commit consumes up to: cards turn, commands move alerts, and the state saved in the very same
transaction knows it. Never: a card or command that acts inside a batch, before a partition is up to
date with its own commit, or twice.

So a worker that was killed takes events again under the card that acted for them, and what a person
decided is neither lost nor done twice.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

from monitor.broker import Partition
from monitor.census import Census, ModelState
from monitor.clock import to_us
from monitor.config import TopicSettings
from monitor.decisions import Accepted, Boundary, Change, Place, Ruling, card_hash
from monitor.errors import ConfigError, ContractError
from monitor.events import Record, RejectedRecord
from monitor.findings import Span
from monitor.judging.acceptance import Acceptance
from monitor.judging.judge import Judge
from monitor.judging.policy import Policy
from monitor.rebasing import Order
from monitor.roster import UNTESTABLE, Roster, VersionKey
from monitor.snapshots import Snapshots
from monitor.telemetry import Telemetry
from monitor.validation.cards import parse_command
from monitor.validation.moments import LATEST_US
from monitor.validation.reasons import Reasons, reason
from monitor.validation.validator import Validator
from monitor.version_monitor import VersionMonitor
from monitor.work import Desk
from schemas import ModelCard
from schemas.command import Command

LONGEST_COMMAND_BYTES = 16_384

log = logging.getLogger(__name__)


class Boundaries:
    """The cards and commands that wait for the next commit."""

    def __init__(
        self,
        topics: TopicSettings,
        census: Census,
        roster: Roster,
        judge: Judge,
        snapshots: Snapshots,
        validator: Validator,
        telemetry: Telemetry,
        desk: Desk,
    ) -> None:
        self._topics = topics
        self._census = census
        self._roster = roster
        self._judge = judge
        self._snapshots = snapshots
        self._validator = validator
        self._telemetry = telemetry
        self._desk = desk
        self._commands: defaultdict[int, deque[Record]] = defaultdict(deque)
        """By partition, in their order."""
        self._again: set[VersionKey] = set()
        """Versions whose profile was missing and may be there now."""

    @property
    def waiting(self) -> bool:
        """Whether a commit would let anything act."""
        return bool(self._again or self._roster.waiting() or any(self._commands.values()))

    def put_card(self, card: ModelCard) -> None:
        """Take a card: it acts at once for a version that has sent no event, else it waits.

        Beyond `limits.models`, or if it hashes with a key that this worker does not have, it is
        turned away: its version is not tested as it says, and of its events nothing is kept that
        the card calls sensitive.
        """
        version = (card.model, card.model_version)
        try:
            self._validator.check_key(card)
        except ConfigError as error:
            self._telemetry.dropped("intake", "hash_key")
            self._validator.turn_away(card)
            log.error("card of %s %s not taken: %s", *version, error)
            return
        if not self._roster.has_room_for(card):
            self._telemetry.dropped("intake", "models_limit")
            self._validator.turn_away(card)
            log.error(
                "card of %s %s not taken: %d model versions are known, limits.models allows no "
                "more; its events are stored and not tested",
                *version,
                len(self._roster.cards()),
            )
            return
        changed = self._roster.put(card)
        if changed and self._roster.acting(*version) in (card, None):
            self._validator.set_card(card)
        if not changed:
            self._try_again(version)

    def put_commands(self, records: Sequence[Record]) -> None:
        """Take records of the commands topic, in their order."""
        for record in records:
            self._commands[record.partition].append(record)

    def act(self, ready: Mapping[int, int]) -> None:
        """Let act what waits for these predictions partitions, from these offsets on.

        Raises StorageError, before anything of a version has changed.
        """
        for number in self._commands.keys() & ready.keys():
            for record in self._commands[number]:
                if isinstance(command := _command(record), Command):
                    self.wake(command.model)
        for version in sorted({*self._again, *self._roster.waiting()}):
            self.wake(version[0])
            state = self._census.models.get(version[0])
            if state is None or state.partition not in ready:
                continue
            same_card = version not in self._roster.waiting()
            self._again.discard(version)
            if same_card and not self._testable(version):
                continue
            self._desk.stated(self._census.take_back(version, "the version can be tested now"))
            if not same_card:
                self._turn(version, state, ready[state.partition])
            self._snapshots.unrepeatable(version[0])
        for number in sorted(self._commands.keys() & ready.keys()):
            waiting = self._commands.pop(number)
            for record in waiting:
                self._obey(record, ready[number])
                self._snapshots.unrepeatable()

    def begin(self, version: VersionKey, first: Span) -> None:
        """A version has sent its first event: its newest card acts."""
        self._roster.begin(version)
        self.note(version, Change.BEGUN, _at(first), "its first event")

    def end(self, version: VersionKey, change: Change, at: Span, words: str) -> None:
        """The windows of a version end at an event: replaced (all its alerts) or quarantined."""
        monitor = self._roster.active().get(version)
        policy = self._roster.policies(version[0]).get(version[1], Policy())
        whole = change is Change.REPLACED
        moves = self._judge.supersede(version, words, at, policy, whole=whole)
        self._desk.work.moves += moves
        if monitor is not None:
            self._roster.drop(*version)
            self._snapshots.windows_ended(version, monitor)
            self._dropped(monitor, (at.last_offset + 1, at.ended_us), words)
        partition, offset, at_us = _at(at)
        self.note(version, change, (partition, offset + 1, at_us), words)

    def note(
        self, version: VersionKey, change: Change, at: tuple[int, int, int], words: str
    ) -> None:
        """Record a boundary at (partition, offset, event time), and save it with the commit."""
        card = self._roster.acting(*version)
        partition, offset, at_us = at
        self._desk.work.boundaries.append(
            Boundary(
                model=version[0],
                model_version=version[1],
                change=change,
                topic=self._topics.predictions,
                partition=partition,
                offset=offset,
                card_hash=card_hash(card) if card else "",
                reason=words,
                at_us=at_us,
            )
        )
        self._snapshots.unrepeatable(version[0])
        log.info("%s %s from offset %d: %s", *version, offset, words)

    def hold(self, offsets: Mapping[Partition, int]) -> dict[Partition, int]:
        """The offsets to commit: of commands only up to the first one that still waits."""
        held = dict(offsets)
        for number, waiting in self._commands.items():
            partition = (self._topics.commands, number)
            if waiting and partition in held:
                held[partition] = min(held[partition], waiting[0].offset)
        return held

    def restored(self) -> None:
        """After a restart: cards act as they did, newer ones wait."""
        for model, state in self._census.models.items():
            for name in state.versions:
                card = self._roster.acting(model, name)
                if card is not None and card != self._roster.cards().get((model, name)):
                    self._validator.set_card(card)  # an older one, or no longer on its topic
                self._try_again((model, name))
        for version in sorted(self._judge.windowed() - self._roster.active().keys()):
            self._unrestored(version)

    def wake(self, model: str) -> None:
        """Have the saved windows of a model at hand: events, people or the clock ask for them.

        Raises StorageError where a profile cannot be asked for now. Windows that cannot be had
        start anew, as if their version had sent no event.
        """
        for name in list(self._roster.asleep(model)):
            version = (model, name)
            if not self._roster.wake(version):
                self._census.models[model].versions.pop(name, None)
                self._snapshots.moved(model)
                self._snapshots.unrepeatable(model)
                if version in self._judge.windowed():
                    self._unrestored(version)

    def forget(self) -> None:
        """Nothing waits: the partitions are not ours now. The newest cards act again."""
        for version in self._roster.waiting():
            self._validator.set_card(self._roster.cards()[version])
        self._commands.clear()
        self._again.clear()

    def _try_again(self, version: VersionKey) -> None:
        standing = self._census.standing(*version)
        trouble = None if standing is None else standing.trouble
        if trouble is not None and trouble.measurement.check == "profile_missing":
            self._again.add(version)

    def _testable(self, version: VersionKey) -> bool:
        """Whether the card that acts for a version, and its profile, now do for tests."""
        try:
            return self._roster.monitor(*version) is not None
        except UNTESTABLE:
            return False

    def _turn(self, version: VersionKey, state: ModelState, offset: int) -> None:
        ended = self._roster.turn(version)
        self._validator.set_card(self._roster.cards()[version])
        at_us = state.last_span.ended_us if state.last_span else 0
        change, words = Change.CARD, "another card acts from here"
        if ended is not None:
            change, words = Change.WINDOWS, "the card changed its tests: the windows start anew"
            if ended.stream.events:
                last = ended.stream.span_of_last(1, ended.stream.events - 1)
                moves = self._judge.supersede(version, words, last, ended.policy)
                self._desk.work.moves += moves
            self._snapshots.windows_ended(version, ended)
            self._dropped(ended, (offset, at_us), words)
        self.note(version, change, (state.partition, offset, at_us), words)

    def _obey(self, record: Record, offset: int) -> None:
        rulings, found = self._desk.work.rulings, _command(record)
        if not isinstance(found, Command):
            self._refuse(record, None, found)
            return
        state = self._census.models.get(found.model)
        place = Place(record.topic, record.partition, record.offset, _appended_us(record))
        if state is not None and found.command_id in state.commands:
            self._telemetry.dropped("judging", "repeated_command")
            effect = "nothing: a command of this id was obeyed before"
            rulings.append(Ruling(found, place, False, effect, offset))
            return
        try:
            effect = self._obeyed(found, state, record.partition, offset)
        except ContractError as error:
            words = reason("bad_value", "", str(error))
            self._refuse(record, found.model, (words,))
            rulings.append(Ruling(found, place, False, f"refused: {error}", offset))
        else:
            rulings.append(Ruling(found, place, True, effect, offset))
            log.info("command %s: %s", found.command_id, effect)

    def _obeyed(
        self, command: Command, state: ModelState | None, partition: int, offset: int
    ) -> str:
        if state is None or state.partition != partition:
            raise ContractError(
                f"no events of model {command.model} are on partition {partition}: key commands by "
                "the model's name, as its events are"
            )
        at_us = state.last_span.ended_us if state.last_span else 0
        policies: Mapping[str, Policy] = self._roster.policies(command.model)
        accepts = self._judge.acceptance(command)
        if accepts is None:
            moves, effect = self._judge.obey(command, at_us, policies)
        else:
            monitor, accepted = self._accepted(command, accepts, offset, at_us)
            moves, effect = self._judge.obey(command, at_us, policies, accepts.keys)
            self._desk.work.baselines += monitor.rebased.put(accepted, monitor.stream)
            effect += f"; {monitor.rebased.words(accepted)}"
        self._desk.work.moves += moves
        state.remember(command.command_id)
        self._snapshots.unrepeatable(command.model)
        return effect

    def _accepted(
        self, command: Command, accepts: Acceptance, offset: int, at_us: int
    ) -> tuple[VersionMonitor, list[Accepted]]:
        """The distributions that a command accepts; nothing has changed yet.

        Raises ContractError where there are none.
        """
        monitor = self._roster.active().get((command.model, accepts.model_version))
        if monitor is None or command.until is None:
            raise ContractError(
                f"{command.model} {accepts.model_version} is not tested now: there is no "
                "distribution to accept"
            )
        order = Order(
            command=command,
            model_version=accepts.model_version,
            until_us=to_us(command.until),
            offset=offset,
            at_us=at_us,
            since_us=accepts.since_us,
            profile_hash=monitor.card.profile_hash or "",
        )
        return monitor, monitor.rebased.drawn(order, monitor.stream, accepts.columns)

    def _unrestored(self, version: VersionKey) -> None:
        span = self._census.models[version[0]].last_span
        if span is not None:
            policy = self._roster.policies(version[0]).get(version[1], Policy())
            words = "its windows could not be restored: they start anew"
            self._desk.work.moves += self._judge.supersede(version, words, span, policy)
            self._snapshots.unrepeatable(version[0])

    def _dropped(self, monitor: VersionMonitor, at: tuple[int, int], words: str) -> None:
        """The windows of a version end at (offset, event time), and what was accepted with them."""
        self._desk.work.baselines += monitor.rebased.dropped(*at, words)

    def _refuse(self, record: Record, model: str | None, reasons: Reasons) -> None:
        kind, _, message = reasons[0]
        self._telemetry.dropped("judging", f"command_{kind}")
        log.error("%s[%d] offset %d: %s", record.topic, record.partition, record.offset, message)
        self._desk.work.rejected.append(
            RejectedRecord(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                appended_us=_appended_us(record),
                model=model,
                reasons=reasons,
                original=record.value or b"",
            )
        )


def _at(span: Span) -> tuple[int, int, int]:
    return span.partition, span.first_offset, span.ended_us


def _appended_us(record: Record) -> int:
    return min(max(record.timestamp * 1_000, 0), LATEST_US)


def _command(record: Record) -> Command | Reasons:
    value = record.value
    if value is not None and len(value) > LONGEST_COMMAND_BYTES:
        return (reason("oversize", "", f"a command has at most {LONGEST_COMMAND_BYTES} bytes"),)
    return parse_command(value)

"""The records of the state topic read back: what a worker knew, as far as it is whole.

In: the newest value of every key of one partition. Out: models, streams, open alerts, what was
published last. Never: an object built from what the bytes name, nor one model stopped by what is
wrong with another's records.

Every piece is sealed with a checksum over its key and bytes: it finds damage, not forgery (who may
write to the state topic decides what the worker believes). Format 1 (before cards had boundaries)
has no seals and is read as far as it goes: models, alerts and ids live on, windows start anew.
Format 2 knows nothing of labels. Of any other format nothing is taken: StateError, with the way
out.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import xxhash

from monitor.alerts import AlertMove
from monitor.asleep import MALFORMED, Asleep
from monitor.census import ModelState, Standing
from monitor.decisions import AcceptedTurn, Boundary, Change, Place, Ruling, Turn
from monitor.errors import StateError
from monitor.findings import Span
from monitor.judging.judge import Judge
from monitor.judging.record import finding_of_saved, move_of_saved
from monitor.packing import pack, unpack
from monitor.performance.calendar import LabelClock
from monitor.rebasing import accepted_of_saved
from monitor.roster import Roster, VersionKey
from monitor.windows.duplicates import RecentIds
from schemas import ModelCard
from schemas.command import Command

FORMAT: Final = 3
READABLE: Final = (1, 2, FORMAT)
log = logging.getLogger(__name__)

Saved = Mapping[bytes, bytes]
"""The newest value of every key of one partition."""
Entries = Mapping[tuple[Any, ...], Any]
"""Values by key, their parts put together."""
Panes = Mapping[VersionKey, Mapping[int, bytes]]
"""The packed panes of each version by their slot in the ring."""


@dataclass(slots=True)
class Restored:
    """What one partition's state held."""

    models: dict[str, ModelState] = field(default_factory=dict)
    panes: dict[VersionKey, int] = field(default_factory=dict)
    """Version to the number of its panes that the state holds."""
    blocks: dict[str, int] = field(default_factory=dict)
    """Model to the number of its blocks of ids that the state holds."""
    cards: dict[VersionKey, str] = field(default_factory=dict)
    """Version to the hash of its card in the state."""


@dataclass(slots=True)
class Said:
    """What was published last: its rows may be missing."""

    moves: list[AlertMove] = field(default_factory=list)
    boundaries: list[Boundary] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)
    baselines: list[AcceptedTurn] = field(default_factory=list)


def offset_of(saved: Saved, what: str) -> int | None:
    """The predictions offset that a partition's state belongs to; None where there is none."""
    raw = saved.get(pack(["at"]))
    if raw is None:
        return None
    at = unpack(raw)
    form, offset, found = check_format(at, what), at.get("offset"), at.get("seal")
    sealed = pack(offset if form == 2 else [offset, at.get("labels")])
    if not isinstance(offset, int) or (
        form > 1 and (not isinstance(found, int) or found != seal(b"at", sealed))
    ):
        raise StateError(
            f"the {what} is damaged: it does not say to which offset it belongs; stop the workers "
            "and delete the records of the state topic; windows then start anew"
        )
    return int(offset)


def labels_offset_of(saved: Saved) -> int | None:
    """The labels offset that a partition's state belongs to; None in states of older formats."""
    found = unpack(saved[pack(["at"])]).get("labels")
    return found if isinstance(found, int) else None


def labelled(
    saved: Saved, models: Collection[str]
) -> tuple[Mapping[str, Any], dict[str, Mapping[str, Any]]]:
    """The saved clock of a labels partition, and what labels say of these models."""
    wanted = {("labels",), *(("performance", model) for model in models)}
    own = {key: value for key, value in saved.items() if _name_of(key) in wanted}
    entries = joined(own)
    clock = entries.get(("labels",)) or {"clock": LabelClock().state(), "first": {}, "labelled": []}
    watches = {name[1]: entry for name, entry in entries.items() if len(name) == 2}
    return clock, watches


def _name_of(raw_key: bytes) -> tuple[Any, ...] | None:
    try:
        *key, _ = unpack(raw_key)
        return tuple(key)
    except MALFORMED:
        return None


def seal(key: bytes, piece: bytes) -> int:
    """What stands beside a piece of state, so that a damaged or misplaced one is left out."""
    return xxhash.xxh3_64_intdigest(key + piece)


def said(saved: Saved) -> Said:
    """What was published with the newest state of a partition."""
    try:
        own = {key: value for key, value in saved.items() if key.startswith(_SAID_KEYS)}
        entries = joined(own)
        if ("said",) not in entries:
            return Said([move_of_saved(move) for move in entries.get(("moves",), [])])
        told = entries["said",]
        return Said(
            [move_of_saved(move) for move in told["moves"]],
            [Boundary(**{**one, "change": Change(one["change"])}) for one in told["boundaries"]],
            [_ruling_of(one) for one in told["rulings"]],
            [_turn_of(one) for one in told.get("baselines", ())],
        )
    except MALFORMED as error:
        log.error("what a state says was published is unreadable (%s): rows may be missing", error)
        return Said()


def left_behind(saved: Mapping[int, Saved], at: Mapping[int, int]) -> dict[int, set[str]]:
    """Models whose events have moved to another partition, by that of their older state.

    `saved` and `at`: by partition, its state and the offset that this is of.
    """
    places: defaultdict[str, list[int]] = defaultdict(list)
    for number in at:
        heads = [key for key in saved[number] if key.startswith(_HEAD_KEY)]
        for model in {_model_of(key) for key in heads} - {None}:
            places[str(model)].append(number)
    left: defaultdict[int, set[str]] = defaultdict(set)
    for model, numbers in places.items():
        if len(numbers) > 1:
            newest = max(numbers, key=lambda n: (_last_event_us(model, saved[n], at[n]), n))
            for number in numbers:
                if number != newest:
                    left[number].add(model)
    return left


def restore(
    partition: int,
    saved: Saved,
    at: int,
    roster: Roster,
    judge: Judge,
    elsewhere: Collection[str] = (),
) -> Restored:
    """Bring one partition's models back, but for those whose newer state is `elsewhere`.

    What is not whole starts anew; it is logged, and stops no other model. Windows are kept as they
    are until their version needs them: nothing is built here, and no profile is asked for.
    """
    entries, panes = _values_and_panes(saved)
    restored = Restored()
    for key, head in entries.items():
        if len(key) != 2 or key[0] != "head" or str(key[1]) in elsewhere:
            continue
        model = str(key[1])
        try:
            if head["offset"] > at:  # of a time before the group's offsets were set back
                continue
            state = _model(model, head, (entries, panes), roster, restored)
            alerts = head["alerts"]
            judge.restore(alerts if head["format"] > 1 else {"lives": alerts, "incidents": []})
        except MALFORMED as error:
            log.error("state of %s is unusable, it starts anew: %r", model, error)
            roster.drop_model(model)
            restored.blocks.pop(model, None)
            for version in [one for one in restored.cards if one[0] == model]:
                del restored.cards[version]
                restored.panes.pop(version, None)
            continue
        state.partition = partition
        restored.models[model] = state
    return restored


def joined(saved: Saved) -> dict[tuple[Any, ...], Any]:
    """Values by key, their parts put together again; what is not whole is logged and left out."""
    return _unpacked(_whole(saved))


def _values_and_panes(saved: Saved) -> tuple[Entries, Panes]:
    """What `joined` gives but for the panes, and these as they are."""
    packed = _whole(saved)
    panes: defaultdict[VersionKey, dict[int, bytes]] = defaultdict(dict)
    for name in [name for name in packed if len(name) == 4 and name[0] == "pane"]:
        _, model, version, slot = name
        panes[model, version][slot] = packed.pop(name)
    return _unpacked(packed), panes


def _whole(saved: Saved) -> dict[tuple[Any, ...], bytes]:
    """Packed values by key, their parts put together again."""
    parts: dict[tuple[Any, ...], dict[int, tuple[int, bytes]]] = {}
    for raw_key, raw in saved.items():
        try:
            *key, part = unpack(raw_key)
            if key:
                count, piece, *seals = unpack(raw)
                if seals and seals != [seal(raw_key, piece)]:
                    raise StateError("its seal is broken")
                parts.setdefault(tuple(key), {})[int(part)] = (int(count), bytes(piece))
        except MALFORMED as error:
            log.error("a state record under key %r is unreadable: %s", raw_key[:200], error)
    packed: dict[tuple[Any, ...], bytes] = {}
    for name, pieces in parts.items():
        try:
            packed[name] = b"".join(pieces[part][1] for part in range(pieces[0][0]))
        except MALFORMED as error:
            log.error("state record %r is not whole: %r", name, error)
    return packed


def _unpacked(packed: Mapping[tuple[Any, ...], bytes]) -> dict[tuple[Any, ...], Any]:
    entries: dict[tuple[Any, ...], Any] = {}
    for name, whole in packed.items():
        try:
            entries[name] = unpack(whole)
        except MALFORMED as error:
            log.error("state record %r is not whole: %r", name, error)
    return entries


def check_format(document: Any, what: str) -> int:
    """The format of a document; raises StateError for one that this release cannot read."""
    found = document.get("format") if isinstance(document, dict) else None
    if found not in READABLE:
        raise StateError(
            f"{what} has format {found!r}, this release reads {READABLE[0]} to {READABLE[-1]}: "
            "run the release that wrote it, or stop the workers and delete the records of the "
            "state topic; windows then start anew"
        )
    return int(found)


def _model_of(head_key: bytes) -> str | None:
    try:
        _, model, _ = unpack(head_key)
        return str(model)
    except MALFORMED:
        return None


def _last_event_us(model: str, saved: Saved, at: int) -> int:
    """The time of a model's last event in a state, -1 where that is not to be taken up."""
    own = {key: saved[key] for key in saved if key.startswith(_HEAD_KEY + pack(model))}
    try:
        head = joined(own)["head", model]
        return int(head["last_span"]["ended_us"]) if head["offset"] <= at else -1
    except MALFORMED:
        return -1


def _model(
    model: str,
    head: Mapping[str, Any],
    kept: tuple[Entries, Panes],
    roster: Roster,
    restored: Restored,
) -> ModelState:
    form = check_format(head, f"state of {model}")
    span = head["last_span"]
    state = ModelState(
        last_version=str(head["last_version"]),
        last_span=Span(**span) if span else None,
        silent=bool(head["silent"]),
        commands=dict.fromkeys(map(str, head.get("commands", ()))),
    )
    if form == 1:
        for raised in map(finding_of_saved, head["untested"]):
            state.versions[raised.model_version] = Standing(trouble=raised)
            roster.take_up((model, raised.model_version), None)
    else:
        _versions(model, head, kept, roster, state, restored)
    recent = roster.recent(model)
    _restore_ids(recent, model, head["ids"], kept[0])
    restored.blocks[model] = recent.merged
    return state


def _versions(
    model: str,
    head: Mapping[str, Any],
    kept: tuple[Entries, Panes],
    roster: Roster,
    state: ModelState,
    restored: Restored,
) -> None:
    entries, panes = kept
    windows = {str(saved["version"]): saved for saved in head["versions"]}
    for name, trouble, replaced, since, card_hash in head["standings"]:
        version = str(name)
        key = (model, version)
        try:
            card = _card(entries, key, card_hash)
            roster.take_up(key, card)
            if version in windows:
                saved = _windows(key, windows[version], panes, roster)
                roster.lay(key, saved)
                restored.panes[key] = saved.closed
            raised = finding_of_saved(trouble) if trouble else None
            state.versions[version] = Standing(raised, bool(replaced), int(since))
            if card_hash:
                restored.cards[key] = str(card_hash)
        except MALFORMED as error:
            log.error("state of %s %s is unusable, it starts anew: %r", model, version, error)
            roster.never_seen(model, version)
            restored.panes.pop(key, None)


def _card(entries: Entries, version: VersionKey, card_hash: str) -> ModelCard | None:
    if not card_hash:
        return None
    saved = entries["card", *version]
    if saved["hash"] != card_hash:
        raise StateError(f"its card is {saved['hash']}, not {card_hash}")
    return ModelCard.model_validate_json(saved["card"])


def _windows(version: VersionKey, saved: Mapping[str, Any], panes: Panes, roster: Roster) -> Asleep:
    card = roster.acting(*version)
    if card is None or card.profile_hash is None:
        raise StateError("its card names no profile")
    closed = int(saved["events"]) // card.monitoring.pane_events
    return Asleep(saved, panes.get(version, {}), closed)


def _restore_ids(recent: RecentIds, model: str, saved: Mapping[str, Any], entries: Entries) -> None:
    merged = int(saved["merged"])
    blocks = []
    for number in range(max(0, merged - recent.ring), merged):
        block = entries.get(("ids", model, number % recent.ring))
        if block is not None and block["number"] == number:
            blocks.append(block["ids"])
    recent.restore(merged, blocks, saved["fresh"])


def _turn_of(saved: Mapping[str, Any]) -> AcceptedTurn:
    return AcceptedTurn(
        accepted=accepted_of_saved(saved["accepted"]),
        turn=Turn(saved["turn"]),
        offset=int(saved["offset"]),
        at_us=int(saved["at_us"]),
        reason=str(saved["reason"]),
    )


def _ruling_of(saved: Mapping[str, Any]) -> Ruling:
    return Ruling(
        command=Command.model_validate_json(saved["command"]),
        place=Place(**saved["place"]),
        done=bool(saved["done"]),
        effect=str(saved["effect"]),
        acts_from=int(saved["acts_from"]),
    )


_SAID_KEYS: Final = (pack(["said", 0])[:-1], pack(["moves", 0])[:-1])
"""With what the keys of what a partition said begin, whatever their part; the second: format 1."""

_HEAD_KEY: Final = pack(["head", "", 0])[:-2]
"""With what the key of every head begins; the packed name of its model follows."""

"""`plumbline verify`: the numbers of alerts, computed again from what is stored.

In: an alert (fingerprint, or the id of one move), or all of a model, or all. Out: a `Verified` for
each alert: `verified`, or `differs` and what, or `cannot` and why. Never: a number taken from
the alert itself, a tolerance: the same rows through the same code give the same floats.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monitor.alerts import AlertState
from monitor.clock import to_us
from monitor.config import TopicSettings
from monitor.findings import Finding
from monitor.storage.evidence import Evidence, Log, Row
from monitor.storage.store import Store
from monitor.verifying.labels import label_findings
from monitor.verifying.replay import Damage, Key, Replay, Replayed, same
from monitor.verifying.standing import Standings, Trouble, Verdict

NUMBERS: Final = (
    *("verdict", "statistic", "effect", "threshold", "p_value", "n_ref", "n_cur"),
    *("n_effective", "smallest_visible", "values"),
)
"""Fields of a measurement that are compared."""
PLACES: Final = ("first_event", "last_event", "first_offset", "last_offset")
"""Fields of a span that are compared, its event times beside them."""
_OF_WINDOWS: Final = ("drift", "quality", "silence")
_OF_LABELS: Final = "performance"


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of one alert."""

    fingerprint: str
    name: str
    """Alert name and labels, for people."""
    verdict: Verdict
    words: tuple[str, ...]
    """What differs, or why it cannot be said; without repeats."""
    moves: int
    """Moves whose numbers were compared."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the numbers of alerts are computed from."""

    evidence: Evidence
    store: Store
    """Reads the rows of cohorts."""
    topics: TopicSettings
    predictions_days: int | None = None
    """After so many days predictions are dropped by design."""


def verify(
    stored: Stored,
    *,
    model: str = "",
    id: str = "",
    on_moves: Callable[[int, int], None] | None = None,
) -> list[Verified]:
    """Compute the numbers behind alerts again.

    `id` is a fingerprint or the id of one move; empty: every alert (of `model`). `on_moves` is told
    how many moves of how many have been looked at. Raises StorageError.
    """
    evidence = stored.evidence
    looked = 0
    by_log: dict[Log, list[Row]] = {}
    for move in evidence.moves(model=model, id=id):
        log = Log(move["model"], move["model_version"], move["topic"], move["partition"])
        by_log.setdefault(log, []).append(move)
    found: dict[str, list[tuple[Row, Trouble | None]]] = {}
    for log, moves in by_log.items():
        version = _Version(stored, log)
        for move, trouble in version.judged(moves, one=bool(id)):
            found.setdefault(move["fingerprint"], []).append((move, trouble))
        looked += len(moves)
        if on_moves is not None:
            on_moves(looked, sum(map(len, by_log.values())))
    return [_summed(mark, outcomes) for mark, outcomes in found.items()]


class _Version:
    """The alerts of one model version on one partition."""

    def __init__(self, stored: Stored, log: Log) -> None:
        self._stored = stored
        self._evidence = stored.evidence
        self._log = log
        self._days = stored.predictions_days
        self._standings = Standings(stored.evidence, log)

    def judged(self, moves: Sequence[Row], *, one: bool) -> Iterator[tuple[Row, Trouble | None]]:
        """Each move that measured something, with what is wrong with it.

        Of one alert, first only its own windows are tried: equal numbers need no more.
        """
        open_: list[Row] = []
        labelled: list[Row] = []
        for move in moves:
            if _measured_nothing(move):
                continue
            trouble = _beyond(move) or self._stood(move)
            if trouble is not None:
                yield move, trouble
            elif move["category"] == _OF_LABELS:
                labelled.append(move)
            elif one and self._by_windows(move):
                yield move, None
            else:
                open_.append(move)
        if open_:
            last = max(int(move["last_offset"]) for move in open_)
            found = self._replayed(open_, 0, last, whole=True)
            for move in open_:
                yield move, self._trouble(move, found)
        if labelled:
            yield from self._of_labels(labelled)

    def _of_labels(self, moves: Sequence[Row]) -> Iterator[tuple[Row, Trouble | None]]:
        """Moves of alerts that rest on labels."""
        stored, wanted = self._stored, {_key(move) for move in moves}
        found = label_findings(self._evidence, stored.store, self._log, stored.topics, wanted)
        for move in moves:
            ours = found.get(_key(move), ())
            if any(not _differences(move, one) for one in ours):
                yield move, None
                continue
            oldest = self._evidence.oldest(self._log)
            if self._days is not None and oldest["first_offset"] > move["first_offset"]:
                words = f"predictions are kept for {self._days} days (retention)"
                yield move, Trouble(Verdict.CANNOT, words)
                continue
            told = ", ".join(_differences(move, ours[0])) if ours else "no cohort says this now"
            words = f"predictions or labels were changed or are missing: {told}"
            yield move, Trouble(Verdict.DIFFERS, words)

    def _by_windows(self, move: Row) -> bool:
        """Whether the events of its windows alone give the same numbers."""
        first, last = int(move["first_offset"]), int(move["last_offset"])
        found = self._replayed([move], first, last, whole=False)
        return not found.damage and self._equal(move, found)

    def _replayed(self, moves: Iterable[Row], first: int, last: int, *, whole: bool) -> Replayed:
        wanted = {_key(move) for move in moves}
        return Replay(self._evidence, self._standings, self._log).run(
            first, last, wanted, whole=whole
        )

    def _stood(self, move: Row) -> Trouble | None:
        """What is wrong with the card or the reference behind a move."""
        standing = self._standings.at(int(move["last_offset"]))
        if isinstance(standing, Trouble):
            return standing
        told = move["annotations"]
        ours = {"config": standing.config_hash, "profile": standing.card.profile_hash or ""}
        for what, known in ours.items():
            stored = told.get(f"{what}_hash", known)
            if stored != known:
                words = f"{what} changed: the alert names {stored}, its card {known}"
                return Trouble(Verdict.DIFFERS, words)
        return None

    def _equal(self, move: Row, found: Replayed) -> bool:
        return any(not _differences(move, one) for one in found.findings.get(_key(move), ()))

    def _trouble(self, move: Row, found: Replayed) -> Trouble | None:
        """What is wrong with the numbers of a move after a whole replay."""
        first, last = int(move["first_offset"]), int(move["last_offset"])
        inside = [d for d in found.damage if d.last_offset >= first and d.first_offset <= last]
        if inside:
            return self._damaged(inside, "")
        if self._equal(move, found):
            return None
        before = [damage for damage in found.damage if damage.last_offset < first]
        if before:
            return self._damaged(before, " (before its window, where its history lies)")
        candidates = found.findings.get(_key(move), ())
        if not candidates:
            words = (
                "nothing was measured at this place, though rows, reference and config are those "
                "of the alert: another release may have found it"
            )
            return Trouble(Verdict.DIFFERS, words)
        told = ", ".join(_differences(move, candidates[0]))
        words = f"{told}, though rows, reference and config are those of the alert"
        return Trouble(Verdict.DIFFERS, words)

    def _damaged(self, damage: Sequence[Damage], where: str) -> Trouble:
        words = damage[0].words + where
        if len(damage) > 1:
            words += f"; and {len(damage) - 1} more places"
        if all(one.missing for one in damage):
            missing = sum(one.missing for one in damage)
            oldest = self._evidence.oldest(self._log)
            gone = max(one.first_offset for one in damage)
            if self._days is not None and (not oldest["rows"] or gone < oldest["first_offset"]):
                words += f": predictions are kept for {self._days} days (retention)"
                return Trouble(Verdict.CANNOT, words)
            erased = self._evidence.erased(self._log.model)
            if erased >= missing:
                words += f": {erased} predictions were erased on request (erasures)"
                return Trouble(Verdict.CANNOT, words)
        return Trouble(Verdict.DIFFERS, words)


def _beyond(move: Row) -> Trouble | None:
    """Why the predictions of a version alone cannot give these numbers again."""
    if move["clock"]:
        return Trouble(Verdict.CANNOT, "raised by the clock: no log says when it looked")
    if move["category"] not in (*_OF_WINDOWS, _OF_LABELS):
        words = "states who is registered or what failed: it measures nothing"
        return Trouble(Verdict.CANNOT, words)
    return None


def _measured_nothing(move: Row) -> bool:
    """Whether a move is a consequence alone: another version, another card, a person's word."""
    ended = move["state"] in (AlertState.SUPERSEDED, AlertState.RESOLVED)
    return bool(ended and move["verdict"] == "cannot_tell" and move["n_cur"] == 0)


def _key(move: Row) -> Key:
    return (
        *(move["check"], move["feature"], int(move["scale"])),
        *(move["segment"], int(move["last_offset"])),
    )


def _differences(move: Row, finding: Finding) -> list[str]:
    """The fields that are not equal, in words."""
    pairs: list[tuple[str, Any, Any]] = [
        (name, _plain(getattr(finding.measurement, name)), move[name]) for name in NUMBERS
    ]
    pairs += [(name, getattr(finding.span, name), move[name]) for name in PLACES]
    pairs += [
        ("started", finding.span.started_us, to_us(move["started_at"])),
        ("ended", finding.span.ended_us, to_us(move["ended_at"])),
    ]
    return [
        f"{name} {stored} stored, {ours} computed"
        for name, ours, stored in pairs
        if not same(ours, stored)
    ]


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, str) and hasattr(value, "value") else value


def _summed(mark: str, outcomes: Sequence[tuple[Row, Trouble | None]]) -> Verified:
    """One alert out of its moves: the worst counts."""
    move = outcomes[0][0]
    names = ("alertname", "model", "model_version", "feature", "segment")
    by_verdict: defaultdict[Verdict, list[str]] = defaultdict(list)
    for _, trouble in outcomes:
        if trouble is not None:
            by_verdict[trouble.verdict].append(trouble.words)
    verdict = next(
        (one for one in (Verdict.DIFFERS, Verdict.CANNOT) if by_verdict[one]), Verdict.VERIFIED
    )
    return Verified(
        fingerprint=mark,
        name=" ".join(move[name] for name in names if move[name]),
        verdict=verdict,
        words=tuple(dict.fromkeys(by_verdict[verdict])),
        moves=len(outcomes),
    )

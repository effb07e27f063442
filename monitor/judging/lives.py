"""The alerts that the judge keeps: those that are open, on the way, or that people decided about.

In: lives by key, questions about them. Out: answers. Never: a move.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from monitor.errors import ContractError
from monitor.findings import Finding, kind_of
from monitor.judging.dressing import fingerprint_of
from monitor.judging.identity import AlertKey, name_of
from monitor.judging.incidents import OF_LABELS
from monitor.judging.life import AlertLife
from monitor.judging.severity import base_severity, graver
from schemas.command import Command

_OF_WINDOWS = frozenset({"drift", "quality"})
"""Categories of alerts that windows raise and clear."""


class Lives(dict[AlertKey, AlertLife]):
    """One life for each alert."""

    def on(
        self, version: tuple[str, str], *, of_labels: bool = False
    ) -> Iterator[tuple[AlertKey, AlertLife]]:
        """The alerts of a version that are on, and that no clock raised."""
        for key, life in self.items():
            if key[1:3] != version or of_labels_alone(key) is not of_labels:
                continue
            if life.on and life.last is not None and not life.last.clock:
                yield key, life

    def named(self, command: Command) -> list[tuple[AlertKey, AlertLife, Finding]]:
        """The alert that a command names, and those of the same trouble that are less grave.

        Raises ContractError where there is none.
        """
        for key, life in self.items():
            last = life.last
            if key[1] != command.model or not life.open or last is None:
                continue
            if fingerprint_of(life) == command.fingerprint:
                found = [(key, life, last)]
                for other, lesser in self.items():
                    same = other[:5] == key[:5] and graver(other[5]) > graver(key[5])
                    if same and lesser.open and lesser.last is not None:
                        found.append((other, lesser, lesser.last))
                return found
        raise ContractError(
            f"no open alert of {command.model} has fingerprint {command.fingerprint}: it may have "
            "ended; see `plumbline alerts list`"
        )

    def names_on(self) -> set[tuple[str, str, str]]:
        """(name, model, model version) of every alert that is on."""
        return {key[:3] for key, life in self.items() if life.on}

    def pass_time(self, seconds: float) -> None:
        """So much of the worker's time has passed, in which nobody answered."""
        for life in self.values():
            if life.on:
                heard = life.acknowledged is not None or life.silenced is not None
                life.unanswered_s = 0.0 if heard else life.unanswered_s + seconds

    def unanswered(self) -> Iterator[tuple[tuple[str, str], str, str, float]]:
        """(version, what fires, its severity, for how many seconds nobody has answered)."""
        for key, life in self.items():
            waits = life.on and life.unanswered_s > 0 and life.last is not None
            if waits and life.last is not None and life.last.category != "escalation":
                yield key[1:3], name_of(key), key[5], life.unanswered_s

    def firing(self) -> int:
        """How many alerts are on."""
        return sum(life.on for life in self.values())

    def state(self, model: str) -> list[Any]:
        """The lives of one model as plain values."""
        return [
            [list(key[:5]), life.confirmations, life.resolving_scale, life.to_state()]
            for key, life in sorted(self.items(), key=lambda one: of_labels_alone(one[0]))
            if key[1] == model
        ]


def restored(saved: Iterable[Any]) -> Lives:
    """The lives again, also of an older release."""
    lives = Lives()
    for (name, model, version, feature, segment), confirmations, scale, fields in saved:
        life = AlertLife.from_state(fields, int(confirmations), int(scale))
        if "severity" not in fields and life.last is not None:
            life.severity = base_severity(life.last)
        where = (str(name), str(model), str(version), str(feature), str(segment))
        lives[*where, life.severity] = life
    return lives


def of_labels_alone(key: Sequence[str]) -> bool:
    """Whether labels raise the alert."""
    return key[0] in OF_LABELS


def by_windows(key: AlertKey, life: AlertLife) -> bool:
    """Whether only windows could end it."""
    return life.open and kind_of(life.look[0], key[3]).category in _OF_WINDOWS

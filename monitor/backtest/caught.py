"""What it means that a drill was caught and named: the one definition, and nothing else.

In: the alerts that fired after an onset, with and without the fault, and what should have. Out: an
`Outcome`. Never: a threshold of its own, an alert that the fault-free twin raises too.

- **Caught**: an alert that the twin does not raise over the same events fires within `WITHIN`
  events of the onset, on a feature that the fault touches or on the version as a whole. An alert of
  another kind on a feature whose drift alert is open already is such an alert: the kind changed.
- **Named**: one of them is of a right kind and names a touched feature (or the version, where the
  fault touches that).
- **Cause named**: the reason of one that is named has all the words that say what happened.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WITHIN: Final = 2_000
"""Events after its onset within which a fault has to be caught."""


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fired."""

    alertname: str
    feature: str
    """Empty: the version as a whole."""
    check: str
    delay: int
    """Events from the onset to the last one of its evidence."""
    reason: str
    threshold: float
    """What the effect had to exceed, as the check states it."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What should be said of a fault."""

    kinds: tuple[str, ...]
    """Right alert names, the exact ones and those that are accepted."""
    features: tuple[str, ...]
    """What the fault touches; empty text: the version as a whole."""
    cause: tuple[tuple[str, ...], ...] = ()
    """Of each group one word has to stand in the reason, in any case."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a fault."""

    by: Firing | None
    """The first alert about it within `WITHIN` events."""
    named_by: Firing | None
    """The first that is rightly named."""
    cause_by: Firing | None
    """The first that names the cause as well."""
    twin: tuple[Firing, ...]
    """What fired in as many events without the fault."""

    @property
    def caught(self) -> bool:
        """Whether any alert was about it."""
        return self.by is not None


def outcome(expected: Expectation, faulted: Sequence[Firing], twin: Sequence[Firing]) -> Outcome:
    """Judge one drill by what fired after the onset in both runs, over the same source events.

    >>> unit = Firing("UnitChange", "temp", "unit", 500, "temp: as if Fahrenheit were Celsius", 0.1)
    >>> drift = Firing("FeatureDrift", "temp", "ks", 250, "", 0.1)
    >>> wanted = Expectation(("UnitChange",), ("temp",), (("celsius",),))
    >>> found = outcome(wanted, [drift, unit], [])
    >>> found.by.delay, found.named_by.delay, found.cause_by is unit
    (250, 500, True)
    >>> outcome(wanted, [drift, unit], [drift, unit]).caught
    False
    """
    usual = {(firing.alertname, firing.feature) for firing in twin}
    about = sorted(
        (
            firing
            for firing in faulted
            if firing.delay <= WITHIN
            and (firing.alertname, firing.feature) not in usual
            and firing.feature in ("", *expected.features)
        ),
        key=lambda firing: firing.delay,
    )
    named = [
        firing
        for firing in about
        if firing.alertname in expected.kinds and firing.feature in expected.features
    ]
    told = [firing for firing in named if _tells(firing.reason, expected.cause)]
    return Outcome(
        next(iter(about), None),
        next(iter(named), None),
        next(iter(told), None),
        tuple(twin),
    )


def _tells(reason: str, cause: tuple[tuple[str, ...], ...]) -> bool:
    return all(any(_stands(word, reason) for word in group) for group in cause)


def _stands(word: str, reason: str) -> bool:
    """Whether a word stands in a reason; a number only as a whole: 0 is not in 60."""
    left = r"(?<![\d.-])" if re.match(r"-?\d", word) else ""
    right = r"(?!\d|\.\d)" if word[-1:].isdigit() else ""
    return re.search(left + re.escape(word) + right, reason, re.IGNORECASE) is not None

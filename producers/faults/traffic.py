"""What a fault may look at before it strikes: the model's card and events from before.

In: a card, events. Out: which features fit a fault. Never: an event from after the onset.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from producers.errors import FaultError
from schemas import ModelCard

MANY: Final = 20
"""Different values that make a number worth breaking."""
COMMON: Final = 0.5
"""A value that as many events share leaves too little to see."""


@dataclass(frozen=True)
class Traffic:
    """A model's events, oldest first."""

    card: ModelCard
    events: Sequence[Mapping[str, Any]] = field(repr=False)

    def has(self, name: str) -> bool:
        """Whether the events tell an optional field."""
        return any(event.get(name) is not None for event in self.events)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The usable numbers of a feature or output."""
        hidden = self.card.features[name].hidden_nulls if name in self.card.features else ()
        values = [
            float(value)
            for value in self._values(name)
            if isinstance(value, int | float)
            and not isinstance(value, bool)
            and value not in hidden
        ]
        return np.array(values)

    def categories(self, name: str) -> Counter[str]:
        """The usable values of a category with their counts."""
        hidden = self.card.features[name].hidden_nulls
        found = self._values(name)
        return Counter(str(value) for value in found if value is not None and value not in hidden)

    def continuous(self, fits: Callable[[NDArray[np.float64]], bool] | None = None) -> list[str]:
        """Number features of many values, none of which rules, that fit; FaultError without any."""
        found = [name for name, values in self._continuous.items() if fits is None or fits(values)]
        if not found:
            raise FaultError(
                f"no number feature of {self.card.model} fits this fault: it needs at least "
                f"{MANY} different values, and here a fitting range"
            )
        return found

    def grouped(self, least: int = 3) -> list[str]:
        """Category features of several values; FaultError without any."""
        found = [
            name
            for name, spec in self.card.features.items()
            if spec.type == "category" and len(self.categories(name)) >= least
        ]
        if not found:
            raise FaultError(
                f"no category feature of {self.card.model} fits this fault: it needs at least "
                f"{least} different values"
            )
        return found

    def last(self, name: str) -> Any:
        """The last usable value of a feature before the onset."""
        for event in reversed(self.events):
            value = event["features"].get(name)
            if value is not None and value not in self.card.features[name].hidden_nulls:
                return value
        raise FaultError(f"{name} of {self.card.model} has no value before the onset")

    @cached_property
    def _continuous(self) -> dict[str, NDArray[np.float64]]:
        found = {}
        for name, spec in self.card.features.items():
            if spec.type != "number":
                continue
            values = self.numbers(name)
            distinct, counts = np.unique(values, return_counts=True)
            if len(distinct) >= MANY and counts.max() < COMMON * len(values):
                found[name] = values
        return found

    def _values(self, name: str) -> list[Any]:
        if name in self.card.features:
            return [event["features"].get(name) for event in self.events]
        return [event.get(name) for event in self.events]

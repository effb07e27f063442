"""A sweep: the same events under several values of one setting, in one pass.

In: what to sweep, in words (`floor=0.05,0.1`), and what a backtest takes. Out: a `BacktestResult`
for each value. Every batch is read and coded once and then given to one pipeline for each value,
so memory does not grow with the file. Never: a value that the model card itself would refuse.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from pydantic import ValidationError

from monitor.backtest.result import BacktestResult
from monitor.backtest.rows import row_batches
from monitor.backtest.run import Watch, as_dataset, as_profile, row_validator
from monitor.backtest.wiring import TOPICS
from monitor.errors import ConfigError
from monitor.events import PredictionColumns
from monitor.profiling.build import recalibrated
from monitor.profiling.dataset import Dataset
from monitor.sketches.profile import Profile
from monitor.version_monitor import Encoded, encode
from schemas.model import ModelCard, Monitoring
from schemas.values import HashKey

SETTINGS: Final[Mapping[str, str]] = {
    "budget": "false_alarms_per_30_days",
    "floor": "effect_floor",
    "window": "scales",
}
"""Name in a sweep to the card's key under `monitoring`."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One setting and the values it shall take."""

    setting: str
    texts: tuple[str, ...]
    """The values as they were written."""
    values: tuple[Any, ...]

    @classmethod
    def parse(cls, text: str) -> "Sweep":
        """Read `budget=0.5,1,2`, `floor=0.05,0.1` or `window=1000,4000,1000+4000`.

        >>> Sweep.parse("window=1000,1000+4000").values
        ((1000,), (1000, 4000))
        >>> Sweep.parse("budget=0.5, 2").values
        (0.5, 2.0)
        """
        setting, equals, listed = text.partition("=")
        setting = setting.strip()
        if setting not in SETTINGS or not equals:
            raise ConfigError(
                f"sweep {text!r}: write one of {', '.join(f'{name}=' for name in SETTINGS)} with "
                "values such as floor=0.05,0.1 or window=1000,1000+4000"
            )
        texts = tuple(dict.fromkeys(part.strip() for part in listed.split(",")))
        read = _window if setting == "window" else float
        try:
            values = tuple(read(part) for part in texts)
        except ValueError:
            raise ConfigError(f"sweep {text!r}: {listed!r} are no numbers with commas") from None
        return cls(setting, texts, values)

    def card(self, card: ModelCard, value: Any) -> ModelCard:
        """The card with one value in place; ConfigError where the card refuses it."""
        fields = card.monitoring.model_dump() | {SETTINGS[self.setting]: value}
        try:
            monitoring = Monitoring.model_validate(fields)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise ConfigError(f"sweep {self.setting}={value}: {problem['msg']}") from None
        return card.model_copy(update={"monitoring": monitoring})


def run_sweep(
    sweep: Sweep,
    events: Dataset | pd.DataFrame,
    card: ModelCard,
    reference: Dataset | pd.DataFrame,
    profile: Profile | None = None,
    key: HashKey | None = None,
    on_rows: Callable[[int], None] | None = None,
) -> list[BacktestResult]:
    """One result for each value of the sweep, in their order; `profile` is the reference's."""
    dataset = as_dataset(events, card, "the events")
    rows = as_dataset(reference, card, "the reference")
    base = profile or as_profile(rows, card, key)
    validator, encoder = row_validator(key), _EncodedOnce()
    watches = []
    for value in sweep.values:
        changed = sweep.card(card, value)
        fitting = recalibrated(base, rows, changed, key) if sweep.setting == "window" else base
        watches.append(Watch(changed, fitting, validator=validator, encoder=encoder))
    taken = 0
    for batch in row_batches(dataset, card, TOPICS.predictions):
        for watch in watches:
            watch.take(batch)
        taken += len(batch)
        if on_rows is not None:
            on_rows(taken)
    return [watch.result(dataset) for watch in watches]


class _EncodedOnce:
    """Remembers the codes of the last batch: references do not change within a sweep."""

    def __init__(self) -> None:
        self._last: tuple[PredictionColumns, Encoded] | None = None

    def __call__(self, profile: Profile, columns: PredictionColumns) -> Encoded:
        """See `monitor.version_monitor.encode`."""
        if self._last is None or self._last[0].numbers is not columns.numbers:
            self._last = (columns, encode(profile, columns))
        return self._last[1]


def _window(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("+"))

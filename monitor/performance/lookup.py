"""The port to stored predictions and labels: cohorts are read back when they close.

In: a model's span of event time and bounds of offsets. Out: its predictions and the labels that
came for them. Storage answers, from ClickHouse or from a backtest's memory. Never: a join; that is
the same for all.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from monitor.performance.rows import Answers, Truths


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What is stored of a cohort; predictions and labels each in offset order."""

    answers: Answers
    truths: Truths
    predictions: Any = None
    """Arrow table with the row of each answer: features, segments, ... as they were logged."""
    labels: Any = None
    """Arrow table with the row of each truth: with what the training pipeline computed."""


class StoredRows(Protocol):
    """Reads one model's rows as they are stored. Raises StorageError when it cannot."""

    @property
    def topic(self) -> str:
        """Of the predictions."""
        ...

    @property
    def partition(self) -> int:
        """Of the predictions and of their labels."""
        ...

    def cohort_rows(
        self, started_us: int, ended_us: int, answers_below: int, truths_below: int
    ) -> tuple[Any, Any] | None:
        """The predictions and the labels of a sealed cohort as Arrow tables: see `LookUp.cohort`.

        Columns as in the tables `predictions` and `labels`, repeats of a row left out.
        """
        ...


class LookUp(Protocol):
    """Reads one model's stored predictions and labels. Raises StorageError when it cannot."""

    def cohort(
        self, started_us: int, ended_us: int, answers_below: int, truths_below: int
    ) -> Looked | None:
        """A sealed cohort; None without a prediction.

        Predictions with `started_us` <= event time < `ended_us` and an offset below
        `answers_below`, and the labels with an offset below `truths_below` that name one of their
        event or request ids; resends and answers of a status other than ok left out.
        """
        ...

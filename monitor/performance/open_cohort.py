"""The rows of one open cohort: predictions as they come, each with its labels so far.

In: predictions in offset order, labels by row in offset order. Out: `CohortRows`. Never: a rule of
time: who may still come is the calendar's to say.
"""

from typing import Any, Final, Self

import numpy as np

from monitor.events import Float64, Int64
from monitor.performance.rows import ROW_COLUMNS, Answers, CohortRows

_FIRST_ROWS: Final = 256


class OpenCohort:
    """Growing columns; the labels' columns are written in place."""

    def __init__(self) -> None:
        self.size = 0
        self._columns: dict[str, np.ndarray[Any, Any]] = {}
        self._versions: dict[str, int] = {}

    def append(self, answers: Answers, events: Int64, requests: Int64) -> None:
        """Take predictions and the hashes of their ids."""
        n = len(answers)
        places = [self._versions.setdefault(name, len(self._versions)) for name in answers.versions]
        new: dict[str, np.ndarray[Any, Any]] = {
            "event": events,
            "offset": answers.offsets,
            "occurred_us": answers.occurred_us,
            "version": np.array(places, np.int64)[answers.version],
            "live": answers.live.astype(np.int64),
            "request": requests,
            "answer": answers.answer,
            "score": answers.score,
            "scores": answers.scores,
            "features": answers.features,
            "truth": np.full(n, np.nan),
            "label_offset": np.full(n, -1, np.int64),
            "observed_us": np.zeros(n, np.int64),
            "corrections": np.zeros(n, np.int64),
            "repeats": np.zeros(n, np.int64),
        }
        for name, values in new.items():
            self._column(name, values, n)[self.size : self.size + n] = values
        self.size += n

    def label(self, rows: Int64, offsets: Int64, observed_us: Int64, values: Float64) -> None:
        """Give labels to rows, in the labels' offset order; a row may have several."""
        seen = self._columns["label_offset"]
        if len(np.unique(rows)) == len(rows) and (seen[rows] < 0).all():
            self._columns["truth"][rows] = values
            self._columns["observed_us"][rows] = observed_us
            seen[rows] = offsets
            return
        truth, observed = self._columns["truth"], self._columns["observed_us"]
        for row, offset, time_us, value in zip(
            rows.tolist(), offsets.tolist(), observed_us.tolist(), values.tolist(), strict=True
        ):
            if seen[row] < 0:
                observed[row] = time_us
            else:
                same = truth[row] == value or (np.isnan(truth[row]) and np.isnan(value))
                self._columns["repeats" if same else "corrections"][row] += 1
            truth[row] = value
            seen[row] = offset

    def events(self) -> Int64:
        """Hashes of the event ids."""
        found: Int64 = self._columns["event"][: self.size]
        return found

    def requests(self) -> Int64:
        """Hashes of the request ids, 0 without one."""
        found: Int64 = self._columns["request"][: self.size]
        return found

    def rows(self) -> CohortRows:
        """What is known now."""
        columns = (self._columns[name][: self.size] for name in ROW_COLUMNS)
        return CohortRows(tuple(self._versions), *columns)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "versions": list(self._versions),
            "columns": {name: values[: self.size] for name, values in self._columns.items()},
        }

    @classmethod
    def from_state(cls, state: Any) -> Self:
        """The cohort of `state` again."""
        cohort = cls()
        cohort._versions = {str(name): place for place, name in enumerate(state["versions"])}
        cohort._columns = {str(name): values for name, values in state["columns"].items()}
        cohort.size = len(cohort._columns["offset"])
        return cohort

    def _column(self, name: str, like: "np.ndarray[Any, Any]", n: int) -> "np.ndarray[Any, Any]":
        """The column, with room for n more rows; a new feature's column may make it wider."""
        held = self._columns.get(name)
        if held is None:
            held = np.empty((max(n, _FIRST_ROWS), *like.shape[1:]), like.dtype)
        elif len(held) < self.size + n:
            grown = np.empty((max(2 * len(held), self.size + n), *held.shape[1:]), held.dtype)
            grown[: self.size] = held[: self.size]
            held = grown
        self._columns[name] = held
        return held

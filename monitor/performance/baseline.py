"""The trivial baseline that runs beside every model: prior, mean, last value, or one rule.

In: closed cohorts, in order. Out: what the baseline would have said to each of their rows. Never: a
peek: a row's baseline knows only labels observed before the cohort (last value: the row) began.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np

from monitor.events import Bool, Float64
from monitor.performance.calendar import US_PER_HOUR
from monitor.performance.cohorts import ClosedCohort
from monitor.performance.one_rule import OneRule
from monitor.performance.rows import CohortRows
from schemas.model import Task

BaselineKind = Literal["prior", "mean", "last_value", "one_rule"]

LAST_LABELS: Final = 100
"""Labels that "the last value" is of, for a rate of classes; of numbers it is one."""
LAST_HELD: Final = 10_000
"""Labels held one by one; those observed latest are left out first."""
RULE_ROWS: Final = 2_000
"""Labelled rows that a rule is fitted on; the newest of them, again when as many have come."""
PRIOR_WEIGHT: Final = 20.0
"""Labels that the reference's rate is worth beside the last ones."""


class Baseline:
    """What would be said without a model.

    Parameters
    ----------
    task, classes
        As in the card; `classes` is their number, 0 for regression.
    kind
        prior (rates of the classes), mean, last_value or one_rule.
    categories
        Which of the features are categories, for `one_rule`.
    start
        The reference's rates or mean, float64[outputs]; NaN: nothing is known.
    start_n
        Labels that `start` rests on.

    **Blind to** what it costs to be wrong.

    **Cost**: a search a row; RULE_ROWS rows of memory for `one_rule`.
    """

    def __init__(
        self,
        task: Task,
        kind: BaselineKind,
        classes: int,
        categories: tuple[bool, ...],
        start: Float64,
        start_n: int,
    ) -> None:
        self._task = task
        self._kind = kind
        self._categories = categories
        self._outputs = classes if task != "regression" else 1
        known = not np.isnan(start).any()
        self._start = start if known else np.full(self._outputs, 1.0 / max(classes, 1))
        self._sums = self._start * (start_n if known else 0)
        self._n = start_n if known else 0
        self._later: dict[int, Float64] = {}
        """Hour in which labels were observed to their sums and number: not yet old enough."""
        self._recent_us = np.zeros(0, np.int64)
        self._recent = np.zeros((0, self._outputs))
        """For `last_value`: the newest labels by time observed, LAST_HELD at most."""
        self._rule: OneRule | None = None
        self._rule_rows = np.zeros((0, len(categories) + self._outputs + 1))
        self._since_fit = 0

    @property
    def known(self) -> bool:
        """Whether it has anything to go by."""
        return self._n > 0

    def predict(self, cohort: ClosedCohort) -> Float64:
        """(n, outputs): probabilities of the classes, or the number; call before `learn`."""
        self._count_until(cohort.started_us)
        rows = cohort.rows
        if self._kind == "last_value":
            return self._last(rows)
        if self._kind == "one_rule" and self._rule is not None:
            return self._rule.predict(rows.features)
        return np.repeat(self._rate()[None, :], len(rows), axis=0)

    def learn(self, cohort: ClosedCohort) -> None:
        """Take the labels of a cohort: each counts from when it was observed."""
        rows = cohort.rows.kept(cohort.rows.labelled)
        if self._kind == "last_value":
            times, outcomes = self._with(rows)
            self._recent_us, self._recent = times[:LAST_HELD], outcomes[:LAST_HELD]
        else:
            outcomes = self._outcomes(rows.truth)
            hours, place = np.unique(rows.observed_us // US_PER_HOUR, return_inverse=True)
            counted = np.column_stack((outcomes, np.ones(len(rows))))
            for k, hour in enumerate(hours.tolist()):
                held = self._later.get(hour, np.zeros(self._outputs + 1))
                self._later[hour] = held + counted[place == k].sum(axis=0)
        if self._kind == "one_rule" and len(self._categories):
            self._refit(rows, cohort.started_us)

    def _with(self, rows: CohortRows) -> tuple[Any, Float64]:
        """Labels that are remembered one by one and those of `rows`, by time observed."""
        mask: Bool = rows.labelled
        times = np.concatenate((self._recent_us, rows.observed_us[mask]))
        outcomes = np.concatenate((self._recent, self._outcomes(rows.truth[mask])))
        order = np.argsort(times, kind="stable")
        return times[order], outcomes[order]

    def _count_until(self, time_us: int) -> None:
        """Add the labels observed before a time to the sums; keep the last ones beside."""
        for hour in sorted(self._later):
            if (hour + 1) * US_PER_HOUR <= time_us:
                self._count(self._later.pop(hour))
        old = max(0, int(np.searchsorted(self._recent_us, time_us)) - LAST_LABELS)
        if old:
            self._count(np.append(self._recent[:old].sum(axis=0), old))
            self._recent_us, self._recent = self._recent_us[old:], self._recent[old:]

    def _count(self, sums: Float64) -> None:
        """Add the sums of labels and, behind them, their number."""
        self._sums = self._sums + sums[:-1]
        self._n += int(sums[-1])

    def _rate(self) -> Float64:
        if self._n == 0:
            return self._start
        if self._task == "regression":
            return self._sums / self._n
        smooth: Float64 = (self._sums + 1.0 / self._outputs) / (self._n + 1.0)
        return smooth

    def _last(self, rows: CohortRows) -> Float64:
        """The mean of the last labels observed before each row."""
        times, outcomes = self._with(rows)
        size = 1 if self._task == "regression" else LAST_LABELS
        weight = 0.0 if self._task == "regression" else PRIOR_WEIGHT
        end = np.searchsorted(times, rows.occurred_us)
        begin = np.maximum(end - size, 0)
        total = np.concatenate((np.zeros((1, self._outputs)), np.cumsum(outcomes, axis=0)))
        n = (end - begin)[:, None].astype(np.float64)
        sums = total[end] - total[begin]
        rate = self._rate()
        mixed: Float64 = (sums + weight * rate) / np.maximum(n + weight, 1.0)
        return np.asarray(np.where(n + weight > 0, mixed, rate), np.float64)

    def _outcomes(self, truth: Float64) -> Float64:
        if self._task == "regression":
            return truth[:, None]
        return np.asarray(truth[:, None] == np.arange(self._outputs), np.float64)

    def _refit(self, rows: CohortRows, before_us: int) -> None:
        """Fit the rule anew on rows whose labels were all observed before this cohort began."""
        new = np.column_stack(
            (rows.observed_us.astype(np.float64), self._outcomes(rows.truth), rows.features)
        )
        self._since_fit += len(new)
        together = np.concatenate((self._rule_rows, new))
        self._rule_rows = together[-2 * RULE_ROWS :]
        usable = self._rule_rows[self._rule_rows[:, 0] < before_us][-RULE_ROWS:]
        if len(usable) >= RULE_ROWS // 2 and (self._rule is None or self._since_fit >= RULE_ROWS):
            outcomes = usable[:, 1 : 1 + self._outputs]
            self._rule = OneRule.fit(usable[:, 1 + self._outputs :], outcomes, self._categories)
            self._since_fit = 0

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "sums": self._sums,
            "n": self._n,
            "later": [[hour, sums] for hour, sums in sorted(self._later.items())],
            "recent_us": self._recent_us,
            "recent": self._recent,
            "rule": self._rule.state() if self._rule else None,
            "rule_rows": self._rule_rows,
            "since_fit": self._since_fit,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self._sums = np.array(state["sums"], np.float64)
        self._n = int(state["n"])
        self._later = {int(hour): np.array(sums, np.float64) for hour, sums in state["later"]}
        self._recent_us = np.array(state["recent_us"], np.int64)
        self._recent = np.array(state["recent"], np.float64)
        self._rule = OneRule.from_state(state["rule"]) if state["rule"] else None
        self._rule_rows = np.array(state["rule_rows"], np.float64)
        self._since_fit = int(state["since_fit"])

"""What is kept of one version: its card, its running tests, what is known of it from a reference.

In: its card, its reference, the rows of its closed cohorts. Out: the same, and as plain values.
Never: another version.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from monitor.events import Float64
from monitor.performance.cohorts import CohortRef
from monitor.performance.estimate import EstimateErrors
from monitor.performance.metrics import Labelled
from monitor.performance.reading import AnswerReader
from monitor.performance.reference import PerformanceReference
from monitor.performance.rows import CohortRows
from monitor.performance.skill import SkillWatch
from schemas.model import ModelCard

LEARNT_ROWS: Final = 2_000
"""Labelled predictions from which a version without a reference learns its own."""


class WatchedVersion:
    """What is kept of one version."""

    def __init__(self, card: ModelCard, reader: AnswerReader, blocks_between_alarms: float) -> None:
        self.card = card
        self.reader = reader
        self.skill = SkillWatch(blocks_between_alarms)
        self.errors = EstimateErrors()
        self.reference: PerformanceReference | None = None
        self.learning: Float64 | None = None
        """Rows from which a reference will be learnt."""
        self.learnt_from: list[CohortRef] = []
        """Where these rows are read again."""
        self.predictions = 0
        """Of its closed cohorts."""

    def set_reference(self, reference: PerformanceReference) -> None:
        """Take what is known of it before its first label."""
        self.reference, self.learning, self.learnt_from = reference, None, []

    def learn(self, rows: CohortRows, ref: CohortRef) -> None:
        """Collect labelled rows until a version without a reference has one of its own."""
        new = learnt(rows)
        if not len(new):
            return
        held = new if self.learning is None else np.concatenate((self.learning, new))
        self.learning = held
        self.learnt_from.append(ref)
        if len(held) >= LEARNT_ROWS:
            wide = 3 + rows.scores.shape[1]
            labelled = Labelled(held[:, 0], held[:, 1], held[:, 2], held[:, 3:wide])
            task = self.reader.task
            self.set_reference(PerformanceReference.fit(task, labelled, held[:, wide:]))

    def state(self) -> dict[str, Any]:
        """Plain values and arrays; rows that it learns from are read again."""
        return {
            "skill": self.skill.state(),
            "errors": self.errors.state(),
            "reference": self.reference.arrays() if self.reference else None,
            "learnt_from": [ref.plain() for ref in self.learnt_from],
            "predictions": self.predictions,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up `state`."""
        self.skill.restore(state["skill"])
        self.errors.restore(state["errors"])
        self.learnt_from = [CohortRef.of(one) for one in state["learnt_from"]]
        self.predictions = int(state["predictions"])
        if state["reference"]:
            task, features = self.reader.task, len(self.reader.features)
            self.set_reference(PerformanceReference.of_arrays(task, state["reference"], features))


def learnt(rows: CohortRows) -> Float64:
    """Labelled rows as a reference is learnt from them."""
    known = rows.kept(rows.labelled)
    return np.column_stack((known.truth, known.answer, known.score, known.scores, known.features))


def expected(reference: PerformanceReference, rows: CohortRows) -> dict[str, float]:
    """Metric to its estimate of these rows without their labels."""
    return reference.expected(rows.answer, rows.score, rows.scores, rows.features)

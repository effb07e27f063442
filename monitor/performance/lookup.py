"""The port to predictions and labels that memory does not hold.

In: a model's span of event time and bounds of offsets. Out: the same rows that memory would have
given. Storage fills it from ClickHouse; `MemoryLookUp` from what it was shown (backtests, tests).
Never: a join; that is the same for both.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from monitor.performance.rows import Answers, Truths


class LookUp(Protocol):
    """Reads one model's stored predictions and labels. Raises StorageError when it cannot."""

    def cohort(
        self, started_us: int, ended_us: int, answers_below: int, truths_below: int
    ) -> tuple[Answers, Truths] | None:
        """A cohort that memory does not hold; None without a prediction.

        Predictions with `started_us` <= event time < `ended_us` and an offset below
        `answers_below`, and the labels with an offset below `truths_below` that name one of their
        event or request ids; both in offset order, resends and answers of a status other than ok
        left out.
        """
        ...

    def known(self, event_ids: Sequence[str], request_ids: Sequence[str]) -> int:
        """How many of these ids (a batch, each once) belong to a stored prediction."""
        ...


class MemoryLookUp:
    """A look-up over everything it was shown, for runs whose data fit into memory."""

    def __init__(self) -> None:
        self._answers: list[Answers] = []
        self._truths: list[Truths] = []

    def show(self, answers: Answers | None, truths: Truths | None) -> None:
        """Remember a batch of predictions, of labels or of both."""
        if answers is not None:
            self._answers.append(answers)
        if truths is not None:
            self._truths.append(truths)

    def cohort(
        self, started_us: int, ended_us: int, answers_below: int, truths_below: int
    ) -> tuple[Answers, Truths] | None:
        """See `LookUp.cohort`."""
        if not self._answers:
            return None
        answers = Answers.join(self._answers)
        times = answers.occurred_us
        inside = (times >= started_us) & (times < ended_us) & (answers.offsets < answers_below)
        if not inside.any():
            return None
        answers = answers.at(np.flatnonzero(inside))
        truths = Truths.join(self._truths or [Truths.none()])
        events, requests = set(answers.event_ids), set(answers.request_ids) - {""}
        named = [
            row
            for row, (event, request) in enumerate(
                zip(truths.event_ids, truths.request_ids, strict=True)
            )
            if truths.offsets[row] < truths_below and (event in events or request in requests)
        ]
        return answers, truths.at(np.array(named, np.int64))

    def known(self, event_ids: Sequence[str], request_ids: Sequence[str]) -> int:
        """See `LookUp.known`."""
        events = {one for part in self._answers for one in part.event_ids}
        requests = {one for part in self._answers for one in part.request_ids} - {""}
        return len(events & set(event_ids)) + len(requests & set(request_ids))

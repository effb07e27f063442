"""A look-up over what a test has shown it."""

from monitor.performance.lookup import Looked
from monitor.performance.rows import Answers, Truths


class MemoryLookUp:
    """A look-up over everything it was shown."""

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
    ) -> Looked | None:
        """See `LookUp.cohort`."""
        if not self._answers:
            return None
        answers = Answers.join(self._answers)
        times = answers.occurred_us
        inside = (times >= started_us) & (times < ended_us) & (answers.offsets < answers_below)
        if not inside.any():
            return None
        truths = Truths.join(self._truths or [Truths.none()])
        in_time = truths.offsets < truths_below
        return Looked(answers.at(inside.nonzero()[0]), truths.at(in_time.nonzero()[0]))

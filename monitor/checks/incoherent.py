"""Incoherent predictions: an answer that does not follow from its own scores.

In: scores and predictions of a pane. Out: `incoherent` measurements of the whole version. Never: a
judgement of the model; an answer and its scores are logged by one service and must agree.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import numpy as np

from monitor.checks.check import CheckContext, Learned
from monitor.checks.pane_view import PaneBlock, PaneView
from monitor.checks.share_check import Counted, ShareCheck, usual_share
from monitor.checks.shares import NEVER, NEVER_FLOOR, Excess, Usual
from monitor.events import Bool, Float64
from monitor.sketches.category import CategoryReference
from monitor.sketches.codes import NULL_CODE
from monitor.sketches.number import NumberReference
from monitor.sketches.profile import Profile
from monitor.validation.signals import NO_SUM, NOT_LARGEST, OUTSIDE
from schemas.model import ModelCard

OBEYED: Final = 0.995
"""Share of the reference in which score and prediction must agree for the rule to be one."""
MIN_ROWS: Final = 200


class Incoherent(ShareCheck):
    """The share of events whose scores and prediction contradict each other.

    A score outside 0 to 1; scores of classes that do not sum to 1 (within .01); a prediction that
    is not the class with the largest score; of a binary model, a prediction on the wrong side of
    the threshold. The threshold is the card's, else the one that separates the reference's own
    predictions; the rule counts only where the reference itself obeys it.

    Parameters
    ----------
    context
        Card, profile and budget. An alert from 1 % of the events on, or the card's `effect_floor`
        where that is smaller, above what the reference itself has.

    **Blind to** coherent nonsense, to models that log no score, and to a threshold that depends on
    the event. **Cost**: 8 us a pane.
    """

    name: ClassVar[str] = "incoherent"
    never: ClassVar[Usual | None] = NEVER

    def __init__(self, context: CheckContext) -> None:
        super().__init__(context)
        self._rows = _output_rows(context.profile)
        rule = context.learned.get("rule")
        self._rule = None if rule is None else (int(rule[0]), float(rule[1]))
        """(code of the positive class, threshold)."""

    @classmethod
    def floor(cls, context: CheckContext) -> float:
        """It is never right."""
        return min(super().floor(context), NEVER_FLOOR)

    @classmethod
    def learn(cls, card: ModelCard, profile: Profile, panes: Sequence[PaneView]) -> Learned:
        """Whether the reference obeys the threshold, and what share of it is incoherent."""
        rows = _output_rows(profile)
        rule = _rule(card, rows, panes)
        learned: dict[str, Float64] = {}
        if rule is not None:
            learned["rule"] = np.array(rule, np.float64)
        return {**learned, **usual_share(lambda block: _counted(block, rows, rule), panes)}

    def counted(self, block: PaneBlock) -> Counted:
        """Events that contradict themselves."""
        return _counted(block, self._rows, self._rule)

    def words(self, pane: PaneView, excess: Excess) -> tuple[str, Mapping[str, float]]:
        """What is wrong, and how often in the last pane."""
        wrong = {name: float(mask.sum()) for name, mask in _wrong(pane, self._rows, self._rule)}
        told = ", ".join(f"{n:.0f} {name}" for name, n in wrong.items() if n)
        reason = (
            f"{excess.share:.1%} of the events contradict themselves (usual: {excess.usual:.1%}): "
            f"in the last pane {told or 'none'}"
        )
        return reason, {name.replace(" ", "_"): n for name, n in wrong.items()}


_Wrong = list[tuple[str, Bool]]


def _wrong(
    some: PaneBlock | PaneView, rows: tuple[int, int], rule: tuple[int, float] | None
) -> _Wrong:
    """Masks of what is wrong in a pane or in those of a block, by its words."""
    found: _Wrong = []
    bits = some.signal("incoherence")
    if np.isfinite(bits).any():
        known = np.nan_to_num(bits).astype(np.int64)
        found = [
            ("scores outside 0 to 1", (known & OUTSIDE) > 0),
            ("scores that do not sum to 1", (known & NO_SUM) > 0),
            ("predictions without the largest score", (known & NOT_LARGEST) > 0),
        ]
    score_row, answer_row = rows
    if score_row < 0:
        return found
    score = some.values[..., score_row, :]
    found.append(("score outside 0 to 1", (score < 0.0) | (score > 1.0)))
    if rule is not None:
        code, threshold = rule
        answers = some.codes[..., answer_row, :]
        told = np.isfinite(score) & (answers != NULL_CODE)
        found.append(
            (
                f"predictions on the wrong side of {threshold:.3g}",
                told & ((score >= threshold) != (answers == code)),
            )
        )
    return found


def _counted(block: PaneBlock, rows: tuple[int, int], rule: tuple[int, float] | None) -> Counted:
    """A pane that has neither a score nor scores of classes does not tell."""
    n = block.occurred_us.shape[1]
    wrong = np.zeros(block.occurred_us.shape, np.bool_)
    for _, mask in _wrong(block, rows, rule):
        wrong |= mask
    told = np.full(len(block), rows[0] >= 0)
    told |= np.isfinite(block.signal("incoherence")).any(axis=-1)
    return np.count_nonzero(wrong, axis=-1), np.where(told, n, 0)


def _output_rows(profile: Profile) -> tuple[int, int]:
    """Row of `score` among the values, row of a category `prediction` among the codes, or -1."""
    numbers = [c.name for c in profile.columns if isinstance(c, NumberReference)]
    answers = [
        row
        for row, column in enumerate(profile.columns)
        if column.name == "prediction" and isinstance(column, CategoryReference)
    ]
    return (numbers.index("score") if "score" in numbers else -1), (answers or [-1])[0]


def _rule(
    card: ModelCard, rows: tuple[int, int], panes: Sequence[PaneView]
) -> tuple[int, float] | None:
    """Which class the score is of, and from which score on it is predicted."""
    score_row, answer_row = rows
    if score_row < 0 or answer_row < 0 or not panes:
        return None
    score = np.concatenate([pane.values[score_row] for pane in panes])
    answers = np.concatenate([pane.codes[answer_row] for pane in panes])
    told = np.isfinite(score) & (answers != NULL_CODE)
    score, answers = score[told], answers[told]
    classes = np.unique(answers)
    if score.size < MIN_ROWS or classes.size != 2:
        return None
    means = [float(score[answers == code].mean()) for code in classes]
    positive = int(classes[int(np.argmax(means))])
    yes = answers == positive
    threshold = card.threshold
    if threshold is None:
        threshold = 0.5 * (float(score[~yes].max()) + float(score[yes].min()))
    agree = float(((score >= threshold) == yes).mean())
    return (positive, float(threshold)) if agree >= OBEYED else None

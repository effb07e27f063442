"""The truth about one prediction: which label counts, whether the answer was right, the loss.

In: the stored prediction, its labels, the card that acted. Out: an `Outcome`. Never: another rule
than performance measures by: the last label counts, losses are those of `performance.losses`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import numpy as np

from monitor.audit.explanation import Outcome
from monitor.events import Float64
from monitor.performance.losses import losses, two_columns
from monitor.performance.reading import AnswerReader
from schemas.model import ModelCard

Row = Mapping[str, Any]
LOSS_NAMES: Final = {
    "binary": "log loss in nats",
    "multiclass": "log loss in nats",
    "regression": "absolute error",
}


def outcome_of(prediction: Row, labels: Sequence[Row], card: ModelCard | None) -> Outcome | None:
    """The outcome by the labels of one prediction, the newest first; None without one."""
    if not labels:
        return None
    last = labels[0]
    right, loss = _judged(prediction, last, card)
    horizon = card.label_horizon_hours if card else None
    return Outcome(
        label=last["label"],
        observed_at=last["observed_at"],
        appended_at=last["appended_at"],
        by=_named_by(last),
        earlier_labels=tuple(row["label"] for row in labels[1:]),
        right=right,
        loss=loss,
        loss_name=LOSS_NAMES[card.task] if card and loss is not None else "",
        late=_late(prediction["occurred_at"], last["observed_at"], horizon),
    )


def _judged(
    prediction: Row, label: Row, card: ModelCard | None
) -> tuple[bool | None, float | None]:
    """Whether the answer was the label (None for a regression), and its loss."""
    if card is None:
        return prediction["prediction"] == label["label"], None
    if card.task == "regression":
        answer, truth = prediction["prediction_number"], label["label_number"]
        known = answer is not None and truth is not None
        return None, abs(answer - truth) if known else None
    if card.task == "multiclass" and not card.classes:
        return prediction["prediction"] == label["label"], None
    reader = AnswerReader(card)
    truth, answer = reader.codes([_class(label, "label"), _class(prediction, "prediction")])
    if card.task == "binary" and card.threshold is not None and prediction["score"] is not None:
        answer = float(prediction["score"] >= card.threshold)
    right = None if np.isnan(truth) or np.isnan(answer) else bool(truth == answer)
    loss = losses(card.task, np.array([truth]), np.array([answer]), _scores(prediction, reader))
    return right, None if np.isnan(loss[0]) else float(loss[0])


def _class(row: Row, name: str) -> str | float:
    """A class as it was sent: true and 1 are stored as numbers too."""
    number = row[f"{name}_number"]
    return str(row[name]) if number is None else float(number)


def _scores(prediction: Row, reader: AnswerReader) -> Float64:
    if reader.task == "binary":
        score = prediction["score"]
        return two_columns(np.array([np.nan if score is None else score]))
    return np.array([[prediction["scores"].get(name, np.nan) for name in reader.classes]])


def _named_by(label: Row) -> Literal["event_id", "request_id"]:
    return "event_id" if label["event_id"] else "request_id"


def _late(occurred_at: datetime, observed_at: datetime, horizon_hours: float | None) -> bool:
    return horizon_hours is not None and observed_at > occurred_at + timedelta(hours=horizon_hours)

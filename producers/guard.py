"""A guard around a model: bad input or a failing model gives a fallback answer, not a crash.

In: the model's card, its predict function, one request's features. Out: an `Answer` with what went
wrong, logged with status `fallback` where the model did not answer. Never: an exception of the
model passed on, a value of the input changed, a fallback that nobody hears of.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from producers.records import plain
from schemas import FeatureSpec, ModelCard
from schemas.rejection import ValueFault
from schemas.values import value_fault

DEFAULT_THRESHOLD: Final = 0.5
"""Of a binary model whose card names none."""

_SHOWN_CHARS: Final = 40
_NOT_SHOWN: Final = "(a sensitive value)"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one feature of the input."""

    feature: str
    fault: ValueFault
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The model's answer, or the fallback with what went wrong."""

    prediction: Any
    score: float | None
    scores: dict[str, float] | None
    status: Literal["ok", "fallback"]
    problems: tuple[Problem, ...]
    """Of the input; empty where the model itself failed."""
    error: str | None
    """Of the model: its exception, or what is wrong with its answer."""
    event_id: str | None
    """Names the prediction when its label is logged; None without a logger."""


class Logs(Protocol):
    """What the guard needs of a `PredictionLogger`."""

    def log(
        self,
        features: Mapping[str, Any],
        prediction: Any,
        *,
        score: float | None = None,
        scores: Mapping[str, float] | None = None,
        event_id: str | None = None,
        latency_ms: float | None = None,
        status: Literal["ok", "fallback", "error"] | None = None,
    ) -> str:
        """Log one prediction."""
        ...


class BadAnswerError(ValueError):
    """The model answered what the card's task does not allow."""


def validate_input(card: ModelCard, features: Mapping[str, Any]) -> list[Problem]:
    """The problems of one request's features, in the card's order; empty where there is none.

    Checked per feature: it is there, its type, its range, its categories, null and the hidden nulls
    ("", "NA", -999) that the card names. A feature that the card does not know is no problem here:
    the model does not read it (the monitor counts it).

    >>> card = ModelCard.model_validate({"model": "credit", "model_version": "1", "task": "binary",
    ...     "features": {"age": {"type": "number", "min": 0, "max": 120}}})
    >>> [p.message for p in validate_input(card, {"age": 130})]
    ['age is 130: the card allows 0 to 120']
    >>> validate_input(card, {})[0].fault
    'missing'
    """
    problems = []
    for name, spec in card.features.items():
        if name not in features:
            problems.append(Problem(name, "missing", f"{name} is missing"))
            continue
        value = plain(features[name])
        fault = value_fault(spec, value)
        if fault is not None:
            problems.append(Problem(name, fault, _message(name, spec, value, fault)))
    return problems


def safe_predict(
    card: ModelCard,
    predict: Callable[[Mapping[str, Any]], Any],
    features: Mapping[str, Any],
    *,
    fallback: Any,
    logger: Logs | None = None,
    event_id: str | None = None,
) -> Answer:
    """The model's answer where input and answer are sound, else `fallback`; logged either way.

    `predict` answers by the card's task: a binary model its probability of yes (compared with the
    card's threshold), a multi-class model a class or a mapping of classes to probabilities, a
    regression a finite number. It is not called where the input has problems.

    >>> card = ModelCard.model_validate({"model": "credit", "model_version": "1", "task": "binary",
    ...     "threshold": 0.4, "features": {"age": {"type": "number", "min": 0, "max": 120}}})
    >>> answer = safe_predict(card, lambda features: 0.45, {"age": 30}, fallback=False)
    >>> answer.prediction, answer.score, answer.status
    (True, 0.45, 'ok')
    >>> answer = safe_predict(card, lambda features: 1 / 0, {"age": 30}, fallback=False)
    >>> answer.prediction, answer.status, answer.error
    (False, 'fallback', 'ZeroDivisionError: division by zero')
    """
    started_s = time.perf_counter()
    # A copy, so that a model that changes its input does not change what is logged.
    features = dict(features) if isinstance(features, Mapping) else {}
    problems = tuple(validate_input(card, features))
    error = None
    answer: tuple[Any, float | None, dict[str, float] | None] = (fallback, None, None)
    if not problems:
        try:
            answer = _checked(card, predict(dict(features)))
        except Exception as failure:  # noqa: BLE001 - whatever a model raises, the service answers
            error = _told(card, failure)
    prediction, score, scores = answer
    status: Literal["ok", "fallback"] = "fallback" if problems or error else "ok"
    if logger is not None:
        event_id = logger.log(
            features,
            prediction,
            score=score,
            scores=scores,
            event_id=event_id,
            latency_ms=(time.perf_counter() - started_s) * 1_000,
            status=status,
        )
    return Answer(prediction, score, scores, status, problems, error, event_id)


def _checked(card: ModelCard, result: Any) -> tuple[Any, float | None, dict[str, float] | None]:
    """(prediction, score, scores) of what a model answered."""
    if card.task == "regression":
        return _finite(result), None, None
    if card.task == "binary":
        score = _finite(result)
        if not 0.0 <= score <= 1.0:
            raise BadAnswerError(f"a probability lies in 0 to 1, the model answered {score}")
        threshold = DEFAULT_THRESHOLD if card.threshold is None else card.threshold
        return score >= threshold, score, None
    scores: dict[str, float] | None = None
    chosen = result
    if isinstance(result, Mapping):
        scores = {str(name): _finite(p) for name, p in result.items()}
        if not scores:
            raise BadAnswerError("the model answered no class")
        chosen = max(scores, key=scores.__getitem__)
    chosen = str(chosen)
    if card.classes is not None and chosen not in card.classes:
        raise BadAnswerError(
            f"the model answered {chosen!r:.60}, the card's classes are {', '.join(card.classes)}"
        )
    return chosen, None, scores


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise BadAnswerError(f"the model answered {number}")
    return number


def _told(card: ModelCard, failure: Exception) -> str:
    """An exception in words; of a sensitive model its type alone, for models quote their input."""
    kind = type(failure).__name__
    return (
        kind if card.sensitive and not isinstance(failure, BadAnswerError) else f"{kind}: {failure}"
    )


def _message(name: str, spec: FeatureSpec, value: Any, fault: ValueFault) -> str:
    shown = repr(value) if spec.sensitivity == "raw" else _NOT_SHOWN
    if len(shown) > _SHOWN_CHARS:
        shown = shown[:_SHOWN_CHARS] + "..."
    if fault == "null":
        return f"{name} is null: the card does not allow it"
    if fault == "hidden_null":
        return f"{name} is {shown}, which stands for no value"
    if fault == "wrong_type":
        return f"{name} is {shown}, a {type(value).__name__}: the card wants a {spec.type}"
    if fault == "out_of_range":
        return f"{name} is {shown}: the card allows {_bounds(spec)}"
    if fault == "unseen_category":
        allowed = ", ".join(spec.categories or ())
        return f"{name} is {shown}: the card allows {allowed}"
    return f"{name} is {shown}: {fault.replace('_', ' ')}"


def _bounds(spec: FeatureSpec) -> str:
    low = "any" if spec.min is None else f"{spec.min:g}"
    high = "any" if spec.max is None else f"{spec.max:g}"
    return f"{low} to {high}"

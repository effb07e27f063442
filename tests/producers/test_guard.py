"""The guard: problems named from the card, and an answer whatever happens."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from producers.guard import safe_predict, validate_input
from schemas import ModelCard


class Recorder:
    """Keeps what the guard logs."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def log(self, features: Mapping[str, Any], prediction: Any, **fields: Any) -> str:
        self.calls.append({"features": features, "prediction": prediction, **fields})
        return "id-1"


def test_sound_input_has_no_problems(card: ModelCard, good: dict[str, Any]) -> None:
    assert validate_input(card, good) == []
    assert validate_input(card, good | {"extra": object(), "income": None}) == []
    assert validate_input(card, good | {"age": np.int64(40), "income": np.float32(3)}) == []


@pytest.mark.parametrize(
    ("feature", "value", "fault", "words"),
    [
        ("age", 121, "out_of_range", "age is 121: the card allows 0 to 120"),
        ("age", -1, "out_of_range", "age is -1: the card allows 0 to 120"),
        ("age", -999, "hidden_null", "age is -999, which stands for no value"),
        ("age", "NA", "hidden_null", "age is 'NA', which stands for no value"),
        ("age", "40", "wrong_type", "age is '40', a str: the card wants a number"),
        ("age", True, "wrong_type", "age is True, a bool: the card wants a number"),
        ("age", None, "null", "age is null: the card does not allow it"),
        ("age", math.nan, "non_finite", "age is nan: non finite"),
        ("home", "", "hidden_null", "home is '', which stands for no value"),
        ("home", "unknown", "hidden_null", "home is 'unknown', which stands for no value"),
        ("home", "boat", "unseen_category", "home is 'boat': the card allows own, rent"),
        ("student", "yes", "wrong_type", "student is 'yes', a str: the card wants a boolean"),
        ("home", ["own"], "wrong_type", "home is ['own'], a list: the card wants a category"),
    ],
)
def test_each_problem_is_named(
    card: ModelCard, good: dict[str, Any], feature: str, value: object, fault: str, words: str
) -> None:
    [problem] = validate_input(card, good | {feature: value})
    assert (problem.feature, problem.fault, problem.message) == (feature, fault, words)


def test_a_missing_column_is_a_problem_even_where_null_is_none(
    card: ModelCard, good: dict[str, Any]
) -> None:
    del good["income"]
    assert [p.message for p in validate_input(card, good)] == ["income is missing"]


def test_a_sound_answer_is_logged_as_ok(card: ModelCard, good: dict[str, Any]) -> None:
    recorder = Recorder()
    answer = safe_predict(card, lambda f: np.float32(0.5), good, fallback=False, logger=recorder)
    assert (answer.prediction, answer.score, answer.status) == (True, 0.5, "ok")
    assert answer.event_id == "id-1"
    [call] = recorder.calls
    assert (call["status"], call["score"], call["features"]) == ("ok", 0.5, good)
    assert call["latency_ms"] >= 0


def test_bad_input_never_reaches_the_model(card: ModelCard, good: dict[str, Any]) -> None:
    def predict(features: Mapping[str, Any]) -> float:
        raise AssertionError("called")

    recorder = Recorder()
    bad = good | {"age": 500}
    answer = safe_predict(card, predict, bad, fallback="ask a person", logger=recorder)
    assert (answer.prediction, answer.score, answer.status) == ("ask a person", None, "fallback")
    assert [p.feature for p in answer.problems] == ["age"]
    assert answer.error is None
    assert recorder.calls[0]["status"] == "fallback"
    assert recorder.calls[0]["features"] == bad


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (math.nan, "BadAnswerError: the model answered nan"),
        (math.inf, "BadAnswerError: the model answered inf"),
        (1.5, "BadAnswerError: a probability lies in 0 to 1, the model answered 1.5"),
        (None, "TypeError: "),
        (ZeroDivisionError("boom"), "ZeroDivisionError: boom"),
    ],
)
def test_a_failing_model_gives_the_fallback(
    card: ModelCard, good: dict[str, Any], result: Any, error: str
) -> None:
    def predict(features: Mapping[str, Any]) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    recorder = Recorder()
    answer = safe_predict(card, predict, good, fallback=False, logger=recorder)
    assert (answer.prediction, answer.status, answer.problems) == (False, "fallback", ())
    assert answer.error is not None
    assert answer.error.startswith(error)
    assert recorder.calls[0]["status"] == "fallback"


def test_the_other_tasks(card: ModelCard, good: dict[str, Any]) -> None:
    regression = card.model_copy(update={"task": "regression", "threshold": None})
    assert safe_predict(regression, lambda f: 12, good, fallback=0.0).prediction == 12.0
    assert safe_predict(regression, lambda f: math.nan, good, fallback=0.0).status == "fallback"
    classes = card.model_copy(update={"task": "multiclass", "classes": ("a", "b")})
    answer = safe_predict(classes, lambda f: {"a": 0.2, "b": 0.8}, good, fallback="a")
    assert (answer.prediction, answer.scores) == ("b", {"a": 0.2, "b": 0.8})
    assert safe_predict(classes, lambda f: "a", good, fallback="b").prediction == "a"
    stray = safe_predict(classes, lambda f: "c", good, fallback="b")
    assert (stray.prediction, stray.status) == ("b", "fallback")
    assert stray.error == "BadAnswerError: the model answered 'c', the card's classes are a, b"


def test_a_model_cannot_change_what_is_logged(card: ModelCard, good: dict[str, Any]) -> None:
    def predict(features: Any) -> float:
        features.clear()
        return 0.1

    recorder = Recorder()
    safe_predict(card, predict, good, fallback=False, logger=recorder)
    assert recorder.calls[0]["features"] == good


def test_nothing_that_the_guard_says_quotes_a_sensitive_value() -> None:
    card = ModelCard.model_validate(
        {
            "model": "credit",
            "model_version": "1",
            "task": "binary",
            "features": {
                "name": {"type": "category", "sensitivity": "hash", "categories": ["a"]},
                "age": {
                    "type": "number",
                    "max": 120,
                    "sensitivity": "bucket",
                    "buckets": [0, 18],
                },
                "note": {"type": "category", "sensitivity": "drop"},
            },
        }
    )
    wrong = {"name": "Canary", "age": 4711, "note": 4711.5}
    problems = validate_input(card, wrong)
    assert [problem.fault for problem in problems] == [
        "unseen_category",
        "out_of_range",
        "wrong_type",
    ]
    assert not any("Canary" in p.message or "4711" in p.message for p in problems)

    def failing(features: Mapping[str, Any]) -> float:
        return float(features["note"])

    sound = {"name": "a", "age": 30, "note": "Canary"}
    answer = safe_predict(card, failing, sound, fallback=False)
    assert answer.error == "ValueError"

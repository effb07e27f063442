"""Faults of the answer: constant, collapsed, incoherent, out of range; fallbacks and slowness.

In: traffic, draws. Out: what is done to the outputs. Never: a feature touched.
"""

from typing import Any, Final

import numpy as np

from producers.errors import FaultError
from producers.faults.fault import WHOLE, Drawn, Draws, Fault, Sent, always, some
from producers.faults.traffic import Traffic

_SCORED: Final = ("score",)


def _answer(traffic: Traffic, score: float) -> bool:
    threshold = traffic.card.threshold
    return score >= (0.5 if threshold is None else threshold)


def _constant(traffic: Traffic, draws: Draws) -> Drawn:
    del draws
    last = traffic.events[-1]
    fields = {name: last[name] for name in ("prediction", "score") if last.get(name) is not None}
    change = always(lambda sent: sent.with_fields(**fields))
    shown = ", ".join(f"{name} {value}" for name, value in fields.items())
    return Drawn(f"every answer is the same: {shown}", (WHOLE, *fields), change)


def _collapsed(traffic: Traffic, draws: Draws) -> Drawn:
    middle = float(np.median(traffic.numbers("score")))
    width = float(draws.choice([0.01, 0.05]))

    def change(sent: Sent) -> Sent:
        score = sent.event.get("score")
        if score is None:
            return sent
        score = middle + width * (float(score) - middle)
        return sent.with_fields(score=score, prediction=_answer(traffic, score))

    words = f"scores keep {width:.0%} of their distance from {middle:.2f}"
    return Drawn(words, (WHOLE, "score", "prediction"), always(change))


def _incoherent(traffic: Traffic, draws: Draws) -> Drawn:
    _boolean(traffic)
    share = round(float(draws.uniform(0.15, 1.0)), 2)
    change = some(share, lambda sent: sent.with_fields(prediction=not sent.event["prediction"]))
    words = f"the answer contradicts the score in {share:.0%} of the events"
    return Drawn(words, (WHOLE, "prediction", "score"), change)


def _boolean(traffic: Traffic) -> None:
    if not all(isinstance(event["prediction"], bool) for event in traffic.events[-100:]):
        raise FaultError(f"the answers of {traffic.card.model} are not true or false")


def _out_of_range(_traffic: Traffic, draws: Draws) -> Drawn:
    share = round(float(draws.uniform(0.2, 1.0)), 2)
    if draws.random() < 0.5:
        words = "log-odds instead of a probability"

        def moved(score: float) -> float:
            p = min(max(score, 1e-6), 1 - 1e-6)
            return float(np.log(p / (1 - p)))
    else:
        words = "percent instead of a probability"

        def moved(score: float) -> float:
            return score * 100

    def change(sent: Sent) -> Sent:
        score = sent.event.get("score")
        return sent if score is None else sent.with_fields(score=moved(float(score)))

    named = (WHOLE, "score", "prediction")
    return Drawn(f"the score is {words} in {share:.0%} of the events", named, some(share, change))


def _fallback(_traffic: Traffic, draws: Draws) -> Drawn:
    share = round(float(draws.uniform(0.15, 0.9)), 2)
    status = str(draws.choice(["fallback", "error"]))
    change = some(share, lambda sent: sent.with_fields(status=status))
    return Drawn(f"{share:.0%} of the events have the status {status}", (WHOLE,), change)


def _latency(_traffic: Traffic, draws: Draws) -> Drawn:
    factor = round(float(draws.uniform(3.0, 20.0)), 1)
    share = float(draws.choice([0.5, 1.0]))

    def change(sent: Sent) -> Sent:
        value: Any = sent.event.get("latency_ms")
        return sent if value is None else sent.with_fields(latency_ms=float(value) * factor)

    words = f"{share:.0%} of the answers take {factor:g} times as long"
    return Drawn(words, (WHOLE,), some(share, change))


FAULTS: Final = (
    Fault(
        "constant_prediction",
        "every answer is the same",
        ("CollapsedPredictions",),
        "outputs",
        _constant,
    ),
    Fault(
        "collapsed_scores",
        "the scores shrink towards their median",
        ("CollapsedPredictions",),
        "outputs",
        _collapsed,
        needs=_SCORED,
    ),
    Fault(
        "incoherent_scores",
        "the answer contradicts its score",
        ("IncoherentPredictions",),
        "incoherent",
        _incoherent,
        needs=_SCORED,
    ),
    Fault(
        "score_out_of_range",
        "the score is no probability",
        ("IncoherentPredictions",),
        "out_of_range",
        _out_of_range,
        needs=_SCORED,
    ),
    Fault(
        "fallback_burst", "the model does not answer itself", ("FallbackRate",), "status", _fallback
    ),
    Fault(
        "latency_jump",
        "answers take several times as long",
        ("LatencyJump",),
        "latency",
        _latency,
        needs=("latency_ms",),
    ),
)

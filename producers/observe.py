"""The decorator behind `PredictionLogger.observe`.

In: a predict function and the two calls of a logger. Out: the same function, every call of it
logged. Never: a result changed, an exception hidden or added.
"""

import functools
import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from producers.records import NO_ANSWER

FEATURES_PARAMETER: Final = "features"

_Predict = TypeVar("_Predict", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Observer:
    """Where an observed call goes: `log`, or `invalid` where `answer` fails on a result."""

    log: Callable[..., str]
    invalid: Callable[[Exception], None]
    answer: Callable[[Any], Mapping[str, Any]] | None

    def decorate(self, predict: _Predict) -> _Predict:
        """`predict`, observed; a coroutine function stays one.

        The features are its parameter `features`, or else its first one other than `self`.
        """
        names = [name for name in inspect.signature(predict).parameters if name != "self"]
        if not names:
            raise ValueError(f"{predict!r} takes no features: nothing to observe")
        name = FEATURES_PARAMETER if FEATURES_PARAMETER in names else names[0]
        position = list(inspect.signature(predict).parameters).index(name)

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> "_Call":
            features = args[position] if len(args) > position else kwargs.get(name)
            if isinstance(features, Mapping):
                # The function may change its argument: keep what came in.
                features = dict(features)
            return _Call(self, features, time.perf_counter())

        if inspect.iscoroutinefunction(predict):

            @functools.wraps(predict)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with begin(args, kwargs) as call:
                    call.result = await predict(*args, **kwargs)
                return call.result

            return cast("_Predict", awaited)

        @functools.wraps(predict)
        def called(*args: Any, **kwargs: Any) -> Any:
            with begin(args, kwargs) as call:
                call.result = predict(*args, **kwargs)
            return call.result

        return cast("_Predict", called)


class _Call:
    """One call: logged when it ends, with its result or with status `error`."""

    __slots__ = ("_features", "_observer", "_started_s", "result")

    def __init__(self, observer: Observer, features: Any, started_s: float) -> None:
        self._observer = observer
        self._features = features
        self._started_s = started_s
        self.result: Any = None

    def __enter__(self) -> "_Call":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        latency_ms = (time.perf_counter() - self._started_s) * 1_000
        observer = self._observer
        if kind is None:
            try:
                answer = observer.answer
                fields = {"prediction": self.result} if answer is None else answer(self.result)
                observer.log(self._features, **{"latency_ms": latency_ms, **fields})
            except Exception as error:  # noqa: BLE001 - a logging mistake must not reach serving
                observer.invalid(error)
        elif issubclass(kind, Exception):
            observer.log(self._features, NO_ANSWER, latency_ms=latency_ms, status="error")

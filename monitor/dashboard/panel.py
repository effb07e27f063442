"""What a panel is: some data and the state that it is shown in.

In: a function that asks and reckons. Out: a `Panel`, whatever became of it. Never: a page that
fails because one of its questions did.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from monitor.errors import PlumblineError

T = TypeVar("T")

_AT_ONCE: Final = 4


class State(StrEnum):
    """How a panel is shown."""

    OK = "ok"
    EMPTY = "empty"
    """There is nothing to show, and `note` says why and what to do."""
    STALE = "stale"
    """What is shown is old: `note` says since when."""
    LOADING = "loading"
    ERROR = "error"
    """The question failed; `note` says how."""


@dataclass(frozen=True, slots=True)
class Panel(Generic[T]):
    """One part of a page."""

    state: State
    note: str
    """Words beside the data, or instead of it."""
    data: T | None


class NothingToShowError(Exception):
    """Raised by a panel's function where there is nothing; the text says why and what to do."""


def panel_of(ask: Callable[[], T]) -> Panel[T]:
    """Run a panel's function.

    >>> panel_of(lambda: 3)
    Panel(state=<State.OK: 'ok'>, note='', data=3)
    """
    try:
        return Panel(State.OK, "", ask())
    except NothingToShowError as nothing:
        return Panel(State.EMPTY, str(nothing), None)
    except PlumblineError as error:
        return Panel(State.ERROR, str(error), None)


def aged(panel: Panel[T], note: str) -> Panel[T]:
    """The panel as one whose data is old, where `note` says so; else as it is.

    >>> aged(panel_of(lambda: 3), "since Monday").state, aged(panel_of(lambda: 3), "").state
    (<State.STALE: 'stale'>, <State.OK: 'ok'>)
    """
    return replace(panel, state=State.STALE, note=note) if note and panel.data else panel


class Asking:
    """Runs the functions of a page's panels beside each other."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="panel")

    def panels(self, asks: dict[str, Callable[[], Any]]) -> dict[str, Panel[Any]]:
        """The panel of each function, under its name."""
        running = {name: self._pool.submit(panel_of, ask) for name, ask in asks.items()}
        return {name: future.result() for name, future in running.items()}

    def close(self) -> None:
        """Take no more questions."""
        self._pool.shutdown(wait=False, cancel_futures=True)

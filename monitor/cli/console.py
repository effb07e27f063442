"""The screen: tables as wide as the terminal, or wide enough in a pipe; progress of long jobs.

In: what a command prints, and how far it is. Out: tables on stdout, a bar on standard error that is
gone when the job is. Never: a bar where no terminal is: in a file or a pipe it would be noise.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

PIPE_COLUMNS: Final = 120
"""Width where there is no terminal to ask."""


def console() -> "Console":
    """A console on stdout; colours only on a terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(width=width, highlight=False, emoji=False, markup=False)


class Job:
    """One long job, as it gets on."""

    def __init__(self, bar: "Progress", task: "TaskID") -> None:
        self._bar = bar
        self._task = task

    @property
    def shown(self) -> bool:
        """Whether anybody sees the bar."""
        return not self._bar.disable

    def at(self, done: int, note: str = "", *, total: int | None = None) -> None:
        """So much is done, of `total` where that is known now."""
        self._bar.update(self._task, completed=done, total=total, note=note)

    def now(self, note: str) -> None:
        """What is done now, where it cannot be counted."""
        self._bar.update(self._task, note=note)


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Job]:
    """A bar on standard error while the block runs; without `total` it says how long it has run.

    Nothing may be printed within the block.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    screen = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(
        *columns,
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        yield Job(bar, bar.add_task(escape(what), total=total, note=""))

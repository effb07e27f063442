"""The screen that tables are printed on: as wide as the terminal, or wide enough in a pipe."""

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

PIPE_COLUMNS: Final = 120
"""Width where there is no terminal to ask."""


def console() -> "Console":
    """A console on stdout; colours only on a terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(width=width, highlight=False, emoji=False, markup=False)

"""The settings that a command works with: from `--config`, the environment or a file here.

In: the click context. Out: `Settings`. Never: a network call.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from monitor.config import Settings

CONFIG_KEY: Final = "monitor.cli.config"
"""Key of the `--config` path in the click context's meta."""


def current_settings(ctx: click.Context) -> "Settings":
    """Load the settings; ConfigError names key, value and fix."""
    from monitor.config import load_settings

    path: Path | None = ctx.meta.get(CONFIG_KEY)
    return load_settings(path)

"""Where the charts' scripts are: in the installed package bokeh, which is not imported for it.

In: nothing. Out: the file and its version. Never: a copy of it in this package, another host.
"""

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from monitor.errors import ConfigError

_NAMES: Final = ("bokeh.min.js", "bokeh-api.min.js")


@dataclass(frozen=True, slots=True)
class ChartScript:
    """The scripts of the charts, in the order in which a page loads them."""

    files: dict[str, Path]
    version: str


def _find() -> ChartScript:
    spec = importlib.util.find_spec("bokeh")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("the web pages need the package bokeh: pip install bokeh")
    folder = Path(spec.submodule_search_locations[0]) / "server" / "static" / "js"
    return ChartScript({name: folder / name for name in _NAMES}, version("bokeh"))


CHART_SCRIPT = _find()

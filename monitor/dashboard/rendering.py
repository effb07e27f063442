"""Templates: records become HTML, every value escaped, every number with its unit.

In: a template's name and records. Out: HTML. Never: text marked as safe that a message could have
sent, a script in the page.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from monitor.dashboard.chart_script import CHART_SCRIPT
from monitor.dashboard.panels import PANELS

SPARK_WIDTH: Final = 120
SPARK_HEIGHT: Final = 22
STATIC: Final = ("dashboard.css", "dashboard.js", "charts.js", "icon.svg")
"""Files of this package that a browser gets."""


def static_folder() -> Path:
    """Where the files of `STATIC` lie."""
    return Path(str(resources.files("monitor.dashboard").joinpath("static")))


class Templates:
    """The environment, with the filters that the templates use."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader("monitor.dashboard", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            count=count, figure=figure, share=share, moment=moment, spark=spark, data=data
        )
        self._environment.globals.update(
            path=path,
            link=link,
            static=_addresses().__getitem__,
            state_words=STATE_WORDS,
            panels=PANELS,
        )

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """One page."""
        return self._environment.get_template(name).render(values)


STATE_WORDS: Final = {
    "pending": "seen, not confirmed yet",
    "firing": "on",
    "recovering": "on, and getting better",
    "resolved": "over",
    "stale": "on, but its data stopped",
    "superseded": "over: its version was replaced",
}
"""States of an alert, for people."""


def _addresses() -> dict[str, str]:
    """Static files with a mark of their content, so that browsers keep them until they change."""
    files = {name: static_folder() / name for name in STATIC}
    marks = {
        name: hashlib.sha256(file.read_bytes()).hexdigest()[:12] for name, file in files.items()
    }
    marks |= dict.fromkeys(CHART_SCRIPT.files, CHART_SCRIPT.version)
    return {name: f"/static/{name}?v={mark}" for name, mark in marks.items()}


def count(value: float) -> str:
    """A whole number with separators.

    >>> count(284821)
    '284,821'
    """
    return f"{value:,.0f}"


def figure(value: float | None, digits: int = 3) -> str:
    """A measured number; a dash where there is none.

    >>> figure(0.12345), figure(1234.5), figure(None), figure(float("nan")), figure(0.00001)
    ('0.123', '1,234', '–', '–', '1e-05')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0 or 0.001 <= abs(value) < 1_000:
        return f"{value:.{digits}f}"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.1g}"


def share(value: float | None, digits: int = 1) -> str:
    """A share in per cent.

    >>> share(0.0251), share(None)
    ('2.5 %', '–')
    """
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f} %"


def moment(value: datetime | None) -> Markup:
    """A time that the page can show in the reader's own zone.

    >>> print(moment(datetime(2013, 3, 1, 10, tzinfo=UTC)))
    <time datetime="2013-03-01T10:00:00Z">2013-03-01 10:00</time>
    """
    if value is None:
        return Markup("–")
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M")
    )


def spark(values: Sequence[int], words: str) -> Markup:
    """A line of counts as a small picture, named by `words`.

    >>> "polyline" in spark([1, 2, 3], "events"), "no events" in spark([0, 0], "events")
    (True, True)
    """
    top = max(values, default=0)
    if top <= 0 or len(values) < 2:
        return Markup('<span class="none">no events</span>')
    step = SPARK_WIDTH / (len(values) - 1)
    points = [
        (place * step, SPARK_HEIGHT - 1.5 - (SPARK_HEIGHT - 3) * value / top)
        for place, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" '
        'aria-label="{words}"><polygon points="0,{h} {line} {w},{h}"/>'
        '<polyline points="{line}"/></svg>'
    ).format(w=SPARK_WIDTH, h=SPARK_HEIGHT, line=line, words=words)


def data(value: Any) -> Markup:
    """Records as JSON for a script to read: `<` is written so that no value ends the element.

    >>> print(data({"name": "</script>"}))
    {"name":"\\u003c/script>"}
    """
    text = orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no "<" is left in it


def path(*parts: str) -> str:
    """An address made of parts, each quoted.

    >>> path("predictions", "a/b?c")
    '/predictions/a%2Fb%3Fc'
    """
    return "/" + "/".join(quote(part, safe="") for part in parts)


def link(query: Mapping[str, Any], **changes: Any) -> str:
    """The query string with changes; what is empty is left out.

    >>> link({"range": "7d", "tz": "utc"}, tz="", feature="temp & more")
    '?range=7d&feature=temp+%26+more'
    """
    merged = {**query, **{name.rstrip("_"): value for name, value in changes.items()}}
    told = {name: _text(value) for name, value in merged.items() if value not in (None, "")}
    return f"?{urlencode(told)}"


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Markup):
        return str(escape(value))
    raise TypeError(f"{type(value).__name__} is no JSON")

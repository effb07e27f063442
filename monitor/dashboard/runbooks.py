"""The runbook of a kind of alert, as it stands in docs/runbooks.

In: an alert's name. Out: Markdown, or HTML without anything that the text could smuggle in.
"""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markupsafe import Markup

from monitor.findings import KINDS, kind_of

_KNOWN: Final = frozenset(kind.alertname for kind in (*KINDS.values(), kind_of("ks", "score")))
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False})


def folder() -> Path:
    """In an installed package beside this file, in the project's folder under docs."""
    package = Path(str(resources.files("monitor.dashboard")))
    packed = package / "runbooks"
    return packed if packed.is_dir() else package.parents[1] / "docs" / "runbooks"


@cache
def runbook(alertname: str) -> str:
    """The text, empty where the kind has none.

    >>> runbook("FeatureDrift").startswith("# FeatureDrift"), runbook("../../etc/passwd")
    (True, '')
    """
    file = folder() / f"{alertname}.md"
    if alertname not in _KNOWN or not file.exists():
        return ""
    return file.read_text(encoding="utf-8")


def as_html(markdown: str) -> Markup:
    """The text for a page: its title left out, its headings one lower."""
    body = markdown.partition("\n")[2] if markdown.startswith("# ") else markdown
    text = _MARKDOWN.render(body).replace("<h2>", "<h3>").replace("</h2>", "</h3>")
    return Markup(text)  # noqa: S704 - of this project's own text, HTML in it escaped

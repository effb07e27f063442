"""MkDocs hooks: the repository's pages as a site, at the same paths, so that links lead there too.

In: the repository. Out: the README as the start page, every page under its own path, what pages
link to beside them, a list for each folder that a page links to, and `folder/` in `nav` as all
pages of that folder. Never: a second copy of any text.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("*.md", "docs/**/*.md", "bench/*.md")
LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def _pages() -> list[str]:
    found = (path for pattern in PAGES for path in ROOT.glob(pattern))
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def _title(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _linked(page: str) -> set[str]:
    """What a page links to inside the repository, as paths from its top."""
    text = (ROOT / page).read_text(encoding="utf-8")
    here = posixpath.dirname(page)
    return {posixpath.normpath(posixpath.join(here, target)) for target, _ in LINK.findall(text)}


def _contents(folder: str) -> str:
    below = sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in (".md", ".json"))
    names = [path.relative_to(ROOT / folder).as_posix() for path in below]
    lines = [
        f"- [{_title(f'{folder}/{name}') if name.endswith('.md') else name}]({name})"
        for name in names
    ]
    return "\n".join([f"# {folder}", "", *lines, ""])


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    def entry(item: Any) -> Any:
        if isinstance(item, dict):
            return {title: expanded(below) for title, below in item.items()}
        return item

    def expanded(below: Any) -> Any:
        if isinstance(below, str) and below.endswith("/"):
            return [{_title(page): page} for page in _pages() if page.startswith(below)]
        return [entry(item) for item in below] if isinstance(below, list) else below

    config.nav = [entry(item) for item in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    pages = _pages()
    linked = {target for page in pages for target in _linked(page)}
    wanted = {*pages, *(target for target in linked if (ROOT / target).is_file())}
    folders = {target for target in linked if (ROOT / target).is_dir()}
    for folder in folders:
        below = (ROOT / folder).rglob("*.json")
        wanted |= {path.relative_to(ROOT).as_posix() for path in below}
    site = [file for file in files if file.src_dir != config.docs_dir]  # the theme's own
    site += [File.generated(config, path, abs_src_path=str(ROOT / path)) for path in sorted(wanted)]
    site += [
        File.generated(
            config,
            f"{folder}/index.md",
            content=_contents(folder),
            inclusion=InclusionLevel.NOT_IN_NAV,
        )
        for folder in sorted(folders)
    ]
    return Files(site)


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to a folder to its list."""
    here = posixpath.dirname(page.file.src_uri)

    def folder_list(match: re.Match[str]) -> str:
        target = match[1].rstrip("/")
        path = posixpath.normpath(posixpath.join(here, target))
        return f"]({target}/index.md)" if (ROOT / path).is_dir() else match[0]

    return LINK.sub(folder_list, markdown)

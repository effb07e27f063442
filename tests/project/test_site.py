"""The documents build into a site: every page in it, every link and anchor leads somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md")
    for page in ROOT.glob(pattern)
)
LOADED = re.compile(
    r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//|<link[^>]+href=\"(?:https?:)?//"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Strict: a page outside the navigation, a lost link or a lost anchor ends the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # the theme's word about its own future
    built = subprocess.run(
        command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_there_and_in_the_navigation_of_the_first(site: Path) -> None:
    html = {page: page.with_suffix(".html") for page in PAGES}
    html[Path("README.md")] = Path("index.html")
    assert [page for page in PAGES if not (site / html[page]).exists()] == []
    start = (site / "index.html").read_text(encoding="utf-8")
    listed = set(re.findall(r'<a href="([^"#]*)" class="md-nav__link', start))
    missing = {html[page].as_posix() for page in PAGES} - listed
    assert missing <= {"index.html"}  # the first calls itself "./"


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    assert [page for page in pages if LOADED.search(page.read_text(encoding="utf-8"))] == []

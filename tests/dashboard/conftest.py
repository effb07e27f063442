"""The filled database and its pages, once; a browser, once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from devstack import StackInfo
from monitor.config import load_settings
from monitor.storage import ClickHouseStore
from tests.dashboard.look import Look
from tests.dashboard.shown import Shown, clickhouse_of, filled, pages, settings_of
from tests.devstack.server import running


@pytest.fixture(scope="session")
def shown(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """An engine of its own: the reader's account reads the database `plumbline` alone."""
    folder = tmp_path_factory.mktemp("pages")
    with running(folder) as engine, ClickHouseStore(clickhouse_of(engine)) as store:
        store.migrate()
        file = settings_of(stack, engine, folder)
        flow = filled(store)
        with pages(file) as url:
            yield Shown(load_settings(file), flow, url)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "these tests need a browser: apt-get install chromium"
    with sync_playwright() as playwright:
        # A container gives no rights for its sandbox; the pages are our own.
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def look(browser: Browser, shown: Shown, request: pytest.FixtureRequest) -> Iterator[Look]:
    """A window of its own for each test."""
    folder = Path(str(request.config.rootpath)) / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with Look.at(browser, shown.url, folder) as window:
        yield window

"""A browser window that watches what a page must never do.

In: a browser and the address of the pages. Out: pages, with a failure for every message on the
console, request off the host, or serious fault that axe finds; a picture of each.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, Page, expect

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
WAIT_MS = 60_000
_RUN = (
    f"() => {{ {AXE}; return axe.run(document, {{resultTypes: ['violations']}}).then(found => "
    "found.violations.map(one => [one.impact, one.id, one.nodes[0].html])) }"
)
expect.set_options(timeout=WAIT_MS)
_KNOWN = "setting log level to"
"""What the charts' library says of itself when it is told to be silent."""


@dataclass(slots=True)
class Look:
    """One window."""

    context: BrowserContext
    url: str
    folder: Path
    troubles: list[str] = field(default_factory=list)
    page: Page = field(init=False)

    @classmethod
    @contextmanager
    def at(cls, browser: Browser, url: str, folder: Path, **options: Any) -> Iterator[Self]:
        """A window without cookies; at its end nothing may have gone wrong."""
        context = browser.new_context(
            viewport={"width": 1280, "height": 900}, reduced_motion="reduce", **options
        )
        context.set_default_timeout(WAIT_MS)
        look = cls(context, url, folder)
        look.page = context.new_page()
        look.page.on("console", lambda message: look._console(message))
        look.page.on("pageerror", lambda error: look.troubles.append(f"error: {error}"))
        look.page.on("request", lambda sent: look._request(sent.url))
        try:
            yield look
            assert not look.troubles, look.troubles
        finally:
            context.close()

    def go(self, path: str) -> Page:
        """Open a page of the site and wait until its charts are drawn."""
        self.page.goto(self.url + path)
        self.drawn()
        return self.page

    def drawn(self) -> None:
        """Every chart is."""
        charts = self.page.locator(".chart")
        count = charts.count()
        expect(self.page.locator(".chart[data-drawn=yes]")).to_have_count(count, timeout=WAIT_MS)

    def judge(self, name: str) -> None:
        """A picture, and no serious fault of accessibility."""
        self.page.screenshot(path=self.folder / f"{name}.png", full_page=True)
        found = self.page.evaluate(_RUN)
        serious = [one for one in found if one[0] in ("serious", "critical")]
        assert serious == [], f"{name}: {serious}"

    def sign_in(self, token: str) -> None:
        """As the owner of a token."""
        self.page.goto(f"{self.url}/sign-in")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("main").get_by_role("button", name="Sign in").click()

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning") or _KNOWN not in message.text:
            self.troubles.append(f"{message.type}: {message.text}")

    def _request(self, address: str) -> None:
        if not address.startswith((self.url, "data:", "blob:")):
            self.troubles.append(f"off the host: {address}")

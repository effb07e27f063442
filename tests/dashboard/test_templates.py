"""What a browser gets: names escaped, no script in a page, every panel in every state."""

import re
from html.parser import HTMLParser
from math import nan

import orjson
import pytest
from fastapi.testclient import TestClient

from monitor.config import Settings
from monitor.dashboard.app import create_app
from monitor.dashboard.gallery import HOSTILE, every_panel
from monitor.dashboard.panel import State
from monitor.dashboard.panels import PANELS
from monitor.dashboard.rendering import Templates, data, static_folder


class Scripts(HTMLParser):
    """Scripts, handlers and styles that stand in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One element."""
        told = dict(attrs)
        inside = tag == "script" and "src" not in told and told.get("type") != "application/json"
        if inside or tag == "style" or any(name.startswith("on") for name in told):
            self.found.append(self.get_starttag_text() or tag)
        if "style" in told or str(told.get("href", "")).startswith("javascript:"):
            self.found.append(self.get_starttag_text() or tag)


@pytest.fixture(scope="module")
def gallery() -> str:
    """The gallery page."""
    with TestClient(create_app(Settings()), base_url="http://127.0.0.1") as client:
        return str(client.get("/gallery").text)


def test_the_gallery_has_every_panel_in_every_state(gallery: str) -> None:
    shown = set(re.findall(r'<section class="panel[^"]*" id="([a-z_]+)-([a-z]+)"', gallery))
    assert shown == {(name, state.value) for name in PANELS for state in State}
    assert gallery.count('aria-busy="true"') == len(PANELS)
    with_data = [sample for sample in every_panel() if sample.panel.data is not None]
    assert len(with_data) == 2 * len(PANELS)


def test_a_hostile_name_is_shown_and_stays_a_name(gallery: str) -> None:
    assert HOSTILE not in gallery
    assert "&lt;script&gt;alert(&#39;name&#39;)&lt;/script&gt;" in gallery
    parser = Scripts()
    parser.feed(gallery)
    assert parser.found == []
    for text in re.findall(r'<script type="application/json">(.*?)</script>', gallery, re.DOTALL):
        orjson.loads(text)


@pytest.mark.parametrize("name", ["</script><b>", "<!--", "\u2028", 'quote " and \\'])
def test_data_for_a_script_cannot_end_its_element(name: str) -> None:
    text = str(data({"name": name, "none": nan}))
    assert "<" not in text
    assert orjson.loads(text) == {"name": name, "none": None}


def test_every_panel_says_what_it_shows(gallery: str) -> None:
    for about in PANELS.values():
        assert about.title
        assert about.words.endswith(".")
        assert about.words.count(".") == 1
    assert gallery.count("<header><h2") == len(PANELS) * len(State)


def test_nothing_in_the_files_of_the_pages_names_another_host() -> None:
    for file in static_folder().iterdir():
        addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", file.read_text(encoding="utf-8"))
        assert [one for one in addresses if "www.w3.org" not in one] == [], file.name


def test_the_api_says_of_itself_what_it_gives() -> None:
    with TestClient(create_app(Settings()), base_url="http://127.0.0.1") as client:
        document = client.get("/api/v1/openapi.json").json()
    paths = document["paths"]
    assert set(paths) == {
        "/api/v1/models",
        "/api/v1/models/{model}",
        "/api/v1/alerts",
        "/api/v1/alerts/{fingerprint}",
        "/api/v1/alerts/{fingerprint}/commands",
        "/api/v1/predictions/{event_id}",
        "/api/v1/live",
    }
    asked = {one["name"] for one in paths["/api/v1/models/{model}"]["get"]["parameters"]}
    assert {"model", "range", "from", "to", "version", "feature", "window_from"} <= asked
    page = document["components"]["schemas"]["ModelPage"]["properties"]
    assert {"drift", "distribution", "performance", "budget"} <= set(page)


def test_templates_refuse_what_they_do_not_know() -> None:
    with pytest.raises(Exception, match="undefined"):
        Templates().render("overview.html", {})

"""Every page and every action in a real browser, over a week of flights."""

import re

import orjson
import pytest
from playwright.sync_api import Browser, expect

from tests.audit.flights import FIRST, MODEL
from tests.dashboard.look import Look
from tests.dashboard.shown import TOKEN, Shown

pytestmark = pytest.mark.integration


def test_all_models_at_a_glance(look: Look) -> None:
    page = look.go("/?range=all")
    row = page.locator("#models tr[data-href]").filter(has_text=MODEL)
    expect(row).to_contain_text("flight-science")
    expect(row.locator("svg.spark")).to_be_visible()
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#moves")).to_contain_text("FeatureDrift distance")
    look.judge("overview")
    page.get_by_label("Find a model").fill("nobody has this name")
    page.keyboard.press("Enter")
    expect(page.locator("#models")).to_contain_text("No model or owner contains")
    look.judge("overview-nothing-found")


def test_a_model_with_all_its_panels(look: Look) -> None:
    page = look.go(f"/models/{MODEL}?range=all&version={FIRST}&feature=carrier")
    for panel in ("alerts", "traffic", "score", "drift", "distribution", "performance",
                  "calibration", "comparison", "segments", "quality", "budget", "events",
                  "rejections"):  # fmt: skip
        expect(page.locator(f"#{panel}")).to_have_attribute("data-state", "ok")
    assert page.locator(".chart canvas").count() >= 6
    expect(page.locator("#drift tbody tr").filter(has_text="distance")).to_be_visible()
    expect(page.locator("#distribution")).to_contain_text("total variation")
    expect(page.locator("#comparison")).to_contain_text("roll back")
    expect(page.locator("#segments")).to_contain_text("origin=EWR")
    look.judge("model")
    page.locator("#distribution select").select_option("distance")
    page.locator("#distribution").get_by_role("button", name="Show").click()
    look.drawn()
    expect(page.locator("#distribution")).to_contain_text("KS distance")
    assert "feature=distance" in page.url


def test_a_link_shows_the_same_to_somebody_else(look: Look, browser: Browser, shown: Shown) -> None:
    page = look.go(f"/models/{MODEL}?range=all&version={FIRST}")
    row = page.locator("#drift tr[data-column=distance]")
    place = row.locator("td.c3, td.c4, td.c5").first
    place.click()
    page.wait_for_url(re.compile("window_from="))
    look.drawn()
    shared = page.url.removeprefix(shown.url)
    words = page.locator("#distribution .note").first.inner_text()
    assert float(words.split()[2]) > 0.15, "the doubled distances are seen in the window"
    with Look.at(browser, shown.url, look.folder) as other:
        seen = other.go(shared)
        expect(seen.locator("#distribution .note").first).to_have_text(words)
        expect(seen.locator("#distribution select")).to_have_value("distance")


def test_it_can_be_used_by_keys_alone(look: Look) -> None:
    page = look.go(f"/models/{MODEL}?range=all&version={FIRST}")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.press("Escape")
    cell = page.locator("#drift td[tabindex='0']")
    cell.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator("#drift tbody tr").nth(1).locator("td").nth(2)).to_be_focused()
    page.keyboard.press("u")
    page.wait_for_url(re.compile("tz=local"))
    expect(page.locator("#zone")).to_have_text("local time")
    page.keyboard.press("a")
    page.wait_for_url(re.compile("/alerts"))
    page.keyboard.press("j")
    expect(page.locator("tr.chosen a").first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/alerts/[0-9a-f]{16}"))
    page.keyboard.press("?")
    page.wait_for_url(re.compile("/help"))
    expect(page.get_by_role("main")).to_contain_text("/api/v1/models/{model}")
    look.judge("help")


def test_alerts_and_one_of_them(look: Look) -> None:
    page = look.go("/alerts")
    look.judge("alerts")
    page.get_by_role("link", name="with past ones").click()
    page.wait_for_url(re.compile("ended=true"))
    page.get_by_role("link", name="FeatureDrift distance").first.click()
    look.drawn()
    for panel in ("evidence", "effects", "timeline", "runbook"):
        expect(page.locator(f"#{panel}")).to_have_attribute("data-state", "ok")
    expect(page.locator("#evidence .sentence")).to_contain_text("distance")
    expect(page.locator("#runbook")).to_contain_text("First three checks")
    expect(page.locator("#decide")).to_contain_text("Sign in")
    look.judge("alert")
    page.get_by_text("Distribution of distance").click()
    page.wait_for_url(re.compile("feature=distance.*window_from="))


def test_a_prediction_is_explained(look: Look) -> None:
    page = look.go(f"/models/{MODEL}")
    page.locator("#events tbody a").first.click()
    page.wait_for_url(re.compile("/predictions/"))
    expect(page.locator("#features")).to_contain_text("distance")
    expect(page.locator("#lineage")).to_contain_text("flight-operations")
    look.judge("prediction")


def test_the_gallery_shows_every_panel_in_every_state(look: Look) -> None:
    page = look.go("/gallery")
    for state in ("ok", "stale", "empty", "loading", "error"):
        assert page.locator(f".panel[data-state={state}]").count() == len(
            set(page.locator(".panel > header > h2").all_inner_texts())
        )
    # A name that is a script is shown and not run.
    expect(page.get_by_text("<script>alert('name')</script>").first).to_be_visible()
    look.judge("gallery")


@pytest.mark.parametrize(
    ("path", "words", "status"),
    [
        ("/models/nobody", "Not found", 404),
        ("/alerts/0000000000000000", "Not found", 404),
        ("/?range=3", "Not understood", 422),
    ],
)
def test_what_went_wrong_is_a_page(look: Look, path: str, words: str, status: int) -> None:
    answer = look.page.goto(look.url + path)
    assert answer is not None
    assert answer.status == status
    expect(look.page.get_by_role("heading", level=1)).to_have_text(words)
    look.judge(f"error-{status}")
    look.troubles.clear()  # the browser itself names the status on its console


def test_dark_small_and_in_local_time(browser: Browser, shown: Shown, look: Look) -> None:
    with Look.at(
        browser, shown.url, look.folder, color_scheme="dark", timezone_id="America/New_York"
    ) as dark:
        dark.page.set_viewport_size({"width": 420, "height": 900})
        page = dark.go(f"/models/{MODEL}?range=all&tz=local")
        newest = page.locator("dl.facts time").first
        utc = newest.get_attribute("datetime")
        assert utc is not None
        assert newest.inner_text() != utc.replace("T", " ")[:16]
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        dark.judge("model-dark-small")


def test_decisions_are_sent_obeyed_and_seen_without_a_reload(look: Look, shown: Shown) -> None:
    look.page.goto(f"{shown.url}/sign-in")
    look.page.get_by_label("Token").fill("nobody's token, for sure")
    look.page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(look.page.get_by_role("alert")).to_have_text("Nobody has this token.")
    look.judge("sign-in")
    look.sign_in(TOKEN)
    expect(look.page.locator(".who")).to_contain_text("ann")
    page = look.go("/alerts")
    page.get_by_role("link", name="FeatureDrift distance").first.click()
    look.drawn()
    sent = []
    for action, state in (("Acknowledge", "firing"), ("Silence", "firing"), ("Accept", "resolved")):
        page.get_by_role("radio", name=re.compile(f"^{action}")).check()
        page.get_by_label("Why").fill(f"{action}: a new fleet <b>")
        page.get_by_role("button", name="Decide").click()
        expect(page.get_by_role("status").filter(has_text="Sent:")).to_be_visible()
        sent.append(action.lower())
        commands = shown.commands(len(sent))
        assert [orjson.loads(one)["action"] for one in commands] == sent
        last = orjson.loads(commands[-1])
        assert (last["who"], last["model"]) == ("ann", MODEL)
        shown.flow.obey(commands[-1:])
        entry = page.locator("#timeline li.decision").filter(has_text=f"{action}: a new fleet <b>")
        expect(entry).to_be_visible()
        assert "no effect" not in entry.inner_text()
        expect(page.locator("#timeline li.move .badge").first).to_have_text(state)
    look.judge("alert-decided")
    page.reload()
    expect(page.locator("#decide")).to_contain_text("nothing is left to decide")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_a_page_is_live_and_says_when_it_is_not(look: Look, shown: Shown) -> None:
    page = look.go("/?range=all")
    expect(page.locator("#live")).to_have_text("live")
    cells = page.locator("#models tr[data-href]").filter(has_text=MODEL).locator("td")
    before = cells.nth(5).inner_text()
    shown.flow.read_on(1_000)
    expect(cells.nth(5)).not_to_have_text(before)
    page.keyboard.press("l")
    expect(page.locator("#live")).to_have_text("paused")
    page.route("**/api/v1/live", lambda route: route.abort())
    page.reload()
    expect(page.locator("#live")).to_have_text("connection lost")
    look.troubles.clear()  # the browser itself tells of the request that was broken off

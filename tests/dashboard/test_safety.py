"""Safe by default: hosts, rates, sign-in, headers, forms; without a database or a broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from monitor.clock import ManualClock
from monitor.config import ClickHouseSettings, DashboardSettings, Settings
from monitor.dashboard.app import create_app
from monitor.dashboard.guards import CONTENT_SECURITY_POLICY, HEADERS, SIGN_INS_PER_MINUTE
from monitor.dashboard.server import check
from monitor.dashboard.sessions import COOKIE
from monitor.errors import ConfigError

TOKEN = "a-token-of-the-tests"
USERS = {"ann": SecretStr(TOKEN)}
ALERT = "ab" * 8
CLOSED_PORT = 9
"""Nothing listens there: every question fails at once."""


@contextmanager
def served(
    clock: ManualClock | None = None, address: str = "127.0.0.1", **own: Any
) -> Iterator[TestClient]:
    """The app with these settings; requests come from `address`."""
    settings = Settings(
        clickhouse=ClickHouseSettings(port=CLOSED_PORT), dashboard=DashboardSettings(**own)
    )
    app = create_app(settings, clock or ManualClock(start_us=1_000_000))
    with TestClient(app, base_url="http://127.0.0.1", client=(address, 5_000)) as client:
        yield client


def test_every_answer_has_the_headers_whatever_it_is() -> None:
    with served() as client:
        for path in ("/help", "/static/charts.js", "/nothing", "/api/v1/models", "/models/x"):
            answer = client.get(path)
            assert HEADERS.items() <= dict(answer.headers).items(), path
    assert "script-src 'self';" in CONTENT_SECURITY_POLICY
    assert "unsafe-eval" not in CONTENT_SECURITY_POLICY
    script = CONTENT_SECURITY_POLICY.partition("script-src ")[2].partition(";")[0]
    assert script == "'self'"


def test_a_page_without_its_database_says_so_and_a_part_of_one_too() -> None:
    with served() as client:
        whole = client.get("/models/flight-delay")
        assert whole.status_code == 503
        assert "could not query" in whole.text
        parts = client.get("/")
        assert parts.status_code == 200
        assert parts.text.count('data-state="error"') == 2
        twin = client.get("/api/v1/models").json()
        assert twin["overview"]["state"] == "error"
        assert "clickhouse.host" in twin["overview"]["note"]
        assert client.get(f"/api/v1/alerts/{ALERT}").status_code == 503


def test_another_host_name_is_not_served() -> None:
    with served() as client:
        assert client.get("/help", headers={"host": "evil.example"}).status_code == 421
        assert client.get("/help", headers={"host": "localhost:8118"}).status_code == 200
    with served(url="https://plumb.example.com") as client:
        answer = client.get("/help", headers={"host": "plumb.example.com"})
        assert answer.status_code == 200
        assert "strict-transport-security" in answer.headers


def test_too_many_requests_are_refused_until_time_has_passed() -> None:
    clock = ManualClock(start_us=1_000_000)
    with served(clock, requests_per_minute=60) as client:
        answers = [client.get("/healthz").status_code for _ in range(62)]
        assert (answers.count(200), answers.count(429)) == (60, 2)
        clock.advance(seconds=2)
        assert client.get("/healthz").status_code == 200


def test_tokens_cannot_be_tried_at_will() -> None:
    with served(users=USERS) as client:
        tried = [
            client.post("/sign-in", data={"token": f"{n}"}, follow_redirects=False).status_code
            for n in range(SIGN_INS_PER_MINUTE + 1)
        ]
        assert tried == [303] * SIGN_INS_PER_MINUTE + [429]
        assert COOKIE not in client.cookies


def test_a_session_is_signed_ends_and_is_not_the_token() -> None:
    clock = ManualClock(start_us=1_000_000)
    with served(clock, users=USERS, session_hours=2) as client:
        answer = client.post("/sign-in", data={"token": TOKEN}, follow_redirects=False)
        told = answer.headers["set-cookie"]
        assert "HttpOnly" in told
        assert "SameSite=lax" in told
        assert TOKEN not in told
        assert "ann" in client.get("/help").text
        real = client.cookies[COOKIE]
        for forged in (real[:-1] + ("0" if real[-1] != "0" else "1"), "x" + real, "", "a.b"):
            client.cookies.set(COOKIE, forged)
            assert ">ann<" not in client.get("/help").text
        client.cookies.clear()
        client.cookies.set(COOKIE, real)
        assert ">ann<" in client.get("/help").text
        clock.advance(seconds=2 * 3_600 + 1)
        assert ">ann<" not in client.get("/help").text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_leads_nowhere_else(back: str) -> None:
    with served(users=USERS) as client:
        sent = {"token": TOKEN, "back": back}
        answer = client.post("/sign-in", data=sent, follow_redirects=False)
        assert answer.headers["location"] == "/"


def test_nobody_decides_without_signing_in_and_no_other_page_does_for_them() -> None:
    order = {"action": "acknowledge", "why": "known"}
    with served(users=USERS) as client:
        path, twin = f"/alerts/{ALERT}/decide", f"/api/v1/alerts/{ALERT}/commands"
        assert client.post(path, data=order).status_code == 401
        assert client.post(twin, json=order).status_code == 401
        wrong = {"authorization": "Bearer not-a-token-of-anybody"}
        assert client.post(twin, json=order, headers=wrong).status_code == 401
        client.post("/sign-in", data={"token": TOKEN})
        assert client.post(path, data=order).status_code == 403
        assert client.post(path, data={**order, "csrf": "0" * 64}).status_code == 403
        assert client.post(twin, json=order).status_code == 403
        # Past all guards the alert is looked for: here there is no database.
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert client.post(twin, json=order, headers=bearer).status_code == 503
        shown = client.get("/help").text
        csrf = shown.partition('name="csrf" value="')[2].partition('"')[0]
        assert client.post(path, data={**order, "csrf": csrf}).status_code == 503
        unknown = {"action": "delete", "why": "x", "csrf": csrf}
        assert client.post(path, data=unknown).status_code == 400
        assert client.post(path, content=b"a=" + b"x" * 30_000).status_code == 413


def test_a_proxy_is_believed_by_its_address_alone() -> None:
    own: dict[str, Any] = {"proxy_user_header": "X-User", "proxy_addresses": ("10.1.0.0/16",)}
    headers = {"x-user": "bob"}
    with served(address="10.1.2.3", **own) as client:
        assert ">bob<" in client.get("/help", headers=headers).text
    with served(address="10.2.2.3", **own) as client:
        assert ">bob<" not in client.get("/help", headers=headers).text


def test_open_to_others_reading_needs_a_sign_in() -> None:
    with served(host="0.0.0.0", users=USERS) as client:
        assert client.get("/", follow_redirects=False).headers["location"] == "/sign-in"
        assert client.get("/api/v1/models").status_code == 401
        assert client.get("/api/v1/live").status_code == 401
        assert client.get("/sign-in").status_code == 200
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert client.get("/api/v1/models", headers=bearer).status_code == 200


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"host": "0.0.0.0"}, "nobody could sign in"),
        ({"proxy_user_header": "X-User"}, "belong together"),
        ({"proxy_addresses": ("10.0.0.0/8",)}, "belong together"),
    ],
)
def test_what_would_be_open_to_all_is_not_served(own: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check(Settings(dashboard=DashboardSettings(**own)))
    check(Settings())


def test_no_other_file_is_given_out() -> None:
    with served() as client:
        for name in ("../app.py", "..%2fapp.py", "dashboard.html", "%2e%2e/app.py"):
            assert client.get(f"/static/{name}").status_code == 404
        assert client.get("/static/dashboard.css").headers["cache-control"].startswith("public")
        assert client.get("/static/bokeh.min.js").status_code == 200

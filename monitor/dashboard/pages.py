"""The pages as HTML: one function an address.

In: requests. Out: rendered templates, redirects after a form. Never: a question to the database of
its own; what a page shows, its JSON twin says.
"""

from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from monitor.dashboard import gallery
from monitor.dashboard.actions import Decision, default_until
from monitor.dashboard.api import site_of
from monitor.dashboard.asked import Asked
from monitor.dashboard.rendering import path
from monitor.dashboard.runbooks import as_html
from monitor.dashboard.sessions import COOKIE
from monitor.errors import ContractError

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

MOST_FORM_BYTES: Final = 20_000

AskedQuery = Annotated[Asked, Query()]


@router.get("/")
def overview(request: Request, asked: AskedQuery) -> HTMLResponse:
    """All models."""
    page = site_of(request).overview(asked)
    return _page(request, "overview.html", "/api/v1/models", asked=asked, page=page)


@router.get("/models/{model}")
def model(request: Request, model: str, asked: AskedQuery) -> HTMLResponse:
    """One model."""
    page = site_of(request).model(model, asked)
    twin = "/api/v1" + path("models", model)
    return _page(request, "model.html", twin, asked=asked, page=page)


@router.get("/alerts")
def alerts(request: Request, asked: AskedQuery) -> HTMLResponse:
    """The list of alerts."""
    page = site_of(request).alerts(asked)
    return _page(request, "alerts.html", "/api/v1/alerts", asked=asked, page=page)


@router.get("/alerts/{fingerprint}")
def alert(request: Request, fingerprint: str, asked: AskedQuery, sent: str = "") -> HTMLResponse:
    """One alert."""
    page = site_of(request).alert(fingerprint)
    return _page(
        request,
        "alert.html",
        "/api/v1" + path("alerts", fingerprint),
        asked=asked,
        page=page,
        sent=sent if sent in ("acknowledge", "silence", "accept", "close") else "",
        runbook=as_html(page.runbook) if page.runbook else "",
        until=default_until(page.facts.newest_at),
    )


@router.post("/alerts/{fingerprint}/decide")
async def decide(request: Request, fingerprint: str) -> RedirectResponse:
    """A form of an alert's page."""
    site = site_of(request)
    form = await _form(request)
    user = site.sessions.user(request)
    if user is None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "Sign in first.")
    if not user.csrf or form.get("csrf", "") != user.csrf:
        raise HTTPException(
            HTTPStatus.FORBIDDEN, "The form is of another session: open the alert and try again."
        )
    fields = {name: form[name] for name in ("action", "why", "until") if form.get(name)}
    if fields.get("action") in ("acknowledge", "close"):
        fields.pop("until", None)
    try:
        decision = Decision.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"{place}: {first['msg']}") from None
    row = site.alert(fingerprint).facts.row
    site.actions.send(decision, model=row.model, fingerprint=fingerprint, who=user.name)
    return RedirectResponse(
        f"{path('alerts', fingerprint)}?sent={decision.action}", HTTPStatus.SEE_OTHER
    )


@router.get("/predictions/{event_id:path}")
def prediction(request: Request, event_id: str, asked: AskedQuery) -> HTMLResponse:
    """One prediction explained."""
    page = site_of(request).prediction(event_id, asked.model)
    twin = "/api/v1" + path("predictions", event_id)
    return _page(request, "prediction.html", twin, asked=asked, page=page)


@router.get("/gallery")
def show_gallery(request: Request, asked: AskedQuery) -> HTMLResponse:
    """Every panel in every state, over made-up data."""
    shown = gallery.every_panel()
    return _page(request, "gallery.html", "", asked=asked, shown=shown)


@router.get("/help")
def show_help(request: Request, asked: AskedQuery) -> HTMLResponse:
    """Keys, addresses, the API."""
    routes = request.app.openapi()["paths"]
    return _page(request, "help.html", "/api/v1/openapi.json", asked=asked, routes=routes)


@router.get("/sign-in")
def sign_in(request: Request, asked: AskedQuery, wrong: bool = False) -> HTMLResponse:
    """The form for a token."""
    return _page(request, "sign_in.html", "", asked=asked, wrong=wrong)


@router.post("/sign-in")
async def signed_in(request: Request) -> RedirectResponse:
    """A token came."""
    site = site_of(request)
    form = await _form(request)
    owner = site.sessions.owner(form.get("token", ""))
    if owner is None:
        return RedirectResponse("/sign-in?wrong=true", HTTPStatus.SEE_OTHER)
    answer = RedirectResponse(_back(form.get("back", "")), HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        site.sessions.cookie(owner),
        httponly=True,
        samesite="lax",
        secure=site.settings.dashboard.url.startswith("https://"),
    )
    return answer


@router.post("/sign-out")
async def signed_out(request: Request) -> RedirectResponse:
    """Forget the session."""
    user = site_of(request).sessions.user(request)
    form = await _form(request)
    if user is not None and form.get("csrf", "") != user.csrf:
        raise HTTPException(HTTPStatus.FORBIDDEN, "The form is of another session.")
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE)
    return answer


def error_page(request: Request, status: int, words: str) -> HTMLResponse:
    """What went wrong, and the way back."""
    return _page(request, "error.html", "", status=status, asked=Asked(), words=words, code=status)


def _page(
    request: Request, template: str, twin: str, *, status: int = 200, **values: Any
) -> HTMLResponse:
    site = site_of(request)
    query = dict(request.query_params)
    for once in ("sent", "wrong"):
        query.pop(once, None)
    shared = {
        "user": site.sessions.user(request),
        "can_sign_in": site.sessions.tokens,
        "here": request.url.path,
        "query": query,
        "twin": twin,
    }
    return HTMLResponse(site.templates.render(template, {**shared, **values}), status)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, each once."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM_BYTES:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The form is too large.")
    try:
        fields = parse_qs(body.decode(), max_num_fields=20)
    except ValueError:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "This is no form.") from None
    return {name: values[-1] for name, values in fields.items()}


def _back(target: str) -> str:
    """Where to go after signing in: an address of this site, nothing else.

    >>> _back("/alerts?x=1"), _back("//evil.example"), _back("https://evil.example")
    ('/alerts?x=1', '/', '/')
    """
    inside = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if inside and target.isprintable() else "/"

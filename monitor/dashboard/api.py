"""The JSON twins of the pages, under /api/v1.

In: requests. Out: the records that the pages are made of; OpenAPI follows from them. Never: HTML,
a value that is not finite (null instead).
"""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from monitor.audit.explanation import Explanation
from monitor.dashboard.actions import Decision, Sent
from monitor.dashboard.asked import Asked
from monitor.dashboard.live import MOST_LISTENERS
from monitor.dashboard.model_page import ModelPage
from monitor.dashboard.site import AlertPage, AlertsPage, OverviewPage, Site

router = APIRouter(prefix="/api/v1", tags=["pages"])

AskedQuery = Annotated[Asked, Query()]


def site_of(request: Request) -> Site:
    """What the routes share."""
    site = request.app.state.site
    assert isinstance(site, Site)
    return site


@router.get("/models", summary="All models at a glance")
def get_models(request: Request, asked: AskedQuery) -> OverviewPage:
    """Health, owner, traffic, open alerts and last event of every model; the page /."""
    return site_of(request).overview(asked)


@router.get("/models/{model}", summary="One model")
def get_model(request: Request, model: str, asked: AskedQuery) -> ModelPage:
    """Traffic, drift, distributions, quality, budget; the page /models/{model}."""
    return site_of(request).model(model, asked)


@router.get("/alerts", summary="Alerts")
def get_alerts(request: Request, asked: AskedQuery) -> AlertsPage:
    """Those that are on, or with `ended=true` all; the page /alerts."""
    return site_of(request).alerts(asked)


@router.get("/alerts/{fingerprint}", summary="One alert")
def get_alert(request: Request, fingerprint: str) -> AlertPage:
    """Evidence, timeline, consequences, runbook; the page /alerts/{fingerprint}."""
    return site_of(request).alert(fingerprint)


@router.post("/alerts/{fingerprint}/commands", summary="Decide", status_code=HTTPStatus.ACCEPTED)
def post_command(request: Request, fingerprint: str, decision: Decision) -> Sent:
    """Acknowledge, silence, accept or close an alert; needs a token as Bearer.

    A signed-in page may send its CSRF token as X-CSRF-Token instead.
    """
    site = site_of(request)
    user = site.sessions.user(request)
    if user is None:
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "send a token as Bearer")
    if user.by != "token" and request.headers.get("x-csrf-token", "") != user.csrf:
        raise HTTPException(HTTPStatus.FORBIDDEN, "X-CSRF-Token is missing or of another session")
    row = site.alert(fingerprint).facts.row
    return site.actions.send(decision, model=row.model, fingerprint=fingerprint, who=user.name)


@router.get("/predictions/{event_id:path}", summary="Why did the model predict this?")
def get_prediction(request: Request, event_id: str, model: str = "") -> Explanation:
    """Everything known about one prediction; the page /predictions/{event_id}."""
    return site_of(request).prediction(event_id, model)


@router.get("/live", summary="Server-sent events: something was stored", response_model=None)
def get_live(request: Request) -> Any:
    """A `pulse` event for each change, with counts; a page that hears one asks for itself again."""
    pulse = site_of(request).pulse
    if pulse.listeners >= MOST_LISTENERS:
        return JSONResponse({"error": f"{MOST_LISTENERS} pages listen already"}, 503)
    return StreamingResponse(pulse.messages(), media_type="text/event-stream")

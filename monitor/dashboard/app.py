"""The app: which address is answered by what.

In: settings. Out: an ASGI app; `plumbline dashboard` serves it. Never: a documentation page that
fetches a script from elsewhere; the OpenAPI document at /api/v1/openapi.json says everything.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

from monitor.clock import Clock, SystemClock
from monitor.config import Settings
from monitor.dashboard import api, pages
from monitor.dashboard.chart_script import CHART_SCRIPT
from monitor.dashboard.guards import Guards
from monitor.dashboard.rendering import STATIC, static_folder
from monitor.dashboard.site import Site
from monitor.errors import ContractError, NotFoundError, PlumblineError

_KEPT = "public, max-age=31536000, immutable"


def create_app(settings: Settings, clock: Clock | None = None) -> Guards:
    """The guarded app over the database of `settings`."""
    clock = clock or SystemClock()
    site = Site(settings, clock)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        yield
        await site.close()

    app = FastAPI(
        title="Plumbline",
        version=version("plumbline"),
        summary="What the web pages show, as JSON.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.site = site
    app.include_router(api.router)
    app.include_router(pages.router)
    app.add_api_route("/static/{name}", _static, include_in_schema=False)
    app.add_api_route("/healthz", _healthz, include_in_schema=False)
    app.add_exception_handler(PlumblineError, _on_error)
    app.add_exception_handler(HTTPException, _on_error)
    app.add_exception_handler(RequestValidationError, _on_error)
    app.add_exception_handler(Exception, _on_bug)
    # Around everything, so that the page of a bug has the headers, too.
    return Guards(app, settings.dashboard, site.sessions, clock)


def _static(name: str) -> Response:
    """One of the files that a page names."""
    file = CHART_SCRIPT.files.get(name, static_folder() / name)
    if name not in (*STATIC, *CHART_SCRIPT.files):
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no file {name}")
    return FileResponse(file, headers={"cache-control": _KEPT})


def _healthz() -> JSONResponse:
    """Whether the pages are served; says nothing of the database."""
    return JSONResponse({"alive": True})


def _on_error(request: Request, error: Exception) -> Response:
    """What went wrong, as a page or as JSON."""
    status, words = _told(error)
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": words}, status)
    return pages.error_page(request, status, words)


def _on_bug(request: Request, error: Exception) -> Response:
    """A page without what the error says: the log has it."""
    del error
    return _on_error(request, HTTPException(500, "This is a fault of the pages: see their log."))


def _told(error: Exception) -> tuple[int, str]:
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return HTTPStatus.UNPROCESSABLE_ENTITY, f"{place}: {first['msg']}"
    if isinstance(error, NotFoundError):
        return HTTPStatus.NOT_FOUND, str(error)
    if isinstance(error, ContractError):
        return HTTPStatus.BAD_REQUEST, str(error)
    return HTTPStatus.SERVICE_UNAVAILABLE, str(error)

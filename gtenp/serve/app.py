"""The application: the paths, and who answers at each."""

from __future__ import annotations

import contextlib
import dataclasses
from importlib import resources
from typing import TYPE_CHECKING, Any

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route as Path

from gtenp.serve import edge, openai, openapi, rerank, tei
from gtenp.serve.endpoint import authorize, endpoint, failure, fault
from gtenp.serve.metrics import GONE
from gtenp.serve.problem import EDGE, OPENAI, RequestError
from gtenp.serve.record import Recorded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from gtenp.serve.problem import Dialect
    from gtenp.serve.route import Route
    from gtenp.serve.service import Service

    Answer = Callable[[Request], Awaitable[Response]]

# What Supabase's client sends along, which a browser asks leave for.
_HEADERS = ["authorization", "apikey", "x-client-info", "content-type"]


def _paths() -> dict[str, tuple[Route, ...]]:
    """Each path's routes; of several, the body's keys choose."""
    root = (
        dataclasses.replace(edge.EMBEDDING, suits=lambda body: "input" in body),
        dataclasses.replace(
            tei.SIMILARITY, suits=lambda body: isinstance(body.get("inputs"), dict)
        ),
        tei.EMBED,
    )
    texts_rerank = dataclasses.replace(tei.RERANK, suits=lambda body: "texts" in body)
    paths: dict[str, tuple[Route, ...]] = {"/": root, "/functions/v1/{name}": root}
    for route in (*openai.ROUTES, *tei.ROUTES, *rerank.ROUTES):
        paths[route.path] = (texts_rerank, route) if route.path == "/rerank" else (route,)
    return {
        path: tuple(dataclasses.replace(route, path=path) for route in routes)
        for path, routes in paths.items()
    }


PATHS = _paths()


def _dialect(path: str) -> Dialect:
    """In which problems are told at a path where no body has chosen a route."""
    if path.startswith("/functions/v1/"):
        return EDGE
    routes = PATHS.get(path.rstrip("/") or "/")
    return routes[-1].dialect if routes else OPENAI


def create_app(service: Service) -> Starlette:
    """The ASGI application around a service, which loads its models when it starts."""
    options = service.options

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # In the background, so that the probes are answered meanwhile.
        async with anyio.create_task_group() as group:
            if service.models is None:
                group.start_soon(run_in_threadpool, service.load)
            yield

    answers: dict[str, dict[str, Answer]] = {}  # by path and method
    for path, routes in PATHS.items():
        answers[path] = {routes[0].method: endpoint(service, routes, _dialect(path))}
        found = {200, GONE, _dialect(path).status("failed")}
        found |= {status for route in routes for status in openapi.statuses(route)}
        service.metrics.register(path, sorted(found))
    for path, answer in _pages(service).items():
        answers.setdefault(path, {})["GET"] = _recorded(path, answer)
        service.metrics.register(path, sorted({200, GONE, 500, *openapi.PAGES[path][2]}))
    service.metrics.register("none", [200, 400, 404, 405, GONE])  # 400: a preflight's
    middleware = [Middleware(Recorded, service.metrics, options.log_format)]
    if options.cors:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(options.cors),
                allow_methods=["GET", "POST"],
                allow_headers=_HEADERS,
                expose_headers=["server-timing", "x-request-id", "x-truncated-texts"],
            )
        )
    app = Starlette(
        routes=[
            Path(path, _by_method(found), methods=list(found)) for path, found in answers.items()
        ],
        middleware=middleware,
        exception_handlers={HTTPException: _http_problem},
        lifespan=lifespan,
    )
    # A redirect's address would be absolute, and behind a proxy another than the client's.
    app.router.redirect_slashes = False
    return app


def _by_method(answers: dict[str, Answer]) -> Answer:
    """What answers at a path by each of its methods; a HEAD is a GET."""

    async def respond(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await answers[method](request)

    return respond


async def _http_problem(request: Request, error: HTTPException) -> Response:
    """No such path, or not by this method."""
    problem = RequestError(error.detail.lower(), error.detail)
    content = _dialect(request.url.path).body(problem, error.status_code)
    return JSONResponse(content, error.status_code, dict(error.headers or {}))


# ── Pages and probes: no key is asked for, but for /explain, which computes ──────────────────────


def _pages(service: Service) -> dict[str, Answer]:
    async def live(_: Request) -> Response:
        return PlainTextResponse("")

    async def ready(_: Request) -> Response:
        return PlainTextResponse("", 200 if service.is_ready else 503)

    async def metrics(_: Request) -> Response:
        content = await run_in_threadpool(service.metrics.written)
        return Response(content, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def description(_: Request) -> Response:
        return JSONResponse(openapi.document(service, PATHS))

    async def docs(_: Request) -> Response:
        return HTMLResponse(openapi.page(openapi.document(service, PATHS)))

    async def page(_: Request) -> Response:
        return HTMLResponse(_page())

    async def explain(request: Request) -> Response:
        authorize(request, service.options.api_keys)
        models, batcher = service.ready()
        with batcher.admission():
            content = await run_in_threadpool(
                _explanation, models, request.query_params.getlist("text")
            )
        return HTMLResponse(content)

    return {
        "/": page,
        "/docs": docs,
        "/openapi.json": description,
        "/explain": explain,
        "/metrics": metrics,
        "/livez": live,
        "/readyz": ready,
        "/health": ready,
        "/ping": ready,
    }


def _recorded(path: str, answer: Answer) -> Answer:
    """The same, under its path in the log, and with what it raises told."""

    async def respond(request: Request) -> Response:
        request.scope["gtenp"].route = path
        try:
            return await answer(request)
        except RequestError as problem:
            return failure(problem)
        except Exception:
            return fault()

    return respond


def _page() -> str:
    return resources.files("gtenp.serve").joinpath("page.html").read_text(encoding="utf-8")


def _explanation(models: Any, texts: list[str]) -> bytes:
    from gtenp.errors import GtenpError
    from gtenp.explain.page_file import explained

    if models.embedder is None:
        raise RequestError("no model", "no embedding model is served here")
    if not 1 <= len(texts) <= 4:
        raise RequestError("invalid", "wanted one to four texts: /explain?text=…&text=…", "text")
    try:
        return explained(models.embedder, models.embedder_name, texts)
    except GtenpError as error:
        raise RequestError("invalid", str(error), "text") from None

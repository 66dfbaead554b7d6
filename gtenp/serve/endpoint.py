"""A request's way: read, checked, tokenized, computed, written. All routes go it."""

from __future__ import annotations

import asyncio
import functools
import hmac
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import numpy as np
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gtenp.errors import ModelFileError
from gtenp.serve import wire
from gtenp.serve.batcher import ItemError
from gtenp.serve.metrics import GONE
from gtenp.serve.problem import OPENAI, Dialect, RequestError
from gtenp.serve.schema import SchemaError, check, written

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from gtenp.serve.models import Models, Work
    from gtenp.serve.record import Record
    from gtenp.serve.route import Route
    from gtenp.serve.service import Service

    Endpoint = Callable[[Request], Awaitable[Response]]

Result = TypeVar("Result")

# What is read or written sooner than a thread takes over: a body of so many bytes is some 200
# tokens, which take a third of a millisecond; so many numbers take a tenth.
_SMALL = 1024


def endpoint(service: Service, routes: Sequence[Route], dialect: Dialect) -> Endpoint:
    """What answers at a path: the route that the body's keys ask for, or the last of them. The
    dialect is that of problems before the body is read.
    """
    usual = routes[-1]

    async def respond(request: Request) -> Response:
        record: Record = request.scope["gtenp"]
        record.route = usual.path
        try:
            authorize(request, service.options.api_keys)
            models, batcher = service.ready()
            content = b""
            if usual.method == "POST":
                content = await _body(request, service)
            with batcher.admission():
                return await _while_there(
                    request, _respond(service, routes, models, content, record)
                )
        except RequestError as problem:
            return failure(problem, problem.dialect or dialect)
        except ClientDisconnect:
            return Response(status_code=GONE)
        except Exception:  # a fault of ours
            return fault(dialect)

    return respond


def fault(dialect: Dialect = OPENAI) -> Response:
    """How a protocol tells of the exception at hand, which goes to the log."""
    traceback.print_exc(file=sys.stderr)
    return failure(RequestError("failed", "the server failed at it; its log says more"), dialect)


def authorize(request: Request, keys: Sequence[str]) -> None:
    """RequestError unless the request has one of the keys, where there are any."""
    if not keys:
        return
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    sent = [bearer.strip() if scheme.lower() == "bearer" else ""]
    sent.append(request.headers.get("apikey", ""))  # Supabase's
    given = [one.encode("latin-1") for one in sent if one]
    # All are compared, each in constant time: how long it takes tells nothing of a key.
    matches = [hmac.compare_digest(one, key.encode()) for one in given for key in keys]
    if not any(matches):
        raise RequestError("unauthorized", "no valid key; send it as Authorization: Bearer …")


async def _body(request: Request, service: Service) -> bytes:
    """The whole body; RequestError where it is too large, or does not arrive in time."""
    most, seconds = service.options.max_body, service.options.body_seconds
    too_large = RequestError("too large", f"the body is over {most:,} bytes; send fewer texts")
    if int(request.headers.get("content-length", "0")) > most:
        raise too_large
    content = bytearray()
    with anyio.move_on_after(seconds):
        async for chunk in request.stream():
            content += chunk
            if len(content) > most:
                raise too_large
        return bytes(content)
    raise RequestError("slow", f"the body did not arrive in {seconds:g} seconds")


async def _while_there(request: Request, run: Coroutine[Any, Any, Response]) -> Response:
    """Run for as long as the client is there; what it waits for is cancelled when it goes."""

    async def leave() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    answering, leaving = asyncio.create_task(run), asyncio.create_task(leave())
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return answering.result() if answering.done() else Response(status_code=GONE)
    finally:
        answering.cancel()
        leaving.cancel()


async def _respond(
    service: Service, routes: Sequence[Route], models: Models, content: bytes, record: Record
) -> Response:
    start = time.perf_counter()
    route, body = await _off_the_loop(content, lambda: _choose(routes, content))
    try:
        work = await _off_the_loop(content, lambda: _read(service, route, models, body))
        reading = time.perf_counter() - start
        return await _computed(service, work, record, reading)
    except SchemaError as error:
        kind = "empty" if error.empty else "invalid"
        problem = RequestError(kind, str(error), written(error.place))
        problem.dialect = route.dialect
        raise problem from None
    except RequestError as problem:
        problem.dialect = route.dialect
        raise


async def _off_the_loop(content: bytes, read: Callable[[], Result]) -> Result:
    """What reading a body gives: in a thread, unless it takes less time than to go there."""
    return read() if len(content) < _SMALL else await _in_a_thread(read)


async def _in_a_thread(function: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(None, function)


def _choose(routes: Sequence[Route], content: bytes) -> tuple[Route, dict[str, Any]]:
    """The route that a body's keys ask for, and the body."""
    usual = routes[-1]
    body = {} if usual.body is None else wire.read(content)
    return next((route for route in routes if route.suits(body)), usual), body


def _read(service: Service, route: Route, models: Models, body: dict[str, Any]) -> Work:
    """The body, checked by its route's schema, and its texts as tokens."""
    if route.model != "any" and getattr(models, route.model) is None:
        wanted = "embedding model" if route.model == "embedder" else "reranker"
        raise RequestError("no model", f"no {wanted} is served here")
    if route.body is not None:
        check(service.schema(route), body)
    return route.work(models, body)


async def _computed(service: Service, work: Work, record: Record, reading: float) -> Response:
    assert service.batcher is not None
    record.texts, record.tokens, record.truncated = len(work.items), work.tokens, work.truncated
    try:
        results, record.queue_seconds, record.compute_seconds = await service.batcher.run(work)
    except ItemError as error:
        name = work.names(error.number)
        raise RequestError("failed", _why(error.cause, name), name) from None
    numbers = sum(np.size(result) for result in results)
    write = functools.partial(_written, work, results)
    reply = write() if 0 < numbers <= _SMALL else await _in_a_thread(write)
    stages = {"read": reading, "queue": record.queue_seconds, "compute": record.compute_seconds}
    headers = {
        "server-timing": ", ".join(f"{name};dur={s * 1e3:.2f}" for name, s in stages.items())
    }
    if work.truncated:
        headers["x-truncated-texts"] = str(work.truncated)
    return Response(reply, media_type="application/json", headers=headers)


def _written(work: Work, results: list[Any]) -> bytes:
    return wire.write(work.answer(results))


def _why(error: Exception, name: str) -> str:
    if isinstance(error, ModelFileError):  # without the path, which is none of the client's
        return f"{name}: the model gives numbers that are not finite for it"
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    return f"{name}: the server failed at it; its log says more"


def failure(problem: RequestError, dialect: Dialect = OPENAI) -> Response:
    """How a protocol tells of a problem."""
    status = dialect.status(problem.kind)
    body = dialect.body(problem, status)
    content = b"" if body is None else wire.write(body)
    media_type = None if body is None else "application/json"
    return Response(content, status, problem.headers, media_type)

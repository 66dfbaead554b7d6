"""A line in the log and a place in the metrics for each request. Never a text."""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gtenp.serve.metrics import GONE, Metrics

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Asked every few seconds by machines; their lines would bury the others.
_UNLOGGED = ("/metrics", "/livez", "/readyz", "/health", "/ping")

_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


@dataclass
class Record:
    """What is known of a request in the end."""

    id: str
    route: str = "none"  # the path, where there is such a route
    texts: int = 0
    tokens: int = 0
    truncated: int = 0
    queue_seconds: float = 0.0
    compute_seconds: float = 0.0
    status: int = GONE
    start: float = field(default_factory=time.perf_counter)

    def facts(self) -> dict[str, Any]:
        """As they are logged."""
        return {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "id": self.id,
            "route": self.route,
            "status": self.status,
            "texts": self.texts,
            "tokens": self.tokens,
            "truncated": self.truncated,
            "queue_ms": round(self.queue_seconds * 1e3, 3),
            "compute_ms": round(self.compute_seconds * 1e3, 3),
            "total_ms": round((time.perf_counter() - self.start) * 1e3, 3),
        }


class Recorded:
    """Middleware: gives each request a record (``scope["gtenp"]``) and writes it down at the end.

    A request may bring its id along in x-request-id, and gets it back there.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, log_format: str) -> None:
        self._app = app
        self._metrics = metrics
        self._log_format = log_format

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        record = scope["gtenp"] = Record(given if _ID.fullmatch(given) else uuid.uuid4().hex)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()), (b"x-request-id", record.id.encode())
                ]  # fmt: skip
            await send(message)

        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                self._write(record)

    def _write(self, record: Record) -> None:
        metrics = self._metrics
        metrics.requests.labels(record.route, str(record.status)).inc()
        metrics.request_seconds.labels(record.route).observe(time.perf_counter() - record.start)
        if record.texts:
            metrics.texts.inc(record.texts)
            metrics.tokens.inc(record.tokens)
            metrics.truncated.inc(record.truncated)
        if record.compute_seconds:  # a result came
            metrics.queue_seconds.observe(record.queue_seconds)
            metrics.compute_seconds.observe(record.compute_seconds)
        if record.route in _UNLOGGED:
            return
        if self._log_format == "json":
            print(json.dumps(record.facts()), file=sys.stderr, flush=True)
        elif self._log_format == "text":
            line = " ".join(f"{name}={value}" for name, value in record.facts().items())
            print(line, file=sys.stderr, flush=True)

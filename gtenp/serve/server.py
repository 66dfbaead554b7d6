"""Uvicorn around the application: one process, or several that share the weights' memory."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from gtenp.errors import InputError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from types import FrameType

    from gtenp.serve.models import Models
    from gtenp.serve.options import Options
    from gtenp.serve.service import Service

_DRAIN_SECONDS = 30  # for requests that are under way when a signal comes
_LEAST_LIFE = 1.0  # seconds; a worker that ends sooner is not started anew at once


class _Server(uvicorn.Server):  # type: ignore[misc]
    """Ends by itself when its service has failed to load, or has drained after a signal: until
    then it still listens, so that /readyz can say that it is about to end.
    """

    def __init__(self, service: Service, parent: int | None) -> None:
        from gtenp.serve.app import create_app

        super().__init__(
            uvicorn.Config(
                create_app(service),
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_DRAIN_SECONDS,
            )
        )
        self._service = service
        self._parent = parent

    def handle_exit(self, sig: int, _: FrameType | None) -> None:
        if self._service.draining and sig == signal.SIGINT:  # Ctrl-C again
            self.should_exit = self.force_exit = True
        self._service.draining = True

    async def on_tick(self, counter: int) -> bool:
        service = self._service
        if self._parent is not None and os.getppid() != self._parent:  # it was killed
            service.draining = True
        if service.failure or (service.draining and service.is_idle):
            self.should_exit = True
        return bool(await super().on_tick(counter))


def run(
    listener: socket.socket,
    options: Options,
    load: Callable[[], Models],
    parent: int | None = None,
) -> None:
    """Serve until a signal comes and all requests under way are answered.

    ``load`` goes on meanwhile; its errors are raised here. A worker's ``parent`` has loaded the
    models already, and the worker ends with it.
    """
    from gtenp.serve.service import Service

    service = Service(options, load)
    if parent is not None:
        service.load()
    _Server(service, parent).run(sockets=[listener])
    if service.failure:
        raise service.failure


# ── Several processes ────────────────────────────────────────────────────────────────────────────


def run_workers(
    listener: socket.socket, options: Options, load: Callable[[], Models], workers: int
) -> None:
    """The same by several forked processes: the model is loaded once, before, so that they share
    its memory. One that dies is started anew.
    """
    if not hasattr(os, "fork"):
        raise InputError("workers are forked, which this system can't; start one server a port")
    models = load()
    gc.collect()
    gc.freeze()  # the collector of a worker would write to pages that all share
    with tempfile.TemporaryDirectory(prefix="gtenp-metrics-") as folder:
        # Where the workers add up what they count; read when prometheus_client is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        parent = os.getpid()
        _Workers(lambda: run(listener, options, lambda: models, parent), workers).run()


class _Workers:
    """So many processes that each run the function, until a signal comes."""

    def __init__(self, function: Callable[[], None], count: int) -> None:
        self._function = function
        self._count = count
        self._started: dict[int, float] = {}  # by process id
        self._stopping = False

    def run(self) -> None:
        for sig in _SIGNALS:
            signal.signal(sig, self._stop)
        for _ in range(self._count):
            self._fork()
        while self._started:
            pid, status = os.wait()
            lived = time.monotonic() - self._started.pop(pid)
            self._forget(pid)
            if not self._stopping:
                print(f"worker {pid} ended ({_reason(status)}); another begins", file=sys.stderr)
                time.sleep(_LEAST_LIFE if lived < _LEAST_LIFE else 0)
            if not self._stopping:
                self._fork()

    def _fork(self) -> None:
        # No signal may reach a child before it has handlers of its own.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if not pid:
            _be_worker(self._function)
        self._started[pid] = time.monotonic()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _stop(self, *_: Any) -> None:
        self._stopping = True
        for pid in self._started:
            os.kill(pid, signal.SIGTERM)

    def _forget(self, pid: int) -> None:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _be_worker(function: Callable[[], None]) -> None:
    """Run the function in a process just forked, and end with it."""
    status = 1
    try:
        for sig in _SIGNALS:
            signal.signal(sig, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        function()
        status = 0
    except BaseException as error:
        print(f"worker {os.getpid()}: {error!r}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _reason(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"status {code}" if code >= 0 else f"signal {-code}"

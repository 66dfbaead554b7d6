"""Where the server listens: an address and a port, or a socket in the file system."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

from gtenp.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_BACKLOG = 2048  # connections that wait to be accepted


def listen(host: str, port: int, uds: Path | None) -> socket.socket:
    """A socket that listens; port 0 takes a free one. OSError where it can't be had, and
    InputError where another server listens at ``uds`` or something else stands there.
    """
    if uds is None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio sends at once, TCP_NODELAY, only where the protocol is named: an answer would wait
        # 40 ms for the client's acknowledgement of its head.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name == "posix":  # a port that was just left may be taken again
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _bound(listener, (host, port), f"{host}:{port}")
    _clear(uds)
    return _bound(socket.socket(socket.AF_UNIX), str(uds), str(uds))


def _bound(listener: socket.socket, place: tuple[str, int] | str, name: str) -> socket.socket:
    try:
        listener.bind(place)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno is None:  # Python's own: the system has room for some 100 bytes
            raise InputError(f"{name}: {error}; wanted a shorter path for --uds") from None
        error.filename = name
        raise
    return listener


def _clear(uds: Path) -> None:
    """Remove a socket that a server left behind which was killed."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(uds).st_mode):
            raise InputError(f"{uds}: is there and no socket; name another place for --uds")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(uds))
            except ConnectionRefusedError:
                os.unlink(uds)
            else:
                raise InputError(f"{uds}: another server listens there")


def address(listener: socket.socket) -> str:
    """What a client calls it."""
    if listener.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

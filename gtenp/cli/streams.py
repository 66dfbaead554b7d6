"""Standard output and error as every verb needs them: there, and with a way to print any text."""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gtenp.errors import TruncationWarning

if TYPE_CHECKING:
    from typing import Any


class Failure(click.ClickException):
    """One sentence on stderr and exit status 2."""

    exit_code = 2


class _Closed(io.TextIOBase):
    """A standard output that the caller closed: without it, what is printed would vanish unseen."""

    def write(self, text: str) -> int:  # noqa: ARG002
        raise Failure("standard output is closed; redirect it to a file, or to /dev/null")

    def fileno(self) -> int:
        return self.write("")


def _printable(error: UnicodeError) -> tuple[str | bytes, int]:
    """What goes out for a character that the stream lacks: a question mark.

    A byte of the command line that could not be decoded goes out as it came in, so that a folder's
    path stays one.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    byte = ord(error.object[error.start]) - 0xDC00  # as surrogateescape hides it
    return bytes([byte]) if 0x80 <= byte <= 0xFF else "?", error.start + 1


codecs.register_error("gtenp.printable", _printable)


def prepare() -> None:
    """Have streams to write to, None being one that the caller closed, and let them take any text.

    An ASCII stream is taken to be one of UTF-8, as click does in any case: it mostly comes of a
    locale that was never set.
    """
    sys.stdout = sys.stdout or _Closed()
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, it lasts to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if is_ascii else None, errors="gtenp.printable")


def tell_warnings() -> None:
    """Show a warning as one line; make none an error, whatever PYTHONWARNINGS says.

    Call it under ``warnings.catch_warnings()``.
    """

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        # The rest of what a TruncationWarning says is for callers of the library.
        words = message.fact if isinstance(message, TruncationWarning) else message
        with contextlib.suppress(OSError):  # a full stderr
            click.echo(f"Warning: {words}", err=True)

    warnings.showwarning = show
    warnings.filters = [
        ("default" if rule[0] == "error" else rule[0], *rule[1:]) for rule in warnings.filters
    ]


def echo_json(value: Any) -> None:
    """Print JSON on one line; what the stream can't encode is escaped, so that it stays exact."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        line = json.dumps(value)
    click.echo(line)


def is_stdout(output: Path) -> bool:
    """Whether an option's file is standard output: ``-``, or a name of its descriptor."""
    from gtenp.model_files.folders import open_descriptor

    return str(output) == "-" or open_descriptor(output) == 1


def destination(output: Path) -> Path | int:
    """What ``new_file`` takes for an option's file: a path, or standard output's descriptor."""
    return sys.stdout.fileno() if is_stdout(output) else output

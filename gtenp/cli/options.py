"""The options and arguments that several verbs share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gtenp.errors import InputError, UnsupportedModelError
from gtenp.model_files.names import DEFAULT_MODEL

if TYPE_CHECKING:
    from gtenp.cross_encoder import CrossEncoder
    from gtenp.embedder import Embedder


def examples(*lines: str) -> str:
    """The end of a verb's help, in which click keeps the lines as they are."""
    head = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(("\b", head, *(f"  {line}" for line in lines)))


model_option = click.option(
    "--model",
    envvar="GTENP_MODEL",
    default=DEFAULT_MODEL,
    show_default=True,
    show_envvar=True,
    metavar="NAME|DIR",
    help="A folder, a Hub id, or gte-small, gte-base, gte-large, all-MiniLM-L6-v2.",
)
revision_option = click.option(
    "--revision", metavar="REV", help="A branch, tag or commit of the model on the Hub."
)


def text(value: str) -> str:
    """A text on the command line: the bytes that were typed, as UTF-8 whatever the locale."""
    try:
        return os.fsencode(value).decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = error.start
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise click.BadParameter(
            f"byte {wrong} of {value[:40]!r} is not UTF-8; convert the text"
        ) from None
    return value  # the locale is another that the bytes suit, such as Latin-1


TEXT = click.types.FuncParamType(text)
texts_argument = click.argument("texts", nargs=-1, type=TEXT)


def takes_texts(command: click.Command) -> bool:
    return any(isinstance(p, click.Argument) and p.type is TEXT for p in command.params)


# What new_file makes of it, it says itself.
output_file = click.Path(dir_okay=False, readable=False, allow_dash=True, path_type=Path)


def open_texts(
    arguments: tuple[str, ...], model: str, revision: str | None
) -> tuple[list[str], Embedder]:
    """The texts of the command line, or the lines of standard input, and the model."""
    texts = read_texts(arguments)
    from gtenp.embedder import Embedder

    return texts, Embedder(model, revision=revision)


def open_any(
    verb: str, arguments: tuple[str, ...], model: str, revision: str | None
) -> tuple[list[str], Embedder | CrossEncoder]:
    """The same with a model that may be a cross-encoder; UsageError where there is no text."""
    texts = read_texts(arguments)
    if not texts:
        raise click.UsageError(f"no text to {verb}: standard input is empty")
    return texts, open_model(model, revision)


def open_model(model: str, revision: str | None) -> Embedder | CrossEncoder:
    """The model, whichever of the two its folder holds."""
    from gtenp.embedder import Embedder

    try:
        return Embedder(model, revision=revision)
    except UnsupportedModelError:
        from gtenp.cross_encoder import CrossEncoder
        from gtenp.model_files import hub
        from gtenp.model_files.cross_encoder_config import is_cross_encoder

        if not is_cross_encoder(hub.resolve(model, revision=revision)):
            raise
        return CrossEncoder(model, revision=revision)


def read_texts(arguments: tuple[str, ...]) -> list[str]:
    """The texts of the command line; without any, the lines of standard input as UTF-8.

    InputError names the line that isn't UTF-8; UsageError where nothing is piped in.
    """
    if arguments:
        return list(arguments)
    if sys.stdin is None or sys.stdin.isatty():
        raise click.UsageError("no text: give it as arguments or, a line each, on standard input")
    try:
        content = sys.stdin.buffer.read()
    except OSError as error:
        raise InputError(f"standard input: {error.strerror}") from error
    try:
        return lines_of(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        start = content.rfind(b"\n", 0, error.start) + 1
        number = content.count(b"\n", 0, start) + 1
        raise InputError(
            f"standard input, line {number}: byte {error.start - start} is not UTF-8; "
            "convert the file"
        ) from error


def lines_of(content: str) -> list[str]:
    r"""The lines of a file, each ended by a line feed, which the last one may lack.

    No content is no lines, and an empty line is one.

    >>> lines_of("one\r\n\nthree")
    ['one', '', 'three']
    """
    lines = content.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]

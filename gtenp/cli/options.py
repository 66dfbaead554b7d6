"""The options and arguments that several verbs share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gtenp.errors import InputError
from gtenp.model_files.names import DEFAULT_MODEL

if TYPE_CHECKING:
    from gtenp.embedder import Embedder

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


def open_texts(
    arguments: tuple[str, ...], model: str, revision: str | None, what_for: str | None = None
) -> tuple[list[str], Embedder]:
    """The texts of the command line, or the lines of standard input, and the model.

    UsageError where there are none and the verb (``what_for``) wants some.
    """
    texts = read_texts(arguments)
    if what_for and not texts:
        raise click.UsageError(f"no text to {what_for}: standard input is empty")
    from gtenp.embedder import Embedder

    return texts, Embedder(model, revision=revision)


def read_texts(arguments: tuple[str, ...]) -> list[str]:
    """The texts of the command line; without any, the lines of standard input as UTF-8.

    InputError names the line that isn't UTF-8; UsageError where nothing is piped in.
    """
    if arguments:
        return list(arguments)
    if sys.stdin is None or sys.stdin.isatty():
        raise click.UsageError("no text: give it as arguments or, a line each, on standard input")
    texts = []
    lines = sys.stdin.buffer.read().removesuffix(b"\n")
    for number, line in enumerate(lines.split(b"\n") if lines else [], start=1):
        try:
            texts.append(line.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise InputError(
                f"standard input, line {number}: byte {error.start} is not UTF-8; convert the file"
            ) from error
    return texts

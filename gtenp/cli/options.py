"""The options and arguments that several verbs share."""

from __future__ import annotations

import sys

import click

from gtenp.errors import InputError
from gtenp.hub import DEFAULT_MODEL

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

"""The arguments and options that name files of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gtenp.jobs.formats import FORMATS, STREAMED

_FORMATS = ["lines", "jsonl", "csv", "tsv", "document", "parquet", "sqlite"]

_OPTIONS = (
    click.option(
        "--format",
        "form",
        type=click.Choice(_FORMATS),
        help="How to read the inputs, instead of by their endings.",
    ),
    click.option(
        "--column",
        "--field",
        "column",
        metavar="NAME",
        help="Where the text is: a column, or a field of JSON (a.b is b within a).  "
        "[default: text]",
    ),
    click.option(
        "--id",
        "id_column",
        metavar="NAME",
        help="Where the id is.  [default: id, else it is the line's number]",
    ),
    click.option(
        "--glob",
        multiple=True,
        metavar="PATTERN",
        help="A folder's files to read; once for each.  [default: *.txt, *.md]",
    ),
    click.option("--sql", metavar="QUERY", help="What to read of a SQLite file."),
)

DTYPES = click.Choice(["float32", "float16", "int8", "ubinary"])


def source_options(command: Any) -> Any:
    """A decorator: the options that say how inputs are read."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def inputs_of(arguments: tuple[str, ...], form: str | None, bare: bool) -> tuple[str, ...]:
    """The arguments where they are inputs; none where they are texts. ``bare`` says whether a name
    without an ending may be a file's or a folder's.

    UsageError where they are some of each, or where one looks like a file that isn't there.
    """
    found = [argument for argument in arguments if _is_input(argument, form, bare)]
    others = [argument for argument in arguments if argument not in found]
    for other in others:
        if found or form or _looks_like_a_file(other):
            raise click.UsageError(
                f"{other[:80]}: no such file. Texts and files don't mix, and a text that looks like"
                " a file's name goes through standard input"
            )
    return tuple(found)


def _is_input(argument: str, form: str | None, bare: bool) -> bool:
    if argument == "-":
        return True
    try:
        path = Path(argument)
        if path.is_dir():
            return bare or argument.endswith("/")
        # A pipe too: <(zcat …). One of an unknown ending is refused when its form is looked for.
        return (bare or bool(form or path.suffix)) and path.exists()
    except (OSError, ValueError):  # a text too long for a name, or with a NUL in it
        return False


def _looks_like_a_file(argument: str) -> bool:
    return not any(map(str.isspace, argument)) and _has_known_ending(Path(argument))


def _has_known_ending(path: Path) -> bool:
    ending = path.suffix.lower()
    if ending == ".gz":
        return FORMATS.get(Path(path.stem).suffix.lower(), "lines") in STREAMED
    return ending in FORMATS

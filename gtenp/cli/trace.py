"""``gtenp trace``: every intermediate value, in a file that any language reads."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gtenp.cli.options import (
    examples,
    model_option,
    open_any,
    output_file,
    revision_option,
    texts_argument,
)
from gtenp.cli.streams import destination


@click.command(epilog=examples('gtenp trace "hello world" -o values.safetensors'))
@texts_argument
@model_option
@revision_option
@click.option(
    "-o",
    "--output",
    type=output_file,
    required=True,
    help="The file to write: a .safetensors; - is standard output.",
)
@click.option("--npz", is_flag=True, help="Write a .npz; a path that ends so does as well.")
@click.option(
    "--dtype",
    type=click.Choice(["float64", "float32"]),
    default="float64",
    show_default=True,
    help="What to compute in.",
)
def trace(
    texts: tuple[str, ...], model: str, revision: str | None, output: Path, npz: bool, dtype: str
) -> None:
    """Write every value that the model computes on the way from TEXTS to their vectors.

    Of a cross-encoder the first of TEXTS is the query, and each other one a document that is read
    with it. Without TEXTS, each line of standard input is one. Names and shapes are those of
    gtenp/verify/trace.py; the file's metadata lists them. Several texts' names begin with 0., 1.
    and so on.
    """
    sentences, embedder = open_any("trace", texts, model, revision)
    from gtenp.verify import trace as tracing
    from gtenp.verify import value_files

    reference = tracing.model_of(embedder, dtype)
    rows = zip(*tracing.tokens(embedder, sentences, truncate="warn"), strict=True)
    values = [tracing.trace(reference, ids, types) for ids, types in rows]
    traced: tracing.Texts = tracing.pairs_of(sentences) if reference.scores else sentences
    name = os.fsencode(model).decode("utf-8", "replace")  # a folder's may be no UTF-8
    is_npz = npz or output.suffix == ".npz"
    value_files.write(destination(output), traced, values, name, npz=is_npz)
    what = ("pair" if reference.scores else "text") + "s" * (len(traced) > 1)
    click.echo(f"{output}: {sum(map(len, values))} values of {len(traced)} {what}", err=True)

"""``gtenp embed``: texts to vectors."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gtenp.cli.options import (
    model_option,
    open_texts,
    output_file,
    revision_option,
    texts_argument,
)
from gtenp.cli.streams import destination


@click.command()
@texts_argument
@model_option
@revision_option
@click.option(
    "-o",
    "--output",
    type=output_file,
    help="Write a float32 [n, dim] NumPy file (.npy) instead of printing; - is standard output.",
)
def embed(texts: tuple[str, ...], model: str, revision: str | None, output: Path | None) -> None:
    """Print each text's vector as one line of JSON.

    Without TEXTS, each line of standard input is one, an empty line too.
    """
    sentences, embedder = open_texts(texts, model, revision)
    show_progress_bar = sys.stderr.isatty()
    if output is None:
        for embedding in embedder.encode(sentences, show_progress_bar=show_progress_bar):
            # str(), not a conversion to float64: nine digits name a float32, more would be noise
            click.echo(f"[{', '.join(map(str, embedding))}]")
        return
    from numpy.lib import format as npy

    from gtenp.model_files.folders import new_file

    # The file first: where none can be made, nothing need be computed.
    with new_file(destination(output)) as file:
        embeddings = embedder.encode(sentences, show_progress_bar=show_progress_bar)
        # np.save writes past the file object, and its errors don't say what is wrong.
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(embeddings))
        file.write(embeddings.data)
    click.echo(f"{output}: {len(sentences)} × {embeddings.shape[1]} float32", err=True)

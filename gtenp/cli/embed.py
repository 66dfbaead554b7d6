"""``gtenp embed``: texts to vectors."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gtenp.cli.options import model_option, open_texts, revision_option


@click.command()
@click.argument("texts", nargs=-1)
@model_option
@revision_option
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a float32 [n, dim] NumPy file (.npy) instead of printing.",
)
def embed(texts: tuple[str, ...], model: str, revision: str | None, output: Path | None) -> None:
    """Print each text's vector as one line of JSON.

    Without TEXTS, each line of standard input is one.
    """
    sentences, embedder = open_texts(texts, model, revision)
    embeddings = embedder.encode(sentences, show_progress_bar=sys.stderr.isatty())
    if output is not None:
        import numpy as np

        from gtenp.model_files.folders import new_file

        with new_file(output) as file:
            np.save(file, embeddings)
        click.echo(f"{output}: {len(sentences)} × {embeddings.shape[1]} float32", err=True)
        return
    for embedding in embeddings:
        # str(), not a conversion to float64: nine digits name a float32, more would be noise
        click.echo(f"[{', '.join(map(str, embedding))}]")

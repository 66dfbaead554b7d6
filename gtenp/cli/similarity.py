"""``gtenp similarity``: how alike the first text is to each of the others."""

from __future__ import annotations

import time

import click

from gtenp.cli.options import model_option, revision_option


@click.command()
@click.argument("text")
@click.argument("others", nargs=-1, required=True)
@model_option
@revision_option
def similarity(text: str, others: tuple[str, ...], model: str, revision: str | None) -> None:
    """Score TEXT against each of OTHERS: the model's similarity, mostly the cosine, × 100."""
    start = time.perf_counter()
    from gtenp.embedder import Embedder

    embedder = Embedder(model, revision=revision)
    loaded = time.perf_counter()
    embeddings = embedder.encode([text, *others])
    scores = embedder.similarity(embeddings[0], embeddings[1:])[0] * 100
    done = time.perf_counter()

    click.echo(text)
    for other, score in zip(others, scores, strict=True):
        click.echo(f"{score:8.2f}  {other}")
    click.echo(
        f"{model}, {embedder.get_embedding_dimension()} dimensions, "
        f"loaded in {loaded - start:.2f} s, embedded in {done - loaded:.3f} s"
    )

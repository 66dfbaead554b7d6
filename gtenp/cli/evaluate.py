"""``gtenp evaluate``: published figures, measured."""

from __future__ import annotations

from pathlib import Path

import click

from gtenp.cli.options import examples, model_option, revision_option


@click.group()
def evaluate() -> None:
    """Measure how well a model's scores agree with people's."""


@evaluate.command(epilog=examples("gtenp evaluate sts sts-test.csv"))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@model_option
@revision_option
def sts(file: Path, model: str, revision: str | None) -> None:
    """Print Spearman's rank correlation (× 100) on FILE, in the STS benchmark's form.

    A line is genre, file, year, id, score, sentence 1 and sentence 2, tab-separated.
    """
    from gtenp.embedder import Embedder
    from gtenp.measure.quality import read_sts, sts

    pairs = read_sts(file)
    embedder = Embedder(model, revision=revision)
    score = sts(embedder, pairs)
    click.echo(f"{model}, {len(pairs)} pairs, max {embedder.max_seq_length} tokens")
    click.echo(f"Spearman {score * 100:.2f}")

"""``gtenp rerank``: documents in the order of their worth for a query."""

from __future__ import annotations

import shutil
import sys

import click

from gtenp.cli.options import TEXT, examples, model_option, read_texts, revision_option
from gtenp.cli.streams import echo_json


@click.command(
    epilog=examples('gtenp rerank "capital of China" "Beijing" "quick sort" --model DIR')
)
@click.argument("query", type=TEXT)
@click.argument("documents", nargs=-1, type=TEXT)
@model_option
@revision_option
@click.option("-k", "--top-k", type=click.IntRange(min=1), help="Show the best so many only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line a document.")
def rerank(
    query: str,
    documents: tuple[str, ...],
    model: str,
    revision: str | None,
    top_k: int | None,
    as_json: bool,
) -> None:
    """Score DOCUMENTS for QUERY with a cross-encoder, and show them best first.

    Without DOCUMENTS, each line of standard input is one. A document's number is its place among
    them, from 0.
    """
    texts = read_texts(documents)
    from gtenp.cross_encoder import CrossEncoder
    from gtenp.explain.heatmap import cut

    encoder = CrossEncoder(model, revision=revision)
    found = encoder.rank(query, texts, top_k, show_progress_bar=sys.stderr.isatty())
    if as_json:
        for hit in found:
            echo_json({**hit, "text": texts[hit["corpus_id"]]})
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    label = len(str(max(len(texts) - 1, 0)))
    for hit in found:
        number, score = hit["corpus_id"], hit["score"]
        click.echo(f"{score:>9.4f}  {number:>{label}}  {cut(texts[number], width - label - 13)}")

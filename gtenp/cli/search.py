"""``gtenp search``: the nearest texts of many."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click

from gtenp.cli.options import TEXT, examples, read_texts
from gtenp.cli.sources import source_options
from gtenp.cli.streams import echo_json
from gtenp.model_files.names import DEFAULT_MODEL

_RERANKED = 50


@click.command(
    epilog=examples(
        'gtenp search "how do I sort a list?" --in docs.npy',
        'gtenp search "how do I sort a list?" --in docs/ --cache --model all-MiniLM-L6-v2',
        "gtenp search --in corpus.parquet --json < questions.txt",
    )
)
@click.argument("queries", nargs=-1, type=TEXT, metavar="[QUERIES]...")
@click.option("--in", "where", required=True, type=click.Path(exists=True, path_type=Path),
              help="What gtenp embed wrote, or a file or folder of texts.")  # fmt: skip
@click.option("-k", "--top-k", type=click.IntRange(min=1), default=10, show_default=True,
              help="Show the best so many.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line a hit.")
@click.option("--rerank", "reranker", metavar="MODEL",
              help=f"Order the best {_RERANKED} by this cross-encoder.")  # fmt: skip
@click.option("--cache", is_flag=True,
              help="Keep the vectors of texts beside them, for the next time.")  # fmt: skip
@click.option("--model", metavar="NAME|DIR",
              help="Where the model is that made the vectors, if not under its name; for texts the "
              f"model to use.  [default for texts: GTENP_MODEL, or {DEFAULT_MODEL}]")  # fmt: skip
@source_options
def search(
    queries: tuple[str, ...],
    where: Path,
    top_k: int,
    as_json: bool,
    reranker: str | None,
    cache: bool,
    model: str | None,
    **read: Any,
) -> None:
    """Show the texts that are nearest to each of QUERIES.

    Without QUERIES, each line of standard input is one. A score is the model's similarity, mostly
    the cosine, or with --rerank the cross-encoder's.
    """
    texts = read_texts(queries)
    from gtenp.jobs.index import Index
    from gtenp.jobs.outputs import is_output

    with ExitStack() as stack:
        if is_output(where):
            _refuse_options_of_texts(where, cache=cache, **read)
        else:
            model = model or os.environ.get("GTENP_MODEL") or DEFAULT_MODEL
            where = _embedded(where, model, read, cache, stack)
        index = Index.open(where, model)
        found = index.search(texts, max(top_k, _RERANKED) if reranker else top_k)
        if reranker:
            from gtenp.cross_encoder import CrossEncoder

            encoder = CrossEncoder(reranker)
            found = [
                _reranked(encoder, query, hits[:_RERANKED] if top_k <= _RERANKED else hits)[:top_k]
                for query, hits in zip(texts, found, strict=True)
            ]
    for query, hits in zip(texts, found, strict=True):
        if as_json:
            for hit in hits:
                echo_json({"query": query, **hit})
        else:
            _show(query if len(texts) > 1 else None, hits)


def _refuse_options_of_texts(where: Path, **given: Any) -> None:
    names = {"form": "format", "id_column": "id"}
    found = [f"--{names.get(name, name)}" for name, value in given.items() if value]
    if found:
        raise click.UsageError(f"{where}: holds vectors; {', '.join(found)} is for texts")


def _embedded(where: Path, model: str, read: dict[str, Any], cache: bool, stack: ExitStack) -> Path:
    """The vectors of texts: those of the last time, where they are kept and nothing has changed."""
    from gtenp.embedder import Embedder
    from gtenp.jobs import job
    from gtenp.jobs.formats import GLOB
    from gtenp.jobs.readers import Source
    from gtenp.jobs.spool import AnotherJobError

    glob = read.pop("glob") or GLOB
    source = Source(
        (str(where),), read["form"], read["column"], read["id_column"], glob, read["sql"]
    )
    embedder = Embedder(model)
    whole = Path(os.path.abspath(where))  # of "." too
    out = whole.parent / f"{whole.name}.gtenp.npy"
    if not cache:
        out = Path(stack.enter_context(tempfile.TemporaryDirectory()), "out.npy")
    options = job.Options(prompt_name="document")

    def tell(line: str) -> None:
        click.echo(line, err=True)

    if job.is_done(out, source, embedder, options, tell):
        return out
    run = partial(job.run, source, out, embedder, model, options, tell=tell)
    try:
        done = run()
    except AnotherJobError:  # a cache has no one to ask
        done = run(restart=True)
    if done.cut:
        tell(f"{done.cut:,} of {done.texts:,} texts were cut; gtenp embed --chunk makes parts")
    return out


def _reranked(encoder: Any, query: str, hits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ranked = encoder.rank(query, [hit["text"] for hit in hits])
    return [{**hits[one["corpus_id"]], "score": one["score"]} for one in ranked]


def _show(query: str | None, hits: list[dict[str, Any]]) -> None:
    from gtenp.explain.heatmap import cut

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    if query is not None:
        click.echo(cut(query, width))
    places = [_place(hit) for hit in hits]
    column = max(map(len, places), default=0)
    for hit, place in zip(hits, places, strict=True):
        text = " ".join(hit["text"].split())
        left = max(width - column - 11, 20)
        click.echo(f"{hit['score']:>7.4f}  {place:{column}}  {cut(text, left)}".rstrip())


def _place(hit: dict[str, Any]) -> str:
    """Where the text is, and its id where this says something else."""
    part = f" {hit['start']}-{hit['end']}" if "start" in hit else ""
    place = f"{hit['place']}{part}"
    known = hit["place"] == hit["id"] or hit["place"].endswith((f":{hit['id']}", f"/{hit['id']}"))
    return place if known else f"{hit['id']}  {place}"

"""``gtenp embed``: texts to vectors, files of texts to files of vectors."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtenp.cli.options import TEXT, examples, model_option, output_file, revision_option
from gtenp.cli.sources import DTYPES, inputs_of, source_options
from gtenp.cli.streams import destination, is_stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gtenp.embedder import Embedder
    from gtenp.jobs.job import Done, Options, Progress
    from gtenp.jobs.readers import Source


class _Shard(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    name = "i/n"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        first, _, count = str(value).partition("/")
        if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
            self.fail(f"{value!r}; wanted i/n, from 1/n to n/n", param, ctx)
        return int(first), int(count)


_positive = click.IntRange(min=1)

# Options that leave texts that are printed to Embedder.encode alone.
_DEFAULTS = {
    "dtype": "float32",
    "truncate_dim": None,
    "prompt_name": None,
    "normalize": None,
    "max_length": None,
    "batch_invariant": False,
    "chunk": None,
    "overlap": 0,
    "shard": None,
    "on_error": "stop",
}


@click.command(
    epilog=examples(
        'gtenp embed "what is the capital of China?"',
        "gtenp embed corpus.jsonl --field body -o corpus.parquet",
        "gtenp embed docs/ --chunk 200 --overlap 20 -o docs.npy",
        'gtenp embed notes.db --sql "select id, text from notes" -o notes.sqlite',
        "zcat log.gz | gtenp embed -o log.safetensors",
    )
)
@click.argument("texts", nargs=-1, type=TEXT, metavar="[TEXTS|INPUTS]...")
@model_option
@revision_option
@click.option(
    "-o",
    "--output",
    type=output_file,
    help="Write .npy, .npz, .safetensors, .jsonl, .csv, .parquet or .sqlite instead of printing;"
    " - is a .npy on standard output.",
)
@source_options
@click.option("--dtype", type=DTYPES, default="float32", show_default=True,
              help="The numbers to write.")  # fmt: skip
@click.option("--truncate-dim", type=_positive, help="Keep so many of a vector's values.")
@click.option("--prompt-name", metavar="NAME", help="The model's prompt to put before each text.")
@click.option("--normalize/--no-normalize", default=None, help="Vectors of length 1, or as pooled.")
@click.option("--max-length", type=_positive, help="Tokens to read of a text at most.")
@click.option("--threads", type=_positive, help="How many CPUs to use.")
@click.option(
    "--processes",
    type=_positive,
    default=1,
    metavar="N",
    help="Share them between so many processes, which have one copy of the weights.",
)
@click.option("--batch-invariant", is_flag=True, help="Each text through the model by itself.")
@click.option("--chunk", type=_positive, metavar="TOKENS", help="Cut texts into parts of so many.")
@click.option(
    "--overlap",
    type=click.IntRange(min=0),
    default=0,
    metavar="TOKENS",
    help="What a part shares with the one before.",
)
@click.option("--shard", type=_Shard(), help="Take every n-th block of texts, from the i-th.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="At a line that gives no text: stop, or list it in OUT.errors.jsonl.",
)
@click.option("--restart", is_flag=True, help="Begin anew, whatever an earlier run has done.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress and no closing line.")
def embed(
    texts: tuple[str, ...],
    model: str,
    revision: str | None,
    output: Path | None,
    form: str | None,
    column: str | None,
    id_column: str | None,
    glob: tuple[str, ...],
    sql: str | None,
    threads: int | None,
    processes: int,
    restart: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Print each text's vector as one line of JSON, or embed files of texts into a file.

    An argument is read as a file where there is one of that name that ends in .txt (lines), .jsonl,
    .csv, .tsv, .parquet, .sqlite (with --sql) or .md (one text), the first four also with .gz, or
    any with --format; or where it is a folder and -o or --glob is given. Without arguments, and for
    -, each line of standard input is a text, an empty line too.

    A job with -o that is killed goes on where it was when the same command is given again; one that
    is done is not done again.
    """
    inputs = inputs_of(texts, form, bare=output is not None or bool(glob))
    if not texts:
        if sys.stdin is None or sys.stdin.isatty():
            raise click.UsageError(
                "no text: give it as arguments or, a line each, on standard input"
            )
        inputs = ("-",)
    from gtenp.embedder import Embedder

    reading = (form, column, id_column, glob, sql)
    plain = chosen == _DEFAULTS and processes == 1 and not any(reading)
    if output is None and not inputs and plain:
        _print_texts(texts, Embedder(model, revision=revision, threads=threads))
        return
    from gtenp.jobs import job
    from gtenp.jobs.formats import GLOB
    from gtenp.jobs.job import Options, settle
    from gtenp.jobs.readers import Source

    options = Options(**chosen)
    source = Source(inputs, form, column, id_column, glob or GLOB, sql, () if inputs else texts)
    embedder = Embedder(model, revision=revision)
    if output is None:
        _print(source, settle(embedder, options), options, threads, processes)
        return
    at_once = _is_stream(output) or not (inputs or output.suffix)

    def say(line: str) -> None:
        if not quiet:
            click.echo(line, err=True)

    if not at_once and not restart and job.is_done(output, source, embedder, options, say):
        say(f"{output}: is done already; --restart does it again")
        return
    with _progress(replace(source, out=output), quiet) as (tell, progress):
        start = time.perf_counter()
        with _at_once(output) if at_once else nullcontext(output) as file:
            try:
                done = job.run(
                    source,
                    file,
                    embedder,
                    model,
                    options,
                    threads=threads,
                    processes=processes,
                    restart=restart,
                    tell=tell,
                    progress=progress,
                )
            except KeyboardInterrupt:
                if file == output:
                    tell(f"{output}.part is kept; the same command goes on from there")
                raise
    if not quiet:
        seconds = time.perf_counter() - start
        click.echo(_closing_line(output, done, options.dtype, seconds), err=True)


def _print_texts(texts: tuple[str, ...], embedder: Embedder) -> None:
    """Those of the command line, which no one waits for."""
    for embedding in embedder.encode(texts, show_progress_bar=sys.stderr.isatty()):
        click.echo(_json(embedding))


def _print(
    source: Source, embedder: Embedder, options: Options, threads: int | None, processes: int
) -> None:
    from gtenp.jobs.blocks import of_shard, split
    from gtenp.jobs.job import checked, embed
    from gtenp.jobs.readers import read
    from gtenp.jobs.rows import convert

    if options.dtype == "int8":
        raise click.UsageError("--dtype int8 cuts by the ranges of all texts; write a file with -o")
    found = checked(read(replace(source, columns=False)), options.on_error)
    blocks = of_shard(split(found), options.shard)
    for done in embed(blocks, embedder, options, threads, processes):
        for bad in done.block.bad:
            click.echo(f"{bad.place}: {bad.problem}", err=True)
        for vector in convert(done.vectors, options.dtype, None):
            click.echo(_json(vector))


def _json(embedding: Any) -> str:
    # str(), not a conversion to float64: nine digits name a float32, more would be noise
    return f"[{', '.join(map(str, embedding))}]"


def _is_stream(output: Path) -> bool:
    """Whether it is a pipe, a device or standard output."""
    try:
        return is_stdout(output) or not (output.is_dir() or stat.S_ISREG(output.stat().st_mode))
    except FileNotFoundError:
        return False


@contextmanager
def _at_once(output: Path) -> Iterator[Path]:
    """A file to write, which becomes OUT, a .npy with nothing beside it, when it is whole."""
    from gtenp.model_files.folders import new_file

    with tempfile.TemporaryDirectory() as folder, new_file(destination(output)) as file:
        path = Path(os.path.realpath(folder), "out.npy")
        try:
            yield path
        except OSError as error:
            if Path(str(error.filename)).is_relative_to(path.parent):
                error.filename = str(output)  # which says more
            raise
        with open(path, "rb") as made:
            shutil.copyfileobj(made, file)


@contextmanager
def _progress(source: Source, quiet: bool) -> Iterator[tuple[Callable[[str], None], Progress]]:
    """What a job tells: sentences, and how many texts and tokens are done; on a terminal a bar."""
    if quiet or not sys.stderr.isatty():
        yield (lambda line: None if quiet else click.echo(line, err=True)), lambda _, __: None
        return
    from tqdm import tqdm

    from gtenp.jobs.readers import count

    start, tokens = time.perf_counter(), 0
    with tqdm(total=count(source), unit=" texts", disable=None) as bar:

        def progress(texts: int, new_tokens: int) -> None:
            nonlocal tokens
            tokens += new_tokens
            if new_tokens:
                rate = tokens / (time.perf_counter() - start)
                bar.set_postfix_str(f"{rate:,.0f} tokens/s", refresh=False)
                bar.update(texts)
            else:  # what an earlier run has done says nothing of the time left
                bar.initial = bar.n = texts

        yield (lambda line: tqdm.write(line, file=sys.stderr)), progress


def _closing_line(output: Path, done: Done, dtype: str, seconds: float) -> str:
    parts = [f"{output}: {done.rows:,} × {done.width} {dtype}"]
    parts.append(f"{done.texts:,} texts, {done.tokens:,} tokens in {seconds:,.1f} s")
    if done.resumed:
        parts.append(f"{done.resumed:,} rows were there")
    if done.cut:
        parts.append(f"{done.cut:,} cut at {done.max_length} tokens")
    if done.bad:
        parts.append(f"{done.bad:,} skipped, see {os.path.basename(output)}.errors.jsonl")
    return "; ".join(parts)

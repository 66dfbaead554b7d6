"""``gtenp similarity``: how alike texts are, each to each."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gtenp.cli.options import TEXT, examples, model_option, output_file, read_texts, revision_option
from gtenp.cli.streams import destination, is_stdout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gtenp.engine.kernels import Float32


@click.command(
    epilog=examples(
        'gtenp similarity "Beijing" "the capital of China" "quick sort"',
        "gtenp similarity --html scores.html < texts.txt",
    )
)
@click.argument("texts", nargs=-1, type=TEXT, metavar="[TEXT OTHERS...]")
@click.option("--png", type=output_file, help="Draw the scores into this file too (gtenp[plot]).")
@click.option("--svg", type=output_file, help="The same as SVG (gtenp[plot]).")
@click.option("--html", type=output_file, help="The same as a web page, with the texts whole.")
@model_option
@revision_option
def similarity(
    texts: tuple[str, ...],
    png: Path | None,
    svg: Path | None,
    html: Path | None,
    model: str,
    revision: str | None,
) -> None:
    """Score TEXT and OTHERS against each other: the model's similarity, mostly the cosine, × 100.

    Of two texts it prints the one score; of more a table, its columns numbered as its rows. On a
    terminal the scores are shaded, from the least to the greatest of two different texts. Without
    texts, each line of standard input is one.

    A file named - is standard output; the scores are then printed to standard error.
    """
    files = [path for path in (png, svg, html) if path is not None]
    names = ["-" if is_stdout(path) else os.path.realpath(path) for path in files]
    if len(set(names)) < len(names):
        raise click.UsageError("two of --png, --svg and --html name one file; name a file for each")
    sentences = read_texts(texts)
    if len(sentences) < 2:
        found = "one text" if sentences else "no text"
        raise click.UsageError(f"{found} to compare; wanted two or more")
    start = time.perf_counter()
    from gtenp.embedder import Embedder
    from gtenp.explain import heatmap
    from gtenp.model_files.folders import new_file

    embedder = Embedder(model, revision=revision)
    loaded = time.perf_counter()
    scores = heatmap.heat_map(embedder, sentences).scores
    done = time.perf_counter()

    if png is not None:
        with new_file(destination(png)) as file:
            heatmap.write_picture(file, scores, sentences, model, "png")
    if svg is not None:
        with new_file(destination(svg)) as file:
            heatmap.write_picture(file, scores, sentences, model, "svg")
    if html is not None:
        with new_file(destination(html)) as file:
            heatmap.write_html(file, scores, sentences, model)

    err = "-" in names
    on_terminal = (sys.stderr if err else sys.stdout).isatty()
    width = shutil.get_terminal_size().columns if on_terminal else sys.maxsize
    for line in _lines(scores, sentences, width):
        click.echo(line, err=err)
    click.echo(
        f"{model}, {embedder.get_embedding_dimension()} dimensions, "
        f"loaded in {loaded - start:.2f} s, embedded in {done - loaded:.3f} s",
        err=err,
    )


def _lines(scores: Float32, texts: Sequence[str], width: int) -> Iterator[str]:
    from gtenp.explain.heatmap import cut

    if len(texts) > 2:
        yield from heat_table(scores, texts, width)
        return
    yield cut(texts[0], sys.maxsize)
    yield f"{scores[0, 1]:8.2f}  {cut(texts[1], sys.maxsize)}"


_TEXT = 20  # the columns that are left to a text, however many scores stand before it


def heat_table(scores: Float32, texts: Sequence[str], width: int) -> Iterator[str]:
    """The lines of a shaded table, each text beside its scores and cut to the width.

    Where the scores are too many for the width they lose their decimals, and where that is not
    enough the columns are shown in several tables, one below the other.
    """
    from gtenp.explain import heatmap

    places, count = heatmap.shade(scores), len(texts)
    label = len(str(count))
    for decimals in (2, 0):
        cells = heatmap.numerals(scores, decimals)
        cell = max(len(numeral) for row in cells for numeral in row) + 2
        fitting = max(1, (width - label - _TEXT) // cell)
        if fitting >= count:
            break
    for first in range(0, count, fitting):
        shown = range(first, min(first + fitting, count))
        yield " " * label + "".join(f"{column + 1:>{cell - 1}} " for column in shown).rstrip()
        for i, text in enumerate(texts):
            row = ""
            for column in shown:
                shade = heatmap.SHADES[places[i, column]]
                numeral = f"{cells[i][column]:>{cell - 1}} "
                row += click.style(numeral, fg=shade.ink, bg=shade.terminal)
            room = width - label - cell * len(shown) - 1
            yield f"{i + 1:>{label}}{row} {heatmap.cut(text, room)}"

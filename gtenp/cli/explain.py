"""``gtenp explain``: what happens to a text on its way to a vector, for readers."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gtenp.cli.options import (
    examples,
    model_option,
    open_any,
    output_file,
    revision_option,
    texts_argument,
)
from gtenp.cli.streams import destination, is_stdout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gtenp.cross_encoder import CrossEncoder
    from gtenp.embedder import Embedder
    from gtenp.explain.explain import Comparison, Explanation, Stage
    from gtenp.reference import Array

_PAIRS = 8  # token pairs shown of two texts
_TOKENS = 60  # tokens shown of a text
_WIDTH = 80


@click.command(epilog=examples('gtenp explain "what is the capital of China?"'))
@texts_argument
@model_option
@revision_option
@click.option(
    "--html",
    type=output_file,
    help="Write a page instead: attention, norms and similarities to look at.",
)
def explain(texts: tuple[str, ...], model: str, revision: str | None, html: Path | None) -> None:
    """Walk TEXTS through the model: what each stage does, its shape, numbers, time and FLOPs.

    Of further texts only the figures are shown, then how alike each is to the first, and which
    token pairs made it so. Of a cross-encoder the first of TEXTS is the query, and each other one a
    document that is read with it. Without TEXTS, each line of standard input is one.
    """
    sentences, embedder = open_any("explain", texts, model, revision)
    from gtenp.cross_encoder import CrossEncoder
    from gtenp.explain.explain import compare
    from gtenp.explain.explain import explain as explain_texts

    if html is not None:
        from gtenp.explain import page_file

        page_file.write(destination(html), embedder, model, sentences)
        if not is_stdout(html):
            click.echo(f"{html}: open it in a browser", err=True)
        return
    first, *others = explanations = explain_texts(embedder, sentences)
    _show_model(embedder, model)
    name = "scores" if isinstance(embedder, CrossEncoder) else "vector"
    for number, text in enumerate(explanations, start=1):
        _show_text(text, number if others else None, name, in_full=number == 1)
    if isinstance(embedder, CrossEncoder):
        return
    for number, other in enumerate(others, start=2):
        _show_comparison(embedder, first, other, compare(embedder, first, other), number)


# ── One text ─────────────────────────────────────────────────────────────────────────────────────


def _show_model(embedder: Embedder | CrossEncoder, model: str) -> None:
    from gtenp.model_files.config import Arithmetic

    config = embedder.config
    click.echo(
        f"{_printable(model)}\n"
        f"L = {config.num_hidden_layers} layers, A = {config.num_attention_heads} heads "
        f"of D = {config.head_size}, H = {config.hidden_size}, F = {config.intermediate_size}"
    )
    source = "bert.py" if config.arithmetic == Arithmetic() else "bert.py's and variations.py"
    click.echo(f"The functions are gtenp/reference/{source}'s, the times its own in float32.")
    click.echo("FLOPs are those of the matrix products: 2·m·k·n for [m, k] × [k, n].")


def _show_text(text: Explanation, number: int | None, name: str, *, in_full: bool) -> None:
    click.echo()
    _heading(f"Text {number}" if number else "Text", _printable(text.text))
    _heading("Tokens", f"S = {len(text.tokens)}, by gtenp/tokenizer")
    shown = [f"{t} {i}" for t, i in zip(text.tokens, text.trace.input_ids, strict=True)]
    _wrapped(shown[:_TOKENS] + [f"… {len(shown) - _TOKENS} more"] * (len(shown) > _TOKENS))
    token = min(1, len(text.tokens) - 1)  # the first word, for the rows of numbers
    _heading("Embeddings")
    _show_stages(text, text.embedding_stages, token, in_full)
    _heading("Layer 0", "run_layer, in its parts")
    _show_stages(text, text.layer_stages, token, in_full)
    if len(text.layers) > 1:
        _heading(f"Layers 0 to {len(text.layers) - 1}", "forward: each takes what the last made")
        _show_layers(text)
    _heading("Sentence")
    _show_stages(text, text.sentence_stages, 0, in_full)
    click.echo(f"  {name} [{len(text.vector)}]: {_numbers(text.vector, 7)}")
    click.echo(
        f"  in all {_flops(text.flops)}\n"
        f"  {text.seconds * 1e3:,.2f} ms in reference/bert.py, from ids to {name}\n"
        f"  {text.engine_seconds * 1e3:,.2f} ms in the fast engine (encoder.py, kernels.py), "
        f"from text to {name}"
    )


def _show_stages(text: Explanation, stages: Iterable[Stage], token: int, in_full: bool) -> None:
    for stage in stages:
        shape = f"[{', '.join(stage.axes)}] = [{', '.join(map(str, stage.value.shape))}]"
        click.echo(
            f"  {click.style(f'{stage.name:<18}', fg='cyan')} {shape:<31}"
            f"{_flops(stage.flops):>14}{stage.seconds * 1e3:>9.3f} ms"
        )
        if in_full:
            click.echo(f"      {click.style(stage.functions, bold=True)}: {stage.what}")
            row, of = _row(stage, text.tokens, token)
            click.echo(click.style(f"      {of}: {_numbers(row, 5)}", dim=True))


def _row(stage: Stage, tokens: tuple[str, ...], token: int) -> tuple[Array, str]:
    """A few of a stage's numbers, [n], and what they are of."""
    value = stage.value
    if value.ndim == 1:
        return value, "begins"
    name = f'"{tokens[token]}"'
    if value.ndim == 2:
        return value[token], name
    while value.ndim > 2:
        value = value[0]
    return value[token], f"{name} in head 0" + (", its query" if stage.value.ndim == 4 else "")


def _show_layers(text: Explanation) -> None:
    click.echo("  layer  norm  kept      ms  strongest look between two words")
    for number, layer in enumerate(text.layers):
        look = layer.strongest
        click.echo(
            f"  {number:>5}{layer.norm:>6.1f}{layer.kept:>6.2f}{layer.seconds * 1e3:>8.2f}  "
            + (
                f"{look.weight:.2f} in head {look.head}: "
                f"{text.tokens[look.token]} → {text.tokens[look.at]}"
                if look
                else "none: there are no two"
            )
        )
    click.echo("  norm: a state's mean length; kept: its cosine with what the layer was given")
    windows = {str(n): layer.window for n, layer in enumerate(text.layers) if layer.window}
    if windows:
        click.echo(
            f"  layers {', '.join(windows)} are local: a token looks at "
            f"{max(windows.values())} to either side"
        )


# ── Two texts ────────────────────────────────────────────────────────────────────────────────────


def _show_comparison(
    embedder: Embedder, first: Explanation, other: Explanation, found: Comparison, number: int
) -> None:
    from gtenp.explain.explain import is_average, largest

    measure = embedder.similarity_fn_name
    click.echo()
    _heading(f"Texts 1 and {number}", f"{measure} {found.score:.4f}, by gtenp/similarity.py")
    count = len(first.tokens) * len(other.tokens)
    if found.contributions is None:
        sentence = embedder.sentence_config
        if measure not in ("cosine", "dot"):
            reason = f"a {measure} similarity is no product"
        elif is_average(sentence):
            reason = f"{' and '.join(sentence.pooling.modes)} pooling is no average of all tokens"
        else:
            reason = f"the vector goes through {', '.join(h.summary for h in sentence.heads)}"
        _wrapped(
            [f"{reason}, so the score is no sum over token pairs. The pairs whose last states are "
             "most alike, by cosine:"]
        )  # fmt: skip
        matrix = found.cosines[-1]
    else:
        sizes = f"{len(first.tokens)} × {len(other.tokens)}"
        is_mean = embedder.sentence_config.pooling.modes == ("mean",) and measure == "cosine"
        part = f": each is h · h′ / ({sizes} · |a| |b|)" if is_mean else ""
        _wrapped(
            ["The sentence vector is a sum of one part a token, so the score is exactly the sum of "
             f"{sizes} = {count} products of parts{part}. The largest:"]
        )  # fmt: skip
        matrix = found.contributions
    pairs = largest(matrix, _PAIRS)
    for i, j in pairs:
        click.echo(f"  {matrix[i, j]:>8.4f}  {first.tokens[i]} · {other.tokens[j]}")
    if found.contributions is not None:
        rest = matrix.sum() - sum(matrix[pair] for pair in pairs)
        click.echo(f"  {rest:>8.4f}  the other {count - len(pairs)}")
        click.echo(f"  {matrix.sum():>8.4f}  all {count} pairs: the {measure}")


# ── Lines ────────────────────────────────────────────────────────────────────────────────────────


def _heading(title: str, note: str = "") -> None:
    click.echo(click.style(title, bold=True) + (f"  {note}" if note else ""))


def _wrapped(items: list[str]) -> None:
    """Items side by side, none broken over a line unless it is longer than one."""
    glued = [item.replace(" ", "\xa0") if len(items) > 1 else item for item in items]
    lines = textwrap.wrap(
        "  ".join(glued), _WIDTH, initial_indent="  ", subsequent_indent="  ",
        break_on_hyphens=False,
    )  # fmt: skip
    for line in lines:
        click.echo(line.replace("\xa0", " "))


def _numbers(row: Array, count: int) -> str:
    return " ".join(f"{number:.3f}" for number in row[:count]) + " …" * (len(row) > count)


def _flops(count: int) -> str:
    return f"{count / 1e6:,.2f} MFLOP" if count else ""


def _printable(text: str) -> str:
    """The text on one line, shortened, without characters that would move a terminal's cursor."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= 70 else line[:69] + "…"

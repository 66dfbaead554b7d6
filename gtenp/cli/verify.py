"""``gtenp verify``: the first value at which another implementation leaves the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gtenp.cli.options import (
    TEXT,
    examples,
    lines_of,
    model_option,
    open_model,
    revision_option,
)
from gtenp.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtenp.verify.compare import Comparison
    from gtenp.verify.trace import Texts
    from gtenp.verify.verify import Verdict

# For a live comparison without texts of one's own: short and long, with accents and without.
_TEXTS = [
    "hello",
    "what is the capital of China?",
    "The ferry leaves at six; whoever is late waits for the next one.",
    "Crème brûlée, naïve café: 3 × 4 = 12!",
    "Rain on the tin roof, the dog asleep by the door: nobody calls today. " * 4,
]

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog=examples('gtenp verify values.npz --text "hello world"'))
@click.argument(
    "other",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    required=False,
)
@click.option(
    "--text", "texts", type=TEXT, multiple=True, help="A text that was embedded; once for each."
)
@click.option("--texts", "texts_file", type=_file, help="The texts: a JSON list, or a line each.")
@click.option(
    "--kit",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A conformance kit: its model and its texts.",
)
@click.option("--transformers", is_flag=True, help="Compare with transformers, run here.")
@click.option("--onnx", type=_file, help="Compare with this ONNX file, run here by onnxruntime.")
@click.option("--tolerance", type=click.FloatRange(min=0), help="In place of 5e-6, see below.")
@model_option
@revision_option
@click.pass_context
def verify(
    ctx: click.Context,
    other: Path | None,
    texts: tuple[str, ...],
    texts_file: Path | None,
    kit: Path | None,
    transformers: bool,
    onnx: Path | None,
    tolerance: float | None,
    model: str,
    revision: str | None,
) -> None:
    """Compare OTHER's values with the reference in float64, in the model's order.

    OTHER is a .safetensors, .npz or JSON object of values named as `gtenp trace` names them, any
    part of them; or vectors: a .npy, JSON as OpenAI's, TEI's, Ollama's or llama.cpp's servers
    answer, a JSON list a line, or a .txt, .csv or .tsv with a vector a line; or a reranker's scores
    as TEI, Cohere or Jina answer. - reads JSON or lines from standard input. The texts are those
    given here, or else those of OTHER's metadata, or else its input_ids. With --transformers or
    --onnx, OTHER is run here. Of a cross-encoder the first text is the query, each other one a
    document; bare numbers are its scores.

    A step is within tolerance while its mean error stays under 5e-6 of its mean value, and its
    largest under 1e-5 of its largest. The exit status is 0 where every step is, 1 where one is not,
    2 for an error of use.
    """
    if sum((other is not None, transformers, onnx is not None)) != 1:
        raise click.UsageError("wanted one of OTHER, --transformers and --onnx FILE")
    from gtenp.verify import trace
    from gtenp.verify.compare import TOLERANCE
    from gtenp.verify.value_files import read
    from gtenp.verify.verify import verify

    limit = TOLERANCE if tolerance is None else tolerance
    named: Texts | None = list(texts) or (_read_texts(texts_file) if texts_file else None)
    if kit is not None:
        model, named = str(kit / "model"), _read_texts(kit / "texts.json")
    embedder = open_model(model, revision)
    if other is not None:
        file = read(other)
        verdict = verify(embedder, file.values, named or file.texts, limit)
        _print_steps(verdict.steps)
    else:
        from gtenp.verify import live

        named = named or _TEXTS
        ids, types = trace.tokens(embedder, named)
        if onnx is None:
            theirs = live.run_transformers(embedder, ids, types)
        else:
            theirs = live.run_onnx(embedder, ids, onnx)
        verdict = verify(embedder, trace.joined(theirs), named, limit)
        mine = live.run_gtenp(embedder, ids, types)
        ours = verify(embedder, trace.joined(mine), named, limit)
        name = "transformers" if onnx is None else onnx.name
        _print_side_by_side(name, ours.steps, verdict.steps)
    _print_verdict(verdict, limit)
    ctx.exit(1 if verdict.first else 0)


def _read_texts(path: Path) -> Texts:
    """A JSON list of texts, or of pairs; of any other file, its lines."""
    from gtenp.verify.answers import decode

    content = decode(path.read_bytes(), str(path))
    texts = _read_json(content, path) if path.suffix.lower() == ".json" else lines_of(content)
    if not texts:
        raise InputError(f"{path}: holds no text")
    return texts


def _read_json(content: str, path: Path) -> Texts:
    from gtenp.verify.value_files import is_texts

    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error})") from error
    if not is_texts(found):
        raise InputError(f"{path}: wanted a JSON list of texts")
    texts: Texts = found
    return texts


_COLUMNS = f"{'max abs':>11}{'mean abs':>11}{'relative':>11}"


def _print_steps(steps: Sequence[Comparison]) -> None:
    width = max(len(step.name) for step in steps)
    click.echo(f"{'step':{width}}{_COLUMNS}")
    for step in steps:
        click.echo(f"{step.name:{width}}{_figures(step)}{'  out' * bool(step.problem)}")


def _print_side_by_side(
    name: str, ours: Sequence[Comparison], theirs: Sequence[Comparison]
) -> None:
    width = max(len(step.name) for step in theirs)
    click.echo(f"{'':{width}}{'gtenp, float32':>33}  │{name:>33}")
    click.echo(f"{'against float64':{width}}{_COLUMNS}  │{_COLUMNS}")
    for mine, other in zip(ours, theirs, strict=True):
        click.echo(f"{mine.name:{width}}{_figures(mine)}  │{_figures(other)}")
    pairs = list(zip(ours, theirs, strict=True))
    for measure in ("max_abs", "mean_abs"):
        worse = [a.name for a, b in pairs if getattr(a, measure) > getattr(b, measure)]
        label = measure.replace("_", " ")
        click.echo(f"gtenp's {label} is the larger at: {', '.join(worse) or 'no step'}")


def _figures(step: Comparison) -> str:
    return f"{step.max_abs:11.2e}{step.mean_abs:11.2e}{step.relative:11.2e}"


def _print_verdict(verdict: Verdict, tolerance: float) -> None:
    for name in verdict.ignored:
        click.echo(f"not compared, for it is no name of gtenp's: {name}", err=True)
    first = verdict.first
    if first is None:
        click.echo(f"\nwithin tolerance: no step's relative error is above {tolerance:g}")
        return
    click.echo(f"\nFirst out of tolerance: {first.name}\n  {first.problem}")
    diagnosis = verdict.diagnosis
    if diagnosis is None:
        click.echo("Cause: none of the known ones yields these values.")
        return
    if not diagnosis.certain:
        click.echo(f"No known mistake yields these values. They look like {diagnosis.what}.")
        return
    click.echo(f"Likely cause: {diagnosis.what}.")
    rest = f"{diagnosis.next} is still out" if diagnosis.next else "all that follows agrees too"
    click.echo(
        f"  Planted in the reference, it yields this {first.name} to {diagnosis.left:.1e}; {rest}."
    )

"""``gtenp info``: what was understood of a model's folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from gtenp.cli.options import examples, model_option, open_model, revision_option
from gtenp.cli.streams import echo_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gtenp.cross_encoder import CrossEncoder
    from gtenp.embedder import Embedder
    from gtenp.model_files.config import BertConfig


@click.command(epilog=examples("gtenp info all-MiniLM-L6-v2"))
@click.argument("name", required=False)
@model_option
@revision_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def info(name: str | None, model: str, revision: str | None, as_json: bool) -> None:
    """Print what gtenp reads in a model's folder: its sizes, pooling or classifier, and limits.

    NAME is short for --model NAME.
    """
    facts = _describe(name or model, revision)
    if as_json:
        echo_json(facts)
        return
    width = max(map(len, facts))
    for label, value in facts.items():
        lines = _lines(value)
        click.echo(f"{label:{width}}  {lines[0]}")
        for line in lines[1:]:
            click.echo(f"{'':{width}}  {line}")


def _lines(value: Any) -> list[str]:
    """A fact for people: a list takes a line each, a number its thousands' commas."""
    if isinstance(value, dict):
        return [f"{name}: {text!r}" for name, text in value.items()] or ["none"]
    if isinstance(value, list):
        return list(map(str, value)) or ["none"]
    if value is None:
        return ["not stated"]
    return [f"{value:,}" if type(value) is int else str(value)]


def _describe(model: str, revision: str | None) -> dict[str, Any]:
    """All that was understood of the model's folder, in the order of the data's way through it."""
    from gtenp.cross_encoder import CrossEncoder
    from gtenp.model_files.checkpoint import read_safetensors, weight_files
    from gtenp.model_files.config import NO_LIMIT

    opened = open_model(model, revision)
    config, spec = opened.config, opened.tokenizer.spec
    words = f"WordPiece, {'uncased' if spec.lowercase else 'cased'}"
    paths = weight_files(opened.transformer_folder)
    tensors = [t for path in paths for t in read_safetensors(path).values() if t.dtype.kind == "f"]
    return {
        "model": model,
        "folder": str(opened.folder),
        "licence": _licence(opened.folder / "README.md"),
        **_kind(opened),
        "max_seq_length": None if opened.max_seq_length >= NO_LIMIT else opened.max_seq_length,
        "family": config.model_type,
        "positions": _positions(config),
        "tokenizer": spec.stages.model.name if spec.stages else words,
        "vocabulary": config.vocab_size,
        "prompts": opened.prompts,
        "default_prompt_name": opened.default_prompt_name or "none",
        "layers": config.num_hidden_layers,
        "hidden_size": config.hidden_size,
        "attention_heads": config.num_attention_heads,
        "intermediate_size": config.intermediate_size,
        "activation": config.hidden_act,
        **(_of_scores(opened) if isinstance(opened, CrossEncoder) else _of_vectors(opened)),
        "parameters": sum(tensor.size for tensor in tensors),
        "dtype": ", ".join(sorted({str(tensor.dtype) for tensor in tensors})),
        "weights_bytes": sum(path.stat().st_size for path in paths),
        "ignored": [] if isinstance(opened, CrossEncoder) else list(opened.ignored_tensors),
        "notes": list(_notes(opened)),
    }


def _kind(opened: Embedder | CrossEncoder) -> dict[str, Any]:
    """Which of the two it is, and how many numbers it gives."""
    from gtenp.embedder import Embedder

    if isinstance(opened, Embedder):
        return {"kind": "embedder", "dimension": opened.get_embedding_dimension()}
    return {"kind": "cross-encoder", "labels": opened.num_labels}


def _of_vectors(embedder: Embedder) -> dict[str, Any]:
    """What an embedder makes of the last layer's output."""
    sentence = embedder.sentence_config
    return {
        "pooling": ", ".join(sentence.pooling.modes),
        "then": [head.summary for head in sentence.heads],
        "normalize": sentence.normalizes,
        "similarity": embedder.similarity_fn_name,
    }


def _positions(config: BertConfig) -> str:
    """How a token's place enters."""
    arithmetic = config.arithmetic
    ways = []
    if arithmetic.position_table:
        ways.append(f"a table for {config.max_tokens} tokens")
    if arithmetic.rotary_base is not None:
        scaled = arithmetic.rotary_scale != 1
        ways.append(
            f"rotary, base {arithmetic.rotary_base:g}, "
            + (f"angles divided by {arithmetic.rotary_scale:.4g}, " if scaled else "")
            + f"{config.max_tokens} tokens"
        )
    if arithmetic.score_bias == "buckets":
        ways.append("a number added to each score, by distance")
    if arithmetic.score_bias == "alibi":
        ways.append("scores fall with the distance (ALiBi)")
    if arithmetic.causal:
        ways.append("tokens look back alone")
    if config.local_layers:
        local = config.layer_arithmetics[config.local_layers[0]]
        count = f"{len(config.local_layers)} of {config.num_hidden_layers} layers"
        ways.append(
            f"{count} are local: a token looks at {local.window} to either side"
            + (f", rotary base {local.rotary_base:g}" if local.rotary_base is not None else "")
        )
    return "; ".join(ways)


def _of_scores(encoder: CrossEncoder) -> dict[str, Any]:
    """What a cross-encoder makes of it."""
    classifier = encoder.classifier
    labels, hidden = classifier.output.weight.shape
    first = encoder.pooling.modes == ("cls",)
    return {
        "classifier": [
            "the first token's state" if first else "the mean of all tokens",
            f"dense {hidden} → {hidden}, {classifier.activation}",
            *(["layer norm"] if classifier.norm is not None else []),
            f"dense {hidden} → {labels}",
        ],
        "scores": "the logits" if encoder.activation == "Identity" else encoder.activation,
    }


def _notes(embedder: Embedder | CrossEncoder) -> Iterator[str]:
    """What a reader of the facts would otherwise take for granted."""
    from gtenp.embedder import Embedder

    if not isinstance(embedder, Embedder):
        yield "it scores two texts read together: `gtenp rerank` and gtenp.CrossEncoder use it"
        return
    sentence = embedder.sentence_config
    if not sentence.has_modules:
        yield (
            "no modules.json: mean pooling without normalisation is assumed, as "
            "sentence-transformers does"
        )
    if embedder.known_prompts:
        yield (
            "the prompts are not in the model's files but known by its name; encode_query and "
            "encode_document use them, encode does not"
        )
    if not sentence.pooling.include_prompt:
        yield "the pooling leaves out the prompt's tokens"
    if embedder.truncate_dim and sentence.normalizes:
        yield (
            "truncate_dim: what is kept of a vector has no longer length 1; "
            "normalize_embeddings=True gives it back"
        )
    if embedder.ignored_tensors:
        yield "the ignored tensors are heads and buffers that no embedding depends on"


def _licence(readme: Path) -> str | None:
    """The licence that the front matter of a model card states."""
    if not readme.is_file():
        return None
    with readme.open(encoding="utf-8", errors="replace") as file:
        start = file.read(1 << 20)
    front = re.match(r"\ufeff?---\n(.*?)\n---", start, re.DOTALL)
    found = front and re.search(r"^licen[sc]e:[ \t]*[\"']?([\w.-]+)", front[1], re.MULTILINE)
    return found[1] if found else None

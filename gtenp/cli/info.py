"""``gtenp info``: what was understood of a model's folder."""

from __future__ import annotations

import json
from typing import Any

import click

from gtenp.cli.options import model_option, revision_option


@click.command()
@click.argument("name", required=False)
@model_option
@revision_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def info(name: str | None, model: str, revision: str | None, as_json: bool) -> None:
    """Print what gtenp reads in a model's folder: its sizes, pooling and limits.

    NAME is short for --model NAME.
    """
    facts = _describe(name or model, revision)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    width = max(map(len, facts))
    for label, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else value
        click.echo(f"{label:{width}}  {shown}")


def _describe(model: str, revision: str | None) -> dict[str, Any]:
    from gtenp.checkpoint import read_safetensors
    from gtenp.embedder import Embedder

    embedder = Embedder(model, revision=revision)
    path = embedder.folder / "model.safetensors"
    tensors = read_safetensors(path).values()
    config, sentence_config = embedder.config, embedder.sentence_config
    return {
        "model": model,
        "folder": str(embedder.folder),
        "dimension": embedder.get_embedding_dimension(),
        "max_seq_length": embedder.max_seq_length,
        "pooling": sentence_config.pooling_mode,
        "normalize": sentence_config.normalize,
        "layers": config.num_hidden_layers,
        "attention_heads": config.num_attention_heads,
        "intermediate_size": config.intermediate_size,
        "vocabulary": config.vocab_size,
        "parameters": sum(tensor.size for tensor in tensors),
        "dtype": ", ".join(sorted({str(tensor.dtype) for tensor in tensors})),
        "weights_bytes": path.stat().st_size,
    }

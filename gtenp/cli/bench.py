"""``gtenp bench``: how fast this model is on this machine."""

from __future__ import annotations

import click

from gtenp.cli.options import examples, model_option, revision_option

_MOST = 8192  # tokens of the longest texts; there are models that read any number


@click.command(epilog=examples("gtenp bench --model all-MiniLM-L6-v2"))
@model_option
@revision_option
def bench(model: str, revision: str | None) -> None:
    """Measure tokens per second, latency, and the share of what this machine allows.

    It takes about a minute, and a few with the largest models. The limit is what NumPy's matrix
    products alone would reach, with no other work between them.
    """
    import numpy as np

    from gtenp.embedder import Embedder
    from gtenp.measure import speed as benchmark

    embedder = Embedder(model, revision=revision)
    config, most = embedder.config, min(embedder.max_seq_length, _MOST)
    library, kernel = benchmark.blas()
    click.echo(
        f"{model}: {config.num_hidden_layers} layers, {config.hidden_size} wide; "
        f"{embedder.threads} threads\n"
        f"{benchmark.cpu()}; NumPy {np.__version__}, {library}, kernel {kernel}\n"
    )
    click.echo(f"{'many texts':<32}{'tokens':>8}{'tokens/s':>10}{'limit':>10}{'share':>8}")
    texts = benchmark.mixed_texts()
    for name, chosen in (
        ("docstrings of Python's built-ins", texts),
        (f"{most} tokens each", [benchmark.text_of(most, embedder)] * 8 * embedder.threads),
    ):
        many = benchmark.throughput(embedder, name, chosen, benchmark.SECONDS)
        figures = f"{many.tokens:>8,}{many.rate:>10,.0f}{many.limit:>10,.0f}{many.share:>8.2f}"
        click.echo(f"{many.name:<32}{figures}")
    click.echo(f"\n{'one text':<32}{'p50 ms':>10}{'p99 ms':>10}")
    for length in benchmark.LATENCY_LENGTHS:
        if length <= most:
            one = benchmark.latency(
                embedder, benchmark.text_of(length, embedder), benchmark.SECONDS
            )
            click.echo(f"{f'{one.tokens} tokens':<32}{one.p50:>10.2f}{one.p99:>10.2f}")
    hint = benchmark.machine_hint()
    if hint:
        click.echo(f"\n{hint}")

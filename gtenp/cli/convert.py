"""``gtenp convert``: weights that are a pickle to safetensors."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, instead of model.safetensors beside the pickle.",
)
def convert(source: Path, output: Path | None) -> None:
    """Write the weights of a pytorch_model.bin as safetensors and print the new file's path.

    SOURCE is the file, or a folder with it or with its parts and their index. The pickle in it is
    read without being run: what no dict of tensors needs is refused by name.
    """
    from gtenp.model_files import pickled

    click.echo(pickled.convert(source, output, show_progress_bar=sys.stderr.isatty()))

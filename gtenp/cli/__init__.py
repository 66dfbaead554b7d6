"""``gtenp`` on the command line: one file a verb, each thin over the library."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import TYPE_CHECKING, Any

import click

from gtenp import __version__
from gtenp.cli import streams
from gtenp.cli.bench import bench
from gtenp.cli.concat import concat
from gtenp.cli.convert import convert
from gtenp.cli.embed import embed
from gtenp.cli.evaluate import evaluate
from gtenp.cli.explain import explain
from gtenp.cli.info import info
from gtenp.cli.options import takes_texts
from gtenp.cli.pull import pull
from gtenp.cli.rerank import rerank
from gtenp.cli.search import search
from gtenp.cli.serve import serve
from gtenp.cli.similarity import similarity
from gtenp.cli.tokenize import tokenize
from gtenp.cli.trace import trace
from gtenp.cli.verify import verify
from gtenp.errors import GtenpError

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Group(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            streams.prepare()
            streams.tell_warnings()
            return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the command line; --help and --version print here."""
        with _one_sentence():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb, with a traceback of what goes wrong if --debug was given."""
        with _one_sentence(debug=ctx.params["debug"]):
            return super().invoke(ctx)


@contextlib.contextmanager
def _one_sentence(*, debug: bool = False) -> Iterator[None]:
    """What a user can mend becomes one sentence."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None  # 128 + SIGINT, as shells count
    except click.NoSuchOption as error:
        # What resembles an option was meant as one.
        if error.ctx is None or error.possibilities or not takes_texts(error.ctx.command):
            raise
        raise click.UsageError(
            f"{error.format_message().rstrip('.')}. If a text begins so, put -- before the texts: "
            f"{error.ctx.command_path} -- '{error.option_name} …'",
            error.ctx,
        ) from error
    except (GtenpError, OSError, MemoryError) as error:
        if debug or isinstance(error, BrokenPipeError):
            raise
        raise streams.Failure(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"out of memory; take fewer or shorter texts ({error})".removesuffix(" ()")
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    import numpy as np

    from gtenp.measure.speed import blas

    library, kernel = blas()
    click.echo(f"gtenp, version {__version__}\nNumPy {np.__version__}, {library}, kernel {kernel}")
    ctx.exit()


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version, and those of NumPy and its BLAS, and exit.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:  # noqa: ARG001, see _Group.invoke
    """Sentence embeddings and reranking in pure NumPy."""
    if os.environ.get("NO_COLOR"):
        ctx.color = False


for _verb in (
    embed,
    search,
    concat,
    similarity,
    tokenize,
    explain,
    rerank,
    serve,
    info,
    pull,
    convert,
    trace,
    verify,
    evaluate,
    bench,
):
    main.add_command(_verb)

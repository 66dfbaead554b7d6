"""``gtenp serve``: vectors and scores over HTTP."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gtenp.cli.options import examples, model_option
from gtenp.errors import InputError, MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Callable


def _option(name: str, **how: Any) -> Callable[[Any], Any]:
    """An option that is an environment variable too."""
    variable = name.partition("/")[0].removeprefix("--").replace("-", "_").upper()
    return click.option(name, envvar=f"GTENP_{variable}", show_envvar=True, **how)


@click.command(epilog=examples("gtenp serve --model all-MiniLM-L6-v2 --port 8080"))
@model_option
@_option("--revision", metavar="REV", help="A branch, tag or commit of the model on the Hub.")
@_option("--rerank-model", metavar="NAME|DIR", help="A cross-encoder to serve beside it.")
@_option("--default-prompt-name", help="The prompt of a request that asks for none.")
@_option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@_option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="0 takes a free one. The address is printed.",
)
@_option("--uds", type=click.Path(path_type=Path), help="A socket in the file system, instead.")
@_option("--workers", type=click.IntRange(1), default=1, show_default=True,
    help="Processes, which share the weights' memory.",
)  # fmt: skip
@_option("--threads", type=click.IntRange(1), help="Of each process. [default: the CPUs]")
@_option("--api-key", multiple=True, help="A key that requests must bring; may be repeated.")
@_option(
    "--api-key-file", type=click.Path(dir_okay=False, path_type=Path), help="Keys, a line each."
)
@_option("--cors", multiple=True, metavar="ORIGIN", help="Whose pages may ask; * for all.")
@_option("--max-batch-tokens", type=click.IntRange(0), default=0,
    help="Tokens that go through the model at once. [default: 1024 a thread]",
)  # fmt: skip
@_option("--max-concurrent", type=click.IntRange(1), default=512, show_default=True,
    help="Requests under way; more get status 429.",
)  # fmt: skip
@_option("--max-inputs", type=click.IntRange(1), default=2048, show_default=True,
    help="Texts of a request.",
)  # fmt: skip
@_option("--max-body", type=click.IntRange(1), default=16_777_216, show_default=True,
    help="Bytes of a request.",
)  # fmt: skip
@_option("--auto-truncate/--no-auto-truncate", default=True, show_default=True,
    help="Cut a text that is too long, or refuse it.",
)  # fmt: skip
@_option("--accept-token-ids", is_flag=True,
    help="Take token ids for texts: only for clients with this model's tokenizer.",
)  # fmt: skip
@_option("--batch-invariant", is_flag=True,
    help="The same bits whatever is computed beside a text; slower.",
)  # fmt: skip
@_option("--log-format", type=click.Choice(["text", "json", "none"]), default="text",
    show_default=True, help="A line a request, on standard error; never a text.",
)  # fmt: skip
def serve(
    model: str,
    revision: str | None,
    rerank_model: str | None,
    default_prompt_name: str | None,
    host: str,
    port: int,
    uds: Path | None,
    workers: int,
    threads: int | None,
    api_key: tuple[str, ...],
    api_key_file: Path | None,
    **settings: Any,
) -> None:
    """Answer requests for vectors and scores: OpenAI's, text-embeddings-inference's, Cohere's and
    Jina's, and those of gte-small's edge function. A page to try it is at /, the list at /docs.

    Wants the packages of `pip install 'gtenp[serve]'`.
    """
    try:
        from gtenp.serve import server
        from gtenp.serve.models import Models
        from gtenp.serve.options import Options
        from gtenp.serve.sockets import address, listen
    except ImportError as error:
        raise MissingPackageError(
            f"gtenp serve needs {error.name}, which is not installed here: "
            "pip install 'gtenp[serve]'"
        ) from error
    from gtenp.engine.parallel import default_threads

    options = Options(api_keys=_keys(api_key, api_key_file), **settings)
    if threads is None and workers > 1:
        threads = max(1, default_threads() // workers)

    def load() -> Models:
        return Models.open(
            model,
            rerank_model,
            options,
            revision=revision,
            threads=threads,
            default_prompt_name=default_prompt_name,
        )

    with listen(host, port, uds) as listener:
        click.echo(address(listener))
        try:
            if workers > 1:
                server.run_workers(listener, options, load, workers)
            else:
                server.run(listener, options, load)
        finally:
            if uds is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(uds)


def _keys(given: tuple[str, ...], path: Path | None) -> tuple[str, ...]:
    """The keys, and those of a file; InputError where one can't be a key, or where keys were asked
    for and there are none: the server would be open.
    """
    places = {f"--api-key, number {number}": key for number, key in enumerate(given, 1)}
    if path is not None:
        lines = path.read_bytes().decode("utf-8", "replace").splitlines()
        of_file = {f"{path}, line {n}": line.strip() for n, line in enumerate(lines, 1)}
        if not any(of_file.values()):
            raise InputError(f"{path}: holds no key; wanted one a line")
        places.update({place: key for place, key in of_file.items() if key})
    for place, key in places.items():
        if re.fullmatch("[!-~]+", key) is None:
            raise InputError(
                f"{place}: is no key; wanted visible ASCII characters without spaces, one at least"
            )
    for variable in ("GTENP_API_KEY", "GTENP_API_KEY_FILE"):
        if not places and variable in os.environ:
            raise InputError(f"{variable} is set and empty; give it a value, or unset it")
    return tuple(places.values())

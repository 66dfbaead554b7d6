"""A route: what a protocol's path takes and gives, as the protocols' files list them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gtenp.serve.schema import INTEGER, STRING, Schema, any_of, array

if TYPE_CHECKING:
    from collections.abc import Callable

    from gtenp.serve.models import Models, Work
    from gtenp.serve.problem import Dialect


@dataclass(frozen=True, eq=False)  # each is itself, and a key
class Route:
    """One form of request at one path.

    ``work`` reads a body that suits the schema. It runs in a thread, and so does the ``answer`` of
    the Work that it makes; between them the batcher has the work's items computed.
    """

    path: str
    summary: str
    dialect: Dialect
    body: Callable[[Models], Schema] | None  # None: a GET
    reply: Schema
    work: Callable[[Models, dict[str, Any]], Work]
    model: Literal["embedder", "cross_encoder", "any"] = "embedder"
    suits: Callable[[Any], bool] = field(default=lambda _: True)  # whether it is meant by a body

    @property
    def method(self) -> str:
        """GET or POST."""
        return "GET" if self.body is None else "POST"


_OF_IDS = (
    "; token ids are refused, since those of another model's tokenizer would give plausible "
    "nonsense: send texts (LangChain: check_embedding_ctx_length=False), or start the server with "
    "--accept-token-ids if they are this model's"
)


def texts(models: Models) -> Schema:
    """A text or a list of them and, where they are accepted, token ids in their place."""
    most = models.options.max_inputs
    text: Schema = {"type": "string", "x-instead": {"integer": _OF_IDS, "array": _OF_IDS}}
    if not models.options.accept_token_ids:
        return any_of(STRING, array(text, 1, most))
    assert models.embedder is not None
    id = {**INTEGER, "minimum": 0, "maximum": models.embedder.config.vocab_size - 1}
    return any_of(STRING, array(STRING, 1, most), array(id, 1), array(array(id, 1), 1, most))

"""A plugin that ``llm`` finds by gtenp's entry point: ``llm embed -m gtenp/gte-small -c TEXT``."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import llm

from gtenp.model_files.model_cache import names_here
from gtenp.model_files.names import SHORT_NAMES


class GtenpModel(llm.EmbeddingModel):
    """A model by its name. llm tells no query from a document: each text is a document to it."""

    def __init__(self, name: str) -> None:
        self.name, self.model_id = name, f"gtenp/{name}"

    @cached_property
    def embedder(self) -> Any:
        from gtenp.embedder import Embedder  # late: llm lists all models whenever it starts

        return Embedder(self.name)

    def embed_batch(self, items: Iterable[str | bytes]) -> Iterator[list[float]]:
        yield from self.embedder.encode_document(items).tolist()


@llm.hookimpl
def register_embedding_models(register: Callable[..., None]) -> None:
    """The models with short names and those in the caches, by the names that gtenp takes too."""
    short = {long: name for name, long in SHORT_NAMES.items()}
    for name in sorted({*SHORT_NAMES.values(), *names_here()}):
        known_as = short.get(name, name)
        register(GtenpModel(known_as), aliases=sorted({known_as, name}))

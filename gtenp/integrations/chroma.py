"""Chroma's ``EmbeddingFunction``: a program that imports it opens collections that name it."""

from functools import lru_cache

from chromadb import Documents, EmbeddingFunction, Embeddings
from chromadb.utils.embedding_functions import register_embedding_function

from gtenp.embedder import Embedder

_load = lru_cache(2)(Embedder)  # by name: Chroma makes more instances than it uses


@register_embedding_function
class GtenpEmbeddingFunction(EmbeddingFunction[Documents]):
    """Each text's vector, float32 [H], by the prompts of the model that the collection names."""

    def __init__(self, name_or_path: str) -> None:
        self.name_or_path = name_or_path

    def __call__(self, input: Documents) -> Embeddings:
        return list(_load(self.name_or_path).encode_document(input))

    def embed_query(self, input: Documents) -> Embeddings:
        return list(_load(self.name_or_path).encode_query(input))

    def default_space(self) -> str:
        return "ip" if _load(self.name_or_path).similarity_fn_name == "dot" else "cosine"

    @staticmethod
    def name() -> str:
        return "gtenp"

    def get_config(self) -> dict[str, str]:
        return {"name_or_path": self.name_or_path}

    @staticmethod
    def build_from_config(config: dict[str, str]) -> "GtenpEmbeddingFunction":
        return GtenpEmbeddingFunction(**config)

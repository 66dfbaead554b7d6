"""LlamaIndex's ``BaseEmbedding``: its road over LangChain wants three more packages."""

from typing import Any

from llama_index.core.embeddings import BaseEmbedding
from pydantic import PrivateAttr

from gtenp.embedder import Embedder


class GtenpEmbedding(BaseEmbedding):
    """Lists of H numbers, by the model's prompts: ``GtenpEmbedding(Embedder("gte-small"))``."""

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: Embedder, embed_batch_size: int = 256) -> None:
        super().__init__(model_name=embedder.name_or_path, embed_batch_size=embed_batch_size)
        self._embedder = embedder

    def _get_query_embedding(self, query: str) -> Any:
        return self._embedder.encode_query(query).tolist()

    async def _aget_query_embedding(self, query: str) -> Any:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> Any:
        return self._embedder.encode_document(text).tolist()

    def _get_text_embeddings(self, texts: list[str]) -> Any:
        return self._embedder.encode_document(texts).tolist()

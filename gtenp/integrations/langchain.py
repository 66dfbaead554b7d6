"""LangChain's ``Embeddings``, which LlamaIndex and what builds on either take too."""

from langchain_core.embeddings import Embeddings

from gtenp.embedder import Embedder


class GtenpEmbeddings(Embeddings):
    """Lists of H numbers, by the model's prompts: ``GtenpEmbeddings(Embedder("gte-small"))``."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self.embedder.encode_document(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = self.embedder.encode_query(text).tolist()
        return vector

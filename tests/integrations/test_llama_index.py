import asyncio

import pytest

from gtenp import Embedder

pytest.importorskip("llama_index.core")

TEXTS = ["hello world", "a quick sort"]


@pytest.fixture
def embedder(prompted):
    return Embedder(prompted)


@pytest.fixture
def embedding(embedder):
    from gtenp.integrations.llama_index import GtenpEmbedding

    return GtenpEmbedding(embedder)


def test_llama_index_gets_queries_and_documents_with_their_prompts(embedding, embedder):
    assert embedding.get_query_embedding("hello") == embedder.encode_query("hello").tolist()
    documents = embedder.encode_document(TEXTS).tolist()
    assert embedding.get_text_embedding_batch(TEXTS) == documents
    assert embedding.get_text_embedding(TEXTS[1]) == pytest.approx(documents[1], abs=1e-6)


def test_llama_index_may_wait_for_them(embedding):
    query = asyncio.run(embedding.aget_query_embedding("hello"))
    assert query == embedding.get_query_embedding("hello")


def test_llama_index_takes_it_for_the_embeddings_of_an_index(embedding):
    from llama_index.core import Document, VectorStoreIndex

    documents = [Document(text=text) for text in TEXTS]
    index = VectorStoreIndex.from_documents(documents, embed_model=embedding)
    (found,) = index.as_retriever(similarity_top_k=1).retrieve("hello world")
    assert found.text == "hello world"

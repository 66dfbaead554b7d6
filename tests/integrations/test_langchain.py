import asyncio

import pytest

from gtenp import Embedder

pytest.importorskip("langchain_core")

TEXTS = ["hello world", "a quick sort"]


@pytest.fixture
def embedder(prompted):
    return Embedder(prompted)


@pytest.fixture
def embeddings(embedder):
    from gtenp.integrations.langchain import GtenpEmbeddings

    return GtenpEmbeddings(embedder)


def test_langchain_gets_queries_and_documents_with_their_prompts(embeddings, embedder):
    assert embeddings.embed_query("hello") == embedder.encode_query("hello").tolist()
    assert embeddings.embed_documents(TEXTS) == embedder.encode_document(TEXTS).tolist()
    assert embeddings.embed_documents([]) == []


def test_langchain_may_wait_for_them(embeddings):
    assert asyncio.run(embeddings.aembed_query("hello")) == embeddings.embed_query("hello")
    assert asyncio.run(embeddings.aembed_documents(TEXTS)) == embeddings.embed_documents(TEXTS)


def test_a_langchain_store_finds_by_them(embeddings):
    from langchain_core.vectorstores import InMemoryVectorStore

    store = InMemoryVectorStore.from_texts(TEXTS, embeddings)
    (found, score), *_ = store.similarity_search_with_score("hello world", k=1)
    assert found.page_content == "hello world"
    assert score == pytest.approx(
        float(embeddings.embedder.similarity(
            embeddings.embed_query("hello world"), embeddings.embed_documents(TEXTS[:1])
        )[0, 0]),
        abs=1e-6,
    )  # fmt: skip

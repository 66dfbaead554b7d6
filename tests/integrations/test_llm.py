import json
import subprocess
import sys

import pytest

from gtenp import Embedder

pytest.importorskip("llm")


@pytest.fixture
def llm(tmp_path, monkeypatch):
    """Run llm, which keeps its things in a folder of its own, and read what it prints."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))

    def run(*arguments):
        command = [sys.executable, "-m", "llm", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_llm_finds_the_models_by_itself(llm):
    listed = llm("embed-models")
    for name in ("gte-small", "gte-base", "gte-large", "all-MiniLM-L6-v2"):
        assert f"GtenpModel: gtenp/{name} (aliases: " in listed


def test_llm_lists_a_model_of_the_cache_by_its_long_name(llm, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "models--org--mine").mkdir()
    assert "gtenp/org/mine (aliases: org/mine)" in llm("embed-models")


def test_llm_lists_them_without_what_runs_them():
    script = "import gtenp.integrations.llm, sys; print('gtenp.embedder' in sys.modules)"
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_llm_finds_a_model_by_each_of_its_names():
    from llm import get_embedding_model

    for name in ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"):
        assert get_embedding_model(name).model_id == "gtenp/all-MiniLM-L6-v2"


def test_llm_gets_documents_with_their_prompt(prompted):
    from gtenp.integrations.llm import GtenpModel

    texts = ["hello world", "a quick sort"]
    vectors = list(GtenpModel(str(prompted)).embed_multi(iter(texts)))
    assert vectors == Embedder(prompted).encode_document(texts).tolist()


@pytest.mark.usefixtures("minilm")
def test_llm_embeds_and_finds(llm, tmp_path):
    texts = {"1": "Beijing", "2": "sorting algorithms"}
    embedder = Embedder("all-MiniLM-L6-v2")
    vector = json.loads(llm("embed", "-m", "gtenp/all-MiniLM-L6-v2", "-c", "Beijing", "-f", "json"))
    assert vector == pytest.approx(embedder.encode("Beijing").tolist(), abs=1e-6)
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in texts.items()))
    llm(
        "embed-multi",
        "texts",
        str(path),
        "--format",
        "nl",
        "--store",
        "-m",
        "gtenp/all-MiniLM-L6-v2",
    )
    found = json.loads(llm("similar", "texts", "-n", "1", "-c", "what is the capital of China?"))
    assert (found["id"], found["content"]) == ("1", "Beijing")
    query, document = (
        embedder.encode(text) for text in ("what is the capital of China?", "Beijing")
    )
    assert found["score"] == pytest.approx(float(query @ document), abs=1e-5)

import json

import pytest
from click.testing import CliRunner
from command_line import TINY, run
from models.build import build
from models.published import CROSS_ENCODERS
from places import DATA

from gtenp import CrossEncoder
from gtenp.cli import main

DOCUMENTS = ["hello world", "quick sort", "the capital of china"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    words = (DATA / "tiny/vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    return str(build(CROSS_ENCODERS[0], tmp_path_factory.mktemp("reranker"), words))


@pytest.fixture(scope="module")
def hits(folder):
    return CrossEncoder(folder).rank("china", DOCUMENTS)


def test_rerank_shows_scores_places_and_texts_best_first(folder, hits):
    result = run("rerank", "--model", folder, "china", *DOCUMENTS)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{hit['score']:>9.4f}  {hit['corpus_id']}  {DOCUMENTS[hit['corpus_id']]}" for hit in hits
    ]


def test_rerank_reads_lines_and_takes_the_best_few(folder, hits):
    result = run("rerank", "--model", folder, "china", "-k", "2", stdin="\n".join(DOCUMENTS))
    assert len(result.stdout.splitlines()) == 2
    assert DOCUMENTS[hits[0]["corpus_id"]] in result.stdout.splitlines()[0]


def test_rerank_gives_programs_a_line_of_json_a_document(folder, hits):
    result = run("rerank", "--model", folder, "--json", "china", *DOCUMENTS)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [hit["corpus_id"] for hit in found] == [hit["corpus_id"] for hit in hits]
    assert [hit["text"] for hit in found] == [DOCUMENTS[hit["corpus_id"]] for hit in hits]


def test_rerank_with_an_embedding_model_says_what_opens_it():
    result = run("rerank", "--model", TINY, "a", "b")
    assert result.exit_code == 2
    assert "gtenp.Embedder opens models that make vectors" in result.stderr


def test_rerank_prints_any_text_on_any_terminal(folder):
    runner = CliRunner(charset="cp1252")
    result = runner.invoke(main, ["rerank", "--model", folder, "日本", "日本", "a"])
    assert result.exit_code == 0
    assert "??" in result.stdout
    result = runner.invoke(main, ["rerank", "--json", "--model", folder, "日本", "日本"])
    assert json.loads(result.stdout)["text"] == "日本"


def test_rerank_tells_where_texts_go_that_begin_with_a_dash(folder):
    result = run("rerank", "--model", folder, "temperature", "-5 degrees")
    assert "If a text begins so, put -- before the texts: main rerank -- '-5 …'" in result.stderr


def test_each_line_is_a_document_an_empty_one_too(folder):
    result = run("rerank", "--model", folder, "--json", "a", stdin="\n\n")
    assert len(result.stdout.splitlines()) == 2

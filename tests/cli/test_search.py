import json
import os

import numpy as np
import pytest
from command_line import TINY, run

from gtenp.jobs import job

QUERY = "old boat"


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("red house\nold boat\nnew river\nblue boat\n")
    return path


def found(*arguments, stdin=None):
    result = run("search", *map(str, arguments), "--json", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_search_shows_score_place_and_text(texts, tmp_path):
    out = tmp_path / "out.npy"
    assert run("embed", "--model", TINY, str(texts), "-o", str(out)).exit_code == 0
    result = run("search", QUERY, "--in", str(out), "-k", "1")
    assert result.stdout == f" 1.0000  {texts}:2  old boat\n"
    (hit,) = found(QUERY, "--in", out, "-k", "1")
    assert (hit["query"], hit["id"], hit["place"]) == (QUERY, "2", f"{texts}:2")


def test_several_queries_come_from_standard_input(texts, tmp_path):
    out = tmp_path / "out.safetensors"
    run("embed", "--model", TINY, str(texts), "-o", str(out))
    hits = found("--in", out, "-k", "1", stdin="red house\nnew river\n")
    assert [hit["text"] for hit in hits] == ["red house", "new river"]
    shown = run("search", "--in", str(out), "-k", "1", stdin="red house\nnew river\n").stdout
    assert [line.split()[0] for line in shown.splitlines()] == ["red", "1.0000", "new", "1.0000"]


def test_texts_are_searched_without_being_embedded_before(texts):
    before = os.listdir(texts.parent)
    assert found(QUERY, "--in", texts, "-k", "1", "--model", TINY)[0]["text"] == QUERY
    assert os.listdir(texts.parent) == before


def test_a_cache_is_kept_beside_the_texts_and_taken_while_they_are_the_same(texts):
    arguments = (QUERY, "--in", texts, "-k", "1", "--model", TINY, "--cache")
    found(*arguments)
    kept = texts.with_name("texts.txt.gtenp.npy")
    made = kept.stat().st_mtime_ns
    assert np.load(kept).shape == (4, 32)
    found(*arguments)
    assert kept.stat().st_mtime_ns == made
    texts.write_text("another old boat\n")
    assert found(*arguments)[0]["text"] == "another old boat"
    assert kept.stat().st_mtime_ns != made


def test_a_cache_that_was_ended_of_texts_that_changed_since_is_begun_anew(texts, monkeypatch):
    def ended(*_):
        raise KeyboardInterrupt

    arguments = (QUERY, "--in", texts, "-k", "1", "--model", TINY, "--cache")
    with monkeypatch.context() as patch:
        patch.setattr(job, "write", ended)
        assert run("search", *map(str, arguments)).exit_code == 130
    assert texts.with_name("texts.txt.gtenp.npy.part").exists()
    texts.write_text("another old boat\n")
    assert found(*arguments)[0]["text"] == "another old boat"


def test_a_folder_of_texts_is_searched(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("red house\n")
    (tmp_path / "docs" / "b.txt").write_text("old boat\n")
    hit = found(QUERY, "--in", tmp_path / "docs", "-k", "1", "--model", TINY)[0]
    assert hit["id"] == "b.txt"


def test_rerank_orders_the_best_by_a_cross_encoder(texts, tmp_path, monkeypatch):
    from gtenp import cross_encoder

    class Longest:
        def __init__(self, name):
            assert name == "some-model"

        def rank(self, query, documents):
            assert query == QUERY
            order = sorted(range(len(documents)), key=lambda i: -len(documents[i]))
            return [{"corpus_id": i, "score": len(documents[i])} for i in order]

    monkeypatch.setattr(cross_encoder, "CrossEncoder", Longest)
    out = tmp_path / "out.npy"
    run("embed", "--model", TINY, str(texts), "-o", str(out))
    hits = found(QUERY, "--in", out, "-k", "2", "--rerank", "some-model")
    assert [hit["score"] for hit in hits] == [9, 9]  # "red house" and "new river" or "blue boat"


def test_what_is_neither_a_file_of_embed_nor_texts_is_one_sentence(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((1, 32), np.float32))
    result = run("search", "a", "--in", str(tmp_path / "a.npy"))
    assert result.exit_code == 2
    assert "a.npy: not of gtenp embed, or the .json beside it is gone" in result.stderr
    (tmp_path / "a.xyz").write_text("a\n")
    result = run("search", "a", "--in", str(tmp_path / "a.xyz"))
    assert result.exit_code == 2
    assert "a.xyz: none of the endings .txt" in result.stderr


@pytest.mark.parametrize("cache", [(), ("--cache",)])
def test_the_folder_at_hand_is_searched_and_its_vectors_kept_beside_it(
    tmp_path, monkeypatch, cache
):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "b.txt").write_text("old boat\n")
    monkeypatch.chdir(folder)
    hit = found(QUERY, "--in", ".", "-k", "1", "--model", TINY, *cache)[0]
    assert hit["id"] == "b.txt"
    assert (tmp_path / "docs.gtenp.npy").exists() == bool(cache)


def test_options_of_texts_are_refused_for_vectors(texts, tmp_path):
    out = tmp_path / "out.npy"
    run("embed", "--model", TINY, str(texts), "-o", str(out))
    result = run("search", "a", "--in", str(out), "--column", "body", "--id", "key", "--cache")
    assert result.exit_code == 2
    assert "out.npy: holds vectors; --cache, --column, --id is for texts" in result.stderr


@pytest.mark.parametrize("ending", ["npz", "safetensors", "jsonl", "csv", "sqlite", "npy"])
def test_a_damaged_file_is_one_sentence_and_not_taken_for_texts(texts, tmp_path, ending):
    out = tmp_path / f"out.{ending}"
    assert run("embed", "--model", TINY, str(texts), "-o", str(out)).exit_code == 0
    out.write_bytes(out.read_bytes()[:-50])
    result = run("search", "a", "--in", str(out), "--model", TINY)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {out}: is damaged (")
    assert result.stderr.endswith("; copy it anew\n")

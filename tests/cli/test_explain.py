import json
import re
import shutil

import pytest
from click.testing import CliRunner
from command_line import gtenp_process, run
from places import DATA
from random_model import write_sentence_files

from gtenp.cli import main

TINY = str(DATA / "tiny")


def test_explain_walks_a_text_from_tokens_to_vector():
    result = run("explain", "--model", TINY, "hello world")
    assert result.exit_code == 0
    headings = ["Tokens", "Embeddings", "Layer 0", "Layers 0 to 1", "Sentence"]
    places = [result.stdout.index(f"\n{heading}") for heading in headings]
    assert places == sorted(places)
    assert "[3, A, S, D] = [3, 4, 4, 8]" in result.stdout
    assert "attention_scores: q kᵀ / √D" in result.stdout
    assert "vector [32]: " in result.stdout


def test_explain_fits_two_screens_of_80_columns_without_colour_on_a_pipe():
    done = gtenp_process("explain", "--model", TINY, "a quick sort of the world")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout


def test_two_texts_end_with_pairs_that_sum_to_their_similarity():
    result = run("explain", "--model", TINY, "hello world", "a quick sort")
    shown = re.findall(r"^ +(-?\d\.\d{4})  (.+)$", result.stdout.split("Texts 1 and 2")[1], re.M)
    *parts, (total, what) = [(float(number), name) for number, name in shown]
    assert what == "all 20 pairs: the cosine"
    assert sum(number for number, _ in parts) == pytest.approx(total, abs=1e-3)
    assert parts[-1][1] == "the other 12"
    assert f"cosine {total:.4f}" in result.stdout


def test_each_further_text_is_compared_with_the_first():
    result = run("explain", "--model", TINY, stdin="hello\nworld\nquick\n")
    assert re.findall(r"^Texts \d and \d", result.stdout, re.M) == [
        "Texts 1 and 2",
        "Texts 1 and 3",
    ]


def test_cls_pooling_says_that_its_score_is_no_sum(tmp_path):
    folder = shutil.copytree(TINY, tmp_path / "cls")
    write_sentence_files(folder, max_seq_length=64, dimension=32)
    settings = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    result = run("explain", "--model", str(folder), "hello", "world")
    assert "cls pooling is no average of all tokens" in result.stdout
    assert "all 9 pairs" not in result.stdout


def test_a_stream_that_lacks_a_character_gets_a_question_mark():
    done = gtenp_process(
        "explain", "--model", TINY, "hello √ wörld",
        encoding="latin-1", env={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0
    assert "hello ? w" in done.stdout


def test_a_text_does_not_steer_the_terminal():
    arguments = ["explain", "--model", TINY, "hello\x1b[2J world"]
    result = CliRunner().invoke(main, arguments, color=True)
    assert "\x1b[1mLayer 0\x1b[0m" in result.stdout
    assert "\x1b[2J" not in result.stdout


def test_explain_of_nothing_says_so():
    result = run("explain", "--model", TINY, stdin="")
    assert result.exit_code == 2
    assert "no text to explain" in result.stderr


def test_html_writes_a_page_and_says_where(tmp_path):
    output = tmp_path / "page.html"
    result = run("explain", "--model", TINY, "hello", "world", "--html", str(output))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{output}: open it in a browser\n"
    assert list(tmp_path.iterdir()) == [output]


def test_html_leaves_nothing_where_it_cannot_write(tmp_path):
    result = run("explain", "--model", TINY, "hello", "--html", str(tmp_path / "no" / "page.html"))
    assert result.exit_code == 2
    assert "no such folder; make it first" in result.stderr
    assert list(tmp_path.iterdir()) == []

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import DATA
from safetensors.numpy import load_file, save_file
from texts import CARD

import gtenp
from gtenp import Embedder
from gtenp.cli import main

TINY = str(DATA / "tiny")


def run(*arguments, stdin=None, **environment):
    """The command line in this process: what it printed, what it complained of, its status."""
    return CliRunner(env={"GTENP_MODEL": None, **environment}).invoke(main, arguments, input=stdin)


def gtenp_process(*arguments, **options):
    """The command line as a process of its own."""
    command = [sys.executable, "-m", "gtenp", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


# ── embed ────────────────────────────────────────────────────────────────────────────────────────


def test_embed_prints_one_line_of_json_a_text_that_reads_back_to_the_last_bit():
    result = run("embed", "--model", TINY, *CARD)
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    np.testing.assert_array_equal(np.array(lines, np.float32), Embedder(TINY).encode(CARD))


def test_embed_reads_lines_of_standard_input():
    result = run("embed", "--model", TINY, stdin="hello\r\n\nworld")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    expected = Embedder(TINY).encode(["hello", "", "world"])
    np.testing.assert_array_equal(np.array(lines, np.float32), expected)


def test_embed_of_no_lines_prints_nothing():
    result = run("embed", "--model", TINY, stdin="")
    assert (result.exit_code, result.stdout) == (0, "")


def test_embed_writes_a_numpy_file(tmp_path):
    output = tmp_path / "out.npy"
    result = run("embed", "--model", TINY, "-o", str(output), *CARD)
    assert result.exit_code == 0
    assert result.stdout == ""
    np.testing.assert_array_equal(np.load(output), Embedder(TINY).encode(CARD))
    assert list(tmp_path.iterdir()) == [output]


def test_embed_leaves_nothing_where_it_cannot_write(tmp_path):
    result = run("embed", "--model", TINY, "-o", str(tmp_path / "no" / "out.npy"), "text")
    assert result.exit_code == 2
    assert "no: no such folder; make it first" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_embed_follows_a_link_and_leaves_a_pipe_a_pipe(tmp_path):
    (tmp_path / "link.npy").symlink_to(tmp_path / "real.npy")
    assert run("embed", "--model", TINY, "-o", str(tmp_path / "link.npy"), "a").exit_code == 0
    assert (tmp_path / "link.npy").is_symlink()
    assert np.load(tmp_path / "real.npy").shape == (1, 32)
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE)
    run("embed", "--model", TINY, "-o", str(tmp_path / "pipe"), "a")
    assert reader.communicate(timeout=30)[0].startswith(b"\x93NUMPY")
    assert (tmp_path / "pipe").is_fifo()


def test_embed_without_any_standard_input_asks_for_texts():
    command = f"{sys.executable} -m gtenp embed --model {TINY} <&-"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "no text" in result.stderr


def test_embed_names_the_line_that_is_not_utf8():
    result = run("embed", "--model", TINY, stdin=b"fine\nbad \xff byte\n")
    assert result.exit_code == 2
    assert "standard input, line 2: byte 4 is not UTF-8" in result.stderr


def test_embed_tells_of_a_text_that_was_cut():
    done = gtenp_process("embed", "--model", TINY, "a " * 100)
    assert done.returncode == 0
    assert done.stderr.startswith("Warning: 1 of 1 texts have more than 64 tokens and were cut")


# ── similarity, info ─────────────────────────────────────────────────────────────────────────────


def test_similarity_of_two_texts_is_one_score_times_100():
    result = run("similarity", "--model", TINY, *CARD[:2])
    assert result.exit_code == 0
    embedder = Embedder(TINY)
    score = embedder.similarity(*embedder.encode(CARD[:2]))[0, 0] * 100
    shown = result.stdout.splitlines()
    assert shown[:2] == [CARD[0], f"{score:8.2f}  {CARD[1]}"]
    assert TINY in shown[2]
    assert "32 dimensions" in shown[2]


def test_info_tells_what_was_understood_to_people_and_to_programs():
    told = json.loads(run("info", TINY, "--json").stdout)
    assert told["dimension"] == 32
    assert told["pooling"] == "mean"
    assert told["normalize"] is False
    assert told["dtype"] == "float32"
    assert told["weights_bytes"] == os.path.getsize(f"{TINY}/model.safetensors")
    text = run("info", "--model", TINY).stdout
    assert all(key in text for key in told)
    assert "no modules.json: mean pooling without normalisation is assumed" in text


def test_info_tells_of_licence_prompts_and_what_was_left_aside(sentence_tiny):
    path = sentence_tiny / "model.safetensors"
    save_file({**load_file(path), "pooler.dense.bias": np.ones(32, np.float32)}, path)
    (sentence_tiny / "README.md").write_text("---\ntags:\n- a\nlicense: mit\n---\n\nlicense: no\n")
    folder = sentence_tiny.rename(sentence_tiny.parent / "e5-small")
    told = json.loads(run("info", str(folder), "--json").stdout)
    assert told["licence"] == "mit"
    assert told["prompts"]["query"] == "query: "
    assert told["ignored"] == ["pooler.dense.bias"]
    assert told["then"] == ["normalize"]
    assert any("known by its name" in note for note in told["notes"])
    text = run("info", str(folder)).stdout
    assert "query: 'query: '" in text
    assert "pooler.dense.bias" in text


# ── tokenize ─────────────────────────────────────────────────────────────────────────────────────


def test_tokenize_shows_each_piece_with_its_id_its_place_and_its_source():
    result = run("tokenize", "--model", TINY, "Héllo \u00ad 🤖")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "[CLS] hello [UNK] [SEP]"
    assert lines[2].split() == ["28", "hello", "0-5", "'Héllo'"]
    assert lines[3].endswith("not in the vocabulary")
    assert lines[-1] == "dropped      6  U+00AD SOFT HYPHEN"
    assert "\x1b" not in result.stdout


def test_tokenize_is_coloured_on_a_terminal_alone():
    arguments = ["tokenize", "--model", TINY, "hello world"]
    assert "\x1b[36m[CLS]" in CliRunner().invoke(main, arguments, color=True).output


def test_tokenize_marks_what_is_cut_off():
    lines = run("tokenize", "--model", TINY, "--max-length", "4", "a b c d").stdout.splitlines()
    assert [line.split()[1] for line in lines if line.endswith("cut off")] == ["c", "d"]
    assert lines[-1] == "6 tokens, 2 of them beyond the maximum of 4"


def test_tokenize_gives_programs_one_json_object_a_text():
    result = run("tokenize", "--model", TINY, "--json", "hello", "\u200b")
    hello, dropped = (json.loads(line) for line in result.stdout.splitlines())
    assert [token["token"] for token in hello["tokens"]] == ["[CLS]", "hello", "[SEP]"]
    assert hello["tokens"][1] == {
        "token": "hello", "id": 28, "start": 0, "end": 5, "unknown": False, "kept": True,
    }  # fmt: skip
    assert dropped["dropped"] == [{"start": 0, "character": "U+200B", "name": "ZERO WIDTH SPACE"}]


# ── which model ──────────────────────────────────────────────────────────────────────────────────


def test_the_environment_names_the_model():
    result = run("info", "--json", GTENP_MODEL=TINY)
    assert json.loads(result.stdout)["folder"] == TINY


def test_a_default_that_cannot_be_had_says_what_was_tried_and_how_to_get_one(tmp_path):
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    environment = {k: v for k, v in environment.items() if k not in ("GTENP_MODEL", "HF_HUB_CACHE")}
    result = gtenp_process("embed", "text", env=environment)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    for part in ("Supabase/gte-small", "HF_HUB_OFFLINE", "gtenp pull", "--from index", "--model"):
        assert part in result.stderr


# ── errors ───────────────────────────────────────────────────────────────────────────────────────


def test_a_broken_model_ends_in_one_sentence_and_status_2(tiny):
    (tiny / "model.safetensors").write_bytes(b"rubbish!")
    result = gtenp_process("embed", "--model", str(tiny), "text")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: {tiny}/model.safetensors: ")
    assert len(result.stderr.splitlines()) == 1


def test_debug_shows_the_traceback(tiny):
    (tiny / "config.json").unlink()
    result = gtenp_process("--debug", "embed", "--model", str(tiny), "text")
    assert "Traceback" in result.stderr
    assert "ModelFileError" in result.stderr


def test_a_missing_folder_ends_in_status_2(tmp_path):
    result = run("info", str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "no such folder" in result.stderr


@pytest.mark.parametrize("arguments", [["similarity", "one text"], ["embed", "--nonsense"]])
def test_wrong_usage_ends_in_status_2(arguments):
    assert run(*arguments).exit_code == 2


def test_a_reader_that_goes_away_ends_it_quietly():
    command = f"{sys.executable} -m gtenp embed --model {TINY} a b c d e f g | head -c 1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("embed --model {tiny} a >&-", 2),
        ("similarity --model {tiny} a b c >&-", 2),
        ("info {tiny} >&-", 2),
        ("embed --model {tiny} a -o {folder}/a.npy >&-", 0),
        ("embed --model {tiny} a >{folder}/a.json 2>&-", 0),
    ],
)
def test_a_closed_standard_output_is_an_error_only_where_something_is_printed(
    arguments, status, tmp_path
):
    command = f"{sys.executable} -m gtenp {arguments.format(tiny=TINY, folder=tmp_path)}"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert result.returncode == status
    closed = "Error: standard output is closed; redirect it to a file, or to /dev/null\n"
    assert status == 0 or result.stderr == closed


def test_version_and_help():
    assert run("--version").stdout.strip() == f"gtenp, version {gtenp.__version__}"
    for verb in ("embed", "similarity", "tokenize", "info", "pull"):
        assert verb in run("--help").stdout
        assert run(verb, "--help").exit_code == 0

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command_line import TINY, gtenp_on_a_terminal, gtenp_process, run
from texts import CARD

from gtenp import Embedder


def test_embed_prints_one_line_of_json_a_text_that_reads_back_to_the_last_bit():
    result = run("embed", "--model", TINY, *CARD)
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    np.testing.assert_array_equal(np.array(lines, np.float32), Embedder(TINY).encode(CARD))


def test_embed_reads_lines_of_standard_input():
    result = run("embed", "--model", TINY, stdin="hello\r\n\nworld")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    expected = Embedder(TINY).encode(["hello", "", "world"])
    # Lines are embedded as they come, in whatever company: a last bit may differ.
    np.testing.assert_allclose(np.array(lines, np.float32), expected, atol=1e-6)


def test_embed_of_no_lines_prints_nothing():
    result = run("embed", "--model", TINY, stdin="")
    assert (result.exit_code, result.stdout) == (0, "")


def test_embed_writes_a_numpy_file(tmp_path):
    output = tmp_path / "out.npy"
    result = run("embed", "--model", TINY, "-o", str(output), *CARD)
    assert result.exit_code == 0
    assert result.stdout == ""
    np.testing.assert_allclose(np.load(output), Embedder(TINY).encode(CARD), atol=1e-6)
    names = {"out.npy", "out.npy.json", "out.npy.rows.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_texts_go_into_a_file_without_an_ending_as_a_bare_numpy_file(tmp_path):
    assert run("embed", "--model", TINY, "-o", str(tmp_path / "out"), *CARD).exit_code == 0
    np.testing.assert_allclose(np.load(tmp_path / "out"), Embedder(TINY).encode(CARD), atol=1e-6)
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


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
    assert run("embed", "--model", TINY, "-o", str(tmp_path / "pipe"), "a").exit_code == 0
    assert reader.communicate(timeout=30)[0] == (tmp_path / "real.npy").read_bytes()
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
    assert done.stderr == "Warning: 1 of 1 texts have more than 64 tokens and were cut there\n"


# ── files ────────────────────────────────────────────────────────────────────────────────────────


def test_embed_prints_the_lines_of_a_file(tmp_path):
    (tmp_path / "a.txt").write_text("hello\n\nworld\n")
    result = run("embed", "--model", TINY, str(tmp_path / "a.txt"))
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    expected = Embedder(TINY).encode(["hello", "", "world"])
    np.testing.assert_allclose(np.array(lines, np.float32), expected, atol=2e-6)


def test_embed_says_at_the_end_what_was_done(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"hello\n\xff\n" + b"a " * 100 + b"\n")
    out = tmp_path / "out.npy"
    arguments = ["embed", "--model", TINY, str(tmp_path / "a.txt"), "-o", str(out)]
    result = run(*arguments, "--on-error", "skip")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"{out}: 2 × 32 float32; 2 texts, ")
    assert result.stderr.endswith("; 1 cut at 64 tokens; 1 skipped, see out.npy.errors.jsonl\n")
    assert run(*arguments, "--on-error", "skip", "--quiet").stderr == ""


def test_embed_stops_at_a_bad_line_with_its_place(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n{"text": null}\n')
    result = run("embed", "--model", TINY, str(tmp_path / "a.jsonl"), "-o", str(tmp_path / "o.csv"))
    assert result.exit_code == 2
    assert (
        "a.jsonl:2: 'text' is null; wanted a text; mend it and begin anew, or go on"
        in result.stderr
    )
    assert not (tmp_path / "o.csv").exists()


def test_embed_writes_a_files_vectors_to_standard_output_and_pipes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("hello\nworld\n")
    command = [sys.executable, "-m", "gtenp", "embed", "--model", TINY, str(path), "-o", "-"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0
    (tmp_path / "out.npy").write_bytes(done.stdout)
    assert np.load(tmp_path / "out.npy").shape == (2, 32)


def test_a_text_that_names_no_file_is_a_text_and_a_folder_is_one_only_with_an_output(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("hello")
    (tmp_path / "hello").write_text("other words")
    expected = Embedder(TINY).encode(["docs", "hello"])
    lines = run("embed", "--model", TINY, "docs", "hello").stdout.splitlines()
    np.testing.assert_array_equal(np.array(list(map(json.loads, lines)), np.float32), expected)
    assert run("embed", "--model", TINY, "docs", "-o", "out.jsonl").exit_code == 0
    assert json.loads((tmp_path / "out.jsonl").read_text())["id"] == "a.txt"


def test_a_file_of_an_unknown_ending_is_no_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, output in [
        ("notes.xyz", ()),
        ("notes.xyz", ("-o", "o.npy")),
        ("log", ("-o", "o.npy")),
    ]:
        (tmp_path / name).write_text("hello\n")
        result = run("embed", "--model", TINY, name, *output)
        assert result.exit_code == 2
        assert f"{name}: none of the endings .txt" in result.stderr
        assert "say --format lines or another" in result.stderr
        assert run("embed", "--model", TINY, name, *output, "--format", "lines").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [("--column", "body"), ("--id", "key"), ("--sql", "select 1"), ("--glob", "*.py")],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize("output", [(), ("-o", "o.npy")], ids=["printed", "written"])
def test_an_option_of_files_is_refused_for_texts(arguments, output):
    result = run("embed", "--model", TINY, "some words", *arguments, *output)
    assert result.exit_code == 2
    assert f"{arguments[0]}: is for " in result.stderr
    assert "read as texts as arguments" in result.stderr


def test_a_job_that_is_done_is_not_done_again(tmp_path):
    (tmp_path / "a.txt").write_text("hello\nworld\n")
    out = tmp_path / "out.csv"
    arguments = ["embed", "--model", TINY, str(tmp_path / "a.txt"), "-o", str(out)]
    assert run(*arguments).exit_code == 0
    made = out.stat().st_mtime_ns
    again = run(*arguments)
    assert (again.exit_code, again.stderr) == (
        0,
        f"{out}: is done already; --restart does it again\n",
    )
    assert out.stat().st_mtime_ns == made
    assert run(*arguments, "--quiet").stderr == ""
    assert run(*arguments, "--restart").stderr.startswith(f"{out}: 2 × 32 float32; 2 texts")
    assert out.stat().st_mtime_ns != made


def test_a_file_that_is_not_there_is_no_text():
    result = run("embed", "--model", TINY, "corpsu.jsonl", "-o", "out.npy")
    assert result.exit_code == 2
    assert "corpsu.jsonl: no such file" in result.stderr


def test_files_and_texts_do_not_mix(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    result = run("embed", "--model", TINY, str(tmp_path / "a.txt"), "some words")
    assert result.exit_code == 2
    assert "Texts and files don't mix" in result.stderr


def test_options_hold_for_texts_too():
    arguments = ["embed", "--model", TINY, "hello", "--truncate-dim", "4", "--normalize"]
    vector = np.array(json.loads(run(*arguments).stdout), np.float32)
    expected = Embedder(TINY).encode("hello", truncate_dim=4, normalize_embeddings=True)
    np.testing.assert_allclose(vector, expected, atol=2e-6)


def test_texts_go_into_any_form(tmp_path):
    assert run("embed", "--model", TINY, "hello", "-o", str(tmp_path / "o.jsonl")).exit_code == 0
    row = json.loads((tmp_path / "o.jsonl").read_text())
    assert (row["text"], row["place"]) == ("hello", "text 1")


def test_an_unknown_ending_names_those_there_are(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    result = run("embed", "--model", TINY, str(tmp_path / "a.txt"), "-o", str(tmp_path / "o.zip"))
    assert result.exit_code == 2
    assert "wanted one of the endings .npy, .npz, .safetensors" in result.stderr


def test_a_bar_shows_texts_and_tokens_a_second_on_a_terminal(tmp_path):
    (tmp_path / "a.txt").write_text("hello\n" * 3000)
    out = str(tmp_path / "o.npy")
    status, shown = gtenp_on_a_terminal(
        "embed", "--model", TINY, str(tmp_path / "a.txt"), "-o", out
    )
    assert status == 0
    assert "3000/3000" in shown
    assert "tokens/s" in shown


def test_shards_are_joined(tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"text {i}\n" for i in range(2000)))
    names = [str(tmp_path / f"{i}.npy") for i in (1, 2)]
    for i, name in enumerate(names, 1):
        arguments = ["embed", "--model", TINY, str(tmp_path / "a.txt"), "--shard", f"{i}/2"]
        assert run(*arguments, "-o", name).exit_code == 0
    result = run("concat", *names, "-o", str(tmp_path / "all.npy"))
    assert result.stderr == f"{tmp_path / 'all.npy'}: 2,000 rows\n"
    assert (
        run("concat", *names, "-o", str(tmp_path / "half.npy"), "--dtype", "float16").exit_code == 0
    )
    assert np.load(tmp_path / "half.npy").dtype == np.float16
    assert run("embed", "a", "--shard", "3/2").exit_code == 2

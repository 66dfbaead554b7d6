import json
import os
import subprocess
import sys

import numpy as np
from command_line import TINY, gtenp_process, run
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

import numpy as np
import pytest
from command_line import run
from places import DATA
from safetensors.numpy import load_file

from gtenp.verify.value_files import read

TINY = str(DATA / "tiny")


def test_trace_writes_float64_under_bare_names_for_one_text(tmp_path):
    output = tmp_path / "trace.safetensors"
    result = run("trace", "--model", TINY, "hello world", "-o", str(output))
    assert (result.exit_code, result.stdout) == (0, "")
    arrays = load_file(output)
    assert arrays["input_ids"].tolist()[0] == 2
    assert arrays["layer.1.gelu"].dtype == np.float64


def test_trace_tells_of_a_text_that_was_cut(tmp_path):
    output = tmp_path / "trace.safetensors"
    result = run("trace", "--model", TINY, "a " * 100, "-o", str(output))
    assert result.stderr.splitlines() == [
        "Warning: 1 of 1 texts have more than 64 tokens and were cut there",
        f"{output}: {len(load_file(output))} values of 1 text",
    ]


def test_trace_numbers_several_texts(tmp_path):
    output = tmp_path / "trace.safetensors"
    run("trace", "--model", TINY, "-o", str(output), stdin="hello\nworld\n")
    assert {name.split(".")[0] for name in load_file(output)} == {"0", "1"}


@pytest.mark.parametrize(("name", "flags"), [("t.npz", []), ("t.npz", ["--npz"])])
def test_trace_writes_npz(tmp_path, name, flags):
    output = tmp_path / name
    run("trace", "--model", TINY, "hello", "-o", str(output), "--dtype", "float32", *flags)
    assert read(output).texts == ["hello"]
    with np.load(output) as arrays:
        assert arrays["layer.0.query"].dtype == np.float32


def test_trace_leaves_nothing_where_it_cannot_write(tmp_path):
    result = run("trace", "--model", TINY, "hello", "-o", str(tmp_path / "no" / "t.safetensors"))
    assert result.exit_code == 2
    assert "no such folder; make it first" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_trace_of_nothing_says_so(tmp_path):
    result = run("trace", "--model", TINY, "-o", str(tmp_path / "t.npz"), stdin="")
    assert result.exit_code == 2
    assert "no text to trace" in result.stderr

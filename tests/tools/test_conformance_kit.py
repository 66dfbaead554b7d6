"""The kit holds what it says, and ports in another language pass by it or are told why not."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from command_line import run
from places import ROOT
from safetensors.numpy import load_file

from gtenp import Embedder
from gtenp.verify.trace import STEPS

PORTS = ROOT / "tests" / "ports"

with_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not here")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit") / "kit"
    command = [sys.executable, str(ROOT / "tools/make_conformance_kit.py"), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder


def read(kit, name):
    return json.loads((kit / name).read_text(encoding="utf-8"))


def answers(kit, port, output):
    """What a port answers to the kit, verified."""
    command = ["node", str(PORTS / port), str(kit), str(output)]
    subprocess.run(command, check=True, timeout=60)
    return run("verify", "--kit", str(kit), str(output))


def test_its_vectors_are_those_of_the_embedder(kit):
    vectors = Embedder(kit / "model").encode(read(kit, "texts.json"), truncate="silent")
    assert np.abs(vectors - np.array(read(kit, "vectors.json"))).max() < 1e-6


def test_its_tokens_lie_where_their_offsets_say(kit):
    texts, tokens = read(kit, "texts.json"), read(kit, "tokens.json")
    vocabulary = (kit / "model/vocab.txt").read_text(encoding="utf-8").splitlines()
    for text, one in zip(texts, tokens, strict=True):
        assert [vocabulary[i] for i in one["input_ids"]] == one["tokens"]
        assert len(one["offsets"]) == len(one["tokens"]) <= 64
        if text.isascii() and text.islower() and "[UNK]" not in one["tokens"]:
            spans = [text[start:stop] for start, stop in one["offsets"][1:-1]]
            assert spans == [token.removeprefix("##") for token in one["tokens"][1:-1]]


def test_its_values_are_float64_for_every_text_and_step(kit):
    values = load_file(kit / "expected.safetensors")
    count = len(read(kit, "texts.json"))
    assert len(values) == count * 31
    assert values[f"{count - 1}.layer.1.gelu"].dtype == np.float64
    for number, one in enumerate(read(kit, "tokens.json")):
        assert values[f"{number}.input_ids"].tolist() == one["input_ids"]


def test_its_readme_names_every_value_and_the_tolerance(kit):
    readme = (kit / "README.md").read_text(encoding="utf-8")
    assert all(f"`{step.name}`" in readme for step in STEPS)
    tolerance = read(kit, "tolerance.json")
    assert f"{tolerance['mean']:g} × the mean" in readme
    assert f"{tolerance['largest']:g} × the largest" in readme


def test_a_folder_that_holds_something_is_left_alone(kit):
    command = [sys.executable, str(ROOT / "tools/make_conformance_kit.py"), str(kit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "is not empty" in done.stderr


@with_node
@pytest.mark.parametrize(
    ("port", "output"), [("flat.mjs", "a.safetensors"), ("rows.mjs", "a.json")]
)
def test_a_port_passes(kit, tmp_path, port, output):
    result = answers(kit, port, tmp_path / output)
    assert result.exit_code == 0, result.output


@with_node
def test_a_port_with_the_tanh_gelu_fails_and_is_told_so(kit, tmp_path):
    result = answers(kit, "flat_tanh.mjs", tmp_path / "a.safetensors")
    assert result.exit_code == 1
    assert "First out of tolerance: layer.0.gelu" in result.stdout
    assert "Likely cause: the GELU is the tanh approximation" in result.stdout
    assert "all that follows agrees too" in result.stdout

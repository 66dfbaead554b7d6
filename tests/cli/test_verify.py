import importlib.util
import json

import numpy as np
import pytest
from command_line import run
from places import DATA
from safetensors.numpy import load_file, save_file

from gtenp import Embedder
from gtenp.reference import gelu_tanh
from gtenp.verify.trace import model_of, token_ids, trace

TINY = str(DATA / "tiny")
TEXTS = ["hello world", "what is the capital of China?"]


@pytest.fixture
def traced(tmp_path):
    """The float32 trace of TEXTS, as a file."""
    path = tmp_path / "trace.safetensors"
    assert run("trace", "--model", TINY, *TEXTS, "-o", str(path), "--dtype", "float32").output
    return path


@pytest.fixture
def wrong(traced):
    """The same from the tanh GELU on, without the file's own word about its texts."""
    arrays = load_file(traced)
    for name in [name for name in arrays if name.endswith("gelu")]:
        arrays[name] = gelu_tanh(arrays[name.replace("gelu", "intermediate")])
    save_file(arrays, traced)
    return traced


def test_a_trace_of_gtenps_own_is_within_tolerance(traced):
    result = run("verify", str(traced), "--model", TINY)
    assert result.exit_code == 0
    assert "within tolerance: no step's relative error is above 5e-06" in result.stdout
    steps = [line.split()[0] for line in result.stdout.splitlines() if line and "." in line]
    assert steps[:4] == ["input_ids", "token_type_ids", "position_ids", "embeddings.sum"]


def test_the_first_step_out_and_its_cause_are_named_with_status_1(wrong):
    result = run("verify", str(wrong), "--model", TINY, "--text", TEXTS[0], "--text", TEXTS[1])
    assert result.exit_code == 1
    assert "First out of tolerance: layer.0.gelu\n  text " in result.stdout
    assert "Likely cause: the GELU is the tanh approximation" in result.stdout
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert not lines["layer.0.intermediate"].endswith("out")
    assert lines["layer.0.gelu"].endswith("out")


def test_vectors_are_compared_with_what_embed_gives(tmp_path):
    vectors = Embedder(TINY).encode(TEXTS)
    np.save(tmp_path / "v.npy", vectors)
    (tmp_path / "v.json").write_text(json.dumps(vectors.tolist()))
    (tmp_path / "v.jsonl").write_text(run("embed", "--model", TINY, *TEXTS).stdout)
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS) + "\n")
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS))
    for name, texts in (("v.npy", "lines.txt"), ("v.json", "texts.json"), ("v.jsonl", "lines.txt")):
        arguments = ("--model", TINY, "--texts", str(tmp_path / texts))
        assert run("verify", str(tmp_path / name), *arguments).exit_code == 0


def test_normalised_vectors_of_a_model_that_does_not_ask_for_it_are_named(tmp_path):
    vectors = Embedder(TINY).encode(TEXTS, normalize_embeddings=True)
    np.save(tmp_path / "v.npy", vectors)
    result = run("verify", str(tmp_path / "v.npy"), "--model", TINY, "--text", *TEXTS[:1])
    assert result.exit_code == 2  # two vectors, one text
    assert "2 vectors for one text" in result.stderr
    np.save(tmp_path / "v.npy", vectors[0])
    result = run("verify", str(tmp_path / "v.npy"), "--model", TINY, "--text", TEXTS[0])
    assert result.exit_code == 1
    assert "the vectors are normalised already" in result.stdout


def test_a_servers_answer_is_read_from_standard_input():
    vectors = Embedder(TINY).encode(TEXTS)
    data = [{"index": n, "embedding": vectors[n].tolist()} for n in (1, 0)]
    answer = json.dumps({"data": data}).encode("utf-8-sig")
    texts = [argument for text in TEXTS for argument in ("--text", text)]
    assert run("verify", "-", "--model", TINY, *texts, stdin=answer).exit_code == 0
    result = run("verify", "-", "--model", TINY, *texts, stdin=b'{"data": [{}]}')
    assert result.exit_code == 2
    assert "standard input: data[0]: has no embedding" in result.stderr


def test_texts_may_begin_with_a_byte_order_mark(tmp_path):
    np.save(tmp_path / "v.npy", Embedder(TINY).encode(TEXTS))
    (tmp_path / "lines.TXT").write_text("\n".join(TEXTS), encoding="utf-8-sig")
    (tmp_path / "utf-16.txt").write_text("\n".join(TEXTS), encoding="utf-16")
    (tmp_path / "texts.JSON").write_text(json.dumps(TEXTS), encoding="utf-8-sig")
    for name in ("lines.TXT", "utf-16.txt", "texts.JSON"):
        arguments = ("--model", TINY, "--texts", str(tmp_path / name))
        assert run("verify", str(tmp_path / "v.npy"), *arguments).exit_code == 0


@pytest.mark.parametrize("content", ["[" * 100_000, "{}", '["a", 1]', "a"])
def test_texts_that_are_no_json_list_are_one_sentence(tmp_path, content):
    np.save(tmp_path / "v.npy", np.ones((1, 32), np.float32))
    (tmp_path / "texts.json").write_text(content)
    result = run("verify", str(tmp_path / "v.npy"), "--texts", str(tmp_path / "texts.json"))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path / 'texts.json'}: ")


def test_what_only_looks_like_a_cause_is_worded_so(tmp_path):
    np.save(tmp_path / "v.npy", np.random.RandomState(0).standard_normal((2, 32)))
    texts = [argument for text in TEXTS for argument in ("--text", text)]
    result = run("verify", str(tmp_path / "v.npy"), "--model", TINY, *texts)
    assert result.exit_code == 1
    assert (
        "No known mistake yields these values. They look like another model, or other weights: "
        in result.stdout
    )
    assert "Likely cause" not in result.stdout


def test_a_tolerance_of_ones_own_is_kept(traced):
    result = run("verify", str(traced), "--model", TINY, "--tolerance", "1e-9")
    assert result.exit_code == 1


def test_names_that_are_not_compared_are_told(tmp_path):
    values = trace(model_of(Embedder(TINY)), token_ids(Embedder(TINY), TEXTS)[0])
    save_file({"pooled": values["pooled"], "logits": np.ones(2)}, tmp_path / "v.safetensors")
    result = run("verify", str(tmp_path / "v.safetensors"), "--model", TINY, "--text", TEXTS[0])
    assert result.exit_code == 0
    assert "not compared, for it is no name of gtenp's: logits" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "wanted one of OTHER, --transformers and --onnx FILE"),
        (["missing.npy"], "does not exist"),
        ([f"{TINY}/config.json"], "architectures holds <U9; wanted whole or real numbers"),
        ([f"{TINY}/vocab.txt"], "vocab.txt: is not JSON"),
        ([__file__], "its name ends in none of .safetensors, .npz, .npy"),
        ([f"{TINY}/model.safetensors", "--transformers"], "wanted one of OTHER"),
    ],
)
def test_errors_of_use_have_status_2(arguments, words):
    result = run("verify", "--model", TINY, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is here")
def test_without_torch_one_sentence_says_what_to_install():
    result = run("verify", "--transformers", "--model", TINY)
    assert result.exit_code == 2
    assert "torch is not installed here: pip install torch transformers" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is not None, reason="it is here")
def test_without_onnxruntime_one_sentence_says_what_to_install():
    result = run("verify", "--onnx", f"{TINY}/config.json", "--model", TINY)
    assert result.exit_code == 2
    assert "pip install onnxruntime" in result.stderr

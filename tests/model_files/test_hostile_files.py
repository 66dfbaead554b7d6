"""Model files as enemies: whatever they hold, an error of gtenp's own or finite vectors come out.

Each kind of file is damaged at random, 200 times in the default run; GTENP_MUTATIONS sets another
number, and GTENP_SEED another beginning. What such runs have found stands below by name.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from models.build import build
from models.published import CLS, Model, bert
from places import DATA, TESTS
from raw_safetensors import as_bytes, parts
from safetensors.numpy import load_file, save_file

from gtenp import Embedder
from gtenp.errors import GtenpError, ModelFileError

WORDS = (DATA / "tiny/vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
MUTATIONS = int(os.environ.get("GTENP_MUTATIONS", "200"))
SEED = int(os.environ.get("GTENP_SEED", "0"))
TEXTS = ["what is the capital of China?", ""]

# A model with every kind of file, in small.
WHOLE = Model(
    "hostile/whole",
    bert(24, 1, num_attention_heads=6, max_position_embeddings=32),
    CLS,
    after=("Dense", "LayerNorm", "Normalize"),
    transformer={"max_seq_length": 32, "do_lower_case": True},
    defaults={"prompts": {"query": "what "}, "default_prompt_name": None, "truncate_dim": 8},
    dense={"bias": True, "activation_function": "torch.nn.modules.activation.Tanh"},
    shards=2,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Its folder, sharded and with a tokenizer.json."""
    return build(WHOLE, tmp_path_factory.mktemp("hostile"), WORDS)


def outcome(folder: Path) -> GtenpError | None:
    """Embed with the folder: the error of ours that came of it, or None for sound vectors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            embeddings = Embedder(folder).encode(TEXTS)
    except GtenpError as caught:
        error = caught
    else:
        assert embeddings.dtype == np.float32
        assert np.isfinite(embeddings).all()
        return None
    assert 0 < len(str(error)) < 2_000
    return error


# ── at random ────────────────────────────────────────────────────────────────────────────────────

VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 7, 10**12, 2**63, -(2**63), 2**64, 10**400, 1e-400, 0.5,
    -0.0,    float("inf"), float("nan"), "", "a", "..", "../..", "/etc/passwd", "\0", "\ud800", "x" * 500,
    [], [[]], {}, {"a": None}, ["mean"], "mean", [0, 1], [2**63, 0], "F32", "BF16", "[CLS]",
]  # fmt: skip


def damaged_json(rng: random.Random, value: object) -> object:
    """The value with one change somewhere within."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        change = rng.randrange(6)
        if change == 0:
            return {k: v for k, v in value.items() if k != key}
        if change == 1:
            return {**value, rng.choice(["type", "path", "a", *value]): rng.choice(VALUES)}
        if change == 2:
            return {(k + "x" if k == key else k): v for k, v in value.items()}
        return {**value, key: damaged_json(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at, change = rng.randrange(len(value)), rng.randrange(5)
        if change == 0:
            return value[:at] + value[at + 1 :]
        if change == 1:
            return [*value[: at + 1], *value[at:]]
        if change == 2:
            return value[::-1]
        return [*value[:at], damaged_json(rng, value[at]), *value[at + 1 :]]
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.5:
        return value + rng.choice([-1, 1, 8, 1 << 31, -value, value])
    return rng.choice(VALUES)


def damaged_bytes(rng: random.Random, content: bytes) -> bytes:
    """The bytes with one change somewhere."""
    at = rng.randrange(len(content) + 1)
    to = min(len(content), at + rng.choice([1, 2, 8, 100, 10_000]))
    return rng.choice(
        [
            lambda: content[:at],
            lambda: content[at:],
            lambda: content[:at] + content[to:],
            lambda: content[:to] + content[at:],
            lambda: content[:at] + rng.randbytes(rng.choice([1, 2, 8])) + content[at:],
            lambda: content[:at] + rng.randbytes(to - at) + content[to:],
            lambda: content[:at] + bytes(to - at) + content[to:],
            lambda: (
                content[:at]
                + rng.choice([b'"', b"{", b"}", b"[", b",", b"\n", b"\r", b"\xff"])
                + content[at:]
            ),
            lambda: b"\xef\xbb\xbf" + content,
            lambda: content.replace(b"\n", b"\r\n"),
            lambda: content + content,
        ]
    )()


def damage_json(rng: random.Random, path: Path) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        values = damaged_json(rng, values)
    text = json.dumps(values).replace("Infinity", "1e999")
    if rng.random() < 0.1:
        text = text.replace("{", '{"a": 1, "a": 2, ', 1)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")


def damage_bytes(rng: random.Random, path: Path) -> None:
    content = path.read_bytes()
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        content = damaged_bytes(rng, content)
    path.write_bytes(content)


def damage_lines(rng: random.Random, path: Path) -> None:
    lines = path.read_bytes().split(b"\n")
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(lines))
        lines[at : at + 1] = rng.choice(
            [
                [],
                [b""],
                [lines[at]] * 2,
                [rng.choice(lines)],
                [lines[at] + b"\r"],
                [b"\xff"],
                [b"##"],
            ]
        )
    path.write_bytes(b"\n".join(lines))


def damage_header(rng: random.Random, path: Path) -> None:
    header, data = parts(path)
    for _ in range(rng.choice([1, 1, 1, 2])):
        header = damaged_json(rng, header)
    size = rng.choice([None] * 8 + [0, 1, 2**63, 2**64 - 1])
    text = json.dumps(header).encode("utf-8", errors="replace")
    path.write_bytes(as_bytes(text, data, size))


def damage_numbers(rng: random.Random, path: Path) -> None:
    """NaN, infinity and numbers too large among the weights."""
    tensors = {name: tensor.copy() for name, tensor in load_file(path).items()}
    for _ in range(rng.choice([1, 1, 5, 100])):
        tensor = tensors[rng.choice(list(tensors))].reshape(-1)
        if tensor.dtype.kind == "f":
            worst = rng.choice([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e30, 1e-45])
            tensor[rng.randrange(tensor.size)] = worst
    save_file(tensors, path)


SHARD = "model-00001-of-00002.safetensors"
DAMAGES = [
    ("config.json", damage_json),
    ("config.json", damage_bytes),
    ("modules.json", damage_json),
    ("modules.json", damage_bytes),
    ("1_Pooling/config.json", damage_json),
    ("2_Dense/config.json", damage_json),
    ("2_Dense/model.safetensors", damage_header),
    ("2_Dense/model.safetensors", damage_bytes),
    ("3_LayerNorm/config.json", damage_json),
    ("sentence_bert_config.json", damage_json),
    ("config_sentence_transformers.json", damage_json),
    ("model.safetensors.index.json", damage_json),
    (SHARD, damage_header),
    (SHARD, damage_bytes),
    (SHARD, damage_numbers),
    ("tokenizer.json", damage_json),
    ("tokenizer.json", damage_bytes),
    ("tokenizer_config.json", damage_json),
    ("special_tokens_map.json", damage_json),
    ("vocab.txt", damage_lines),
    ("vocab.txt", damage_bytes),
]


@pytest.mark.parametrize(
    ("name", "damage"), DAMAGES, ids=[f"{name}-{damage.__name__}" for name, damage in DAMAGES]
)
def test_a_file_damaged_at_random_gives_an_error_of_ours_or_sound_vectors(
    whole, tmp_path, name, damage
):
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    if name == "vocab.txt":
        (folder / "tokenizer.json").unlink()
    if name == "special_tokens_map.json":  # is read only where the tokens are not spelled out
        (folder / "tokenizer.json").unlink()
    sound = (folder / name).read_bytes()
    refused = 0
    for number in range(MUTATIONS):
        rng = random.Random(f"{SEED} {number} {name}")
        damage(rng, folder / name)
        try:
            refused += outcome(folder) is not None
        except BaseException:
            kept = Path(tmp_path.parent, f"found-{number}")
            shutil.copytree(folder, kept)
            print(f"number {number}: kept in {kept}")
            raise
        (folder / name).write_bytes(sound)
    assert refused > MUTATIONS / 20


# ── by name ──────────────────────────────────────────────────────────────────────────────────────

HEADER = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
TWO = {**HEADER, "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}


def changed(header: dict, name: str, **entry: object) -> dict:
    return {**header, name: {**header[name], **entry}}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(as_bytes(HEADER, b"\0" * 8, 10_000), id="a header longer than the file"),
        pytest.param(as_bytes(HEADER, b"\0" * 8, 2**64 - 1), id="a header of length -1"),
        pytest.param(as_bytes(HEADER, b"\0" * 8, 2**63), id="a header of 2^63 bytes"),
        pytest.param(as_bytes(HEADER, b"\0" * 8, 0), id="a header of no bytes"),
        pytest.param(
            as_bytes(changed(TWO, "b", data_offsets=[4, 12]), b"\0" * 12), id="overlapping offsets"
        ),
        pytest.param(
            as_bytes(changed(TWO, "b", data_offsets=[16, 8]), b"\0" * 16), id="backward offsets"
        ),
        pytest.param(as_bytes(changed(TWO, "b", data_offsets=[12, 20]), b"\0" * 20), id="a hole"),
        pytest.param(as_bytes(TWO, b"\0" * 12), id="offsets outside the file"),
        pytest.param(
            as_bytes(changed(HEADER, "a", data_offsets=[-8, 0]), b"\0" * 8), id="negative offsets"
        ),
        pytest.param(as_bytes(HEADER, b"\0" * 9), id="bytes that nobody owns"),
        pytest.param(
            as_bytes(
                json.dumps(HEADER)[:-1].encode() + b"," + json.dumps(HEADER)[1:].encode(), b"\0" * 8
            ),
            id="a name that comes twice",
        ),
        pytest.param(
            as_bytes(
                b'{"a":{"dtype":"I8","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"\0" * 8
            ),
            id="a dtype that comes twice",
        ),
        pytest.param(as_bytes(changed(HEADER, "a", dtype="F64"), b"\0" * 8), id="a wider dtype"),
        pytest.param(as_bytes(changed(HEADER, "a", dtype="F99"), b"\0" * 8), id="no dtype"),
        pytest.param(as_bytes(changed(HEADER, "a", shape=[3]), b"\0" * 8), id="a larger shape"),
        pytest.param(
            as_bytes(changed(HEADER, "a", shape=[2**62, 8]), b"\0" * 8),
            id="a shape whose product overflows",
        ),
        pytest.param(
            as_bytes(changed(HEADER, "a", shape=[2**32, 2**32, 2**32]), b"\0" * 8),
            id="a shape whose product overflows to 0",
        ),
        pytest.param(as_bytes(b"[" * 100_000, b""), id="a header nested deep"),
        pytest.param(as_bytes(b"[]", b""), id="a header that is a list"),
        pytest.param(as_bytes(b'{"a": 1}', b""), id="an entry that is a number"),
        pytest.param(b"", id="no bytes"),
    ],
)
def test_a_safetensors_file_that_lies_is_refused(whole, tmp_path, content):
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    (folder / SHARD).write_bytes(content)
    with pytest.raises(ModelFileError, match=SHARD):
        Embedder(folder)


def test_a_tensor_of_no_numbers_is_no_crash(whole, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    header, data = parts(folder / SHARD)
    for shape in ([0], [0, 2**40], [2**62, 0]):
        entry = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data)]}
        (folder / SHARD).write_bytes(as_bytes({**header, "nothing": entry}, data))
        error = outcome(folder)
        assert error is None or isinstance(error, ModelFileError)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer_config.json", '{"model_max_length": NaN}'),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"x": 1}}'),
        ("special_tokens_map.json", '{"unk_token": 3}'),
        ("special_tokens_map.json", '{"additional_special_tokens": [[]]}'),
        ("added_tokens.json", '{"a": "b"}'),
    ],
)
def test_a_tokenizers_file_with_one_type_in_anothers_place_is_refused(
    whole, tmp_path, name, content
):
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    for other in ("tokenizer.json", "tokenizer_config.json"):
        (folder / other).unlink()
    (folder / name).write_text(content)
    assert isinstance(outcome(folder), ModelFileError)


# What each of these costs is measured in a process of its own: seconds, and megabytes at the most.
COSTLY = {
    "a header of 100 MB": (SHARD, "as_bytes(b'{' + b' ' * 99_999_990 + b'}', b'')"),
    "a header of 200,000 tensors": (
        SHARD,
        "as_bytes({str(i): {'dtype': 'F32', 'shape': [0], 'data_offsets': [0, 0]}"
        " for i in range(200_000)}, b'')",
    ),
    "a header just within bounds": (
        SHARD,
        "as_bytes({str(i): {'dtype': 'F32', 'shape': [0], 'data_offsets': [0, 0]}"
        " for i in range(60_000)}, b'')",
    ),
    "a header of one name": (SHARD, "as_bytes(b'{' + b'\"a\":1,' * 600_000 + b'\"a\":1}', b'')"),
    "settings nested 100,000 deep": ("config.json", "b'[' * 100_000"),
    "objects nested 100,000 deep": ("modules.json", "b'{\"a\":' * 100_000"),
    "an index nested 100,000 deep": ("model.safetensors.index.json", "b'[' * 100_000"),
    "a tokenizer nested 100,000 deep": ("tokenizer.json", "b'[' * 100_000"),
    "settings of 100 MB": ("config.json", "b'[' + b'[],' * 33_000_000 + b'[]]'"),
    "a tokenizer of 100 MB": ("tokenizer.json", "b'[' + b'[],' * 33_000_000 + b'[]]'"),
    "a number of a million digits": ("config.json", "b'{\"vocab_size\":' + b'1' * 1_000_000 + b'}'"),
    "10^12 layers": ("config.json", "CONFIG.replace(b'num_hidden_layers\": 2', b'num_hidden_layers\": 1' + b'0' * 12)"),
    "10^12 words": ("config.json", "CONFIG.replace(b'vocab_size\": 1', b'vocab_size\": 1' + b'0' * 12)"),
    "10^12 positions": ("config.json", "CONFIG.replace(b'embeddings\": 32', b'embeddings\": 1' + b'0' * 12)"),
}  # fmt: skip


@pytest.mark.parametrize("case", COSTLY)
def test_what_would_fill_the_memory_is_refused_in_bounded_time(whole, tmp_path, case):
    name, content = COSTLY[case]
    folder = Path(shutil.copytree(whole, tmp_path / "model"))
    make = "import json, sys\nfrom pathlib import Path\nfrom raw_safetensors import as_bytes\n"
    make += f"folder = Path({str(folder)!r})\nCONFIG = (folder / 'config.json').read_bytes()\n"
    make += (
        f"content = {content}\nassert content != CONFIG\n(folder / {name!r}).write_bytes(content)"
    )
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", make], check=True, env=environment, timeout=120)
    load = f"""
import time
from peak_memory import peak_megabytes
from gtenp import Embedder
from gtenp.errors import GtenpError
start, before = time.process_time(), peak_megabytes()
try:
    Embedder({str(folder)!r})
except GtenpError as error:
    print(time.process_time() - start, peak_megabytes() - before, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", load], check=True, env=environment, timeout=120,
        capture_output=True, text=True,
    )  # fmt: skip
    seconds, megabytes, message = done.stdout.split(" ", 2)
    assert str(folder) in message
    assert float(seconds) < 5
    assert int(megabytes) < 250

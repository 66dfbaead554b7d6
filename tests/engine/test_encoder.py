import json
import subprocess
import sys

import numpy as np
import pytest
from golden import HIDDEN_TOLERANCE, Golden
from hypothesis import given, settings
from hypothesis import strategies as st
from models.published import t5
from models.relatives import t5_tensors
from places import DATA
from random_model import TINY, write_model
from safetensors.numpy import save_file

from gtenp import reference
from gtenp.engine import encoder, kernels
from gtenp.engine.batch import PackedBatch, pack
from gtenp.engine.encoder import _MOST_KEPT, Encoder, _Workspace
from gtenp.model_files.checkpoint import astype
from gtenp.model_files.model import load_weights, read_config
from gtenp.tokenizer import Tokenizer


def load(folder):
    config = read_config(folder)
    return Encoder(load_weights(folder, config), config)


def test_gte_smalls_shape_equals_transformers_at_all_13_levels(gte_small):
    golden = Golden("gte-small")
    encoder, tokenizer = load(gte_small), Tokenizer.from_folder(gte_small)
    for i, text in enumerate(golden.facts["traced"]):
        batch = pack([tokenizer(text)["input_ids"]])
        states = np.stack(list(encoder.hidden_states(batch)))
        assert states.dtype == np.float32
        assert np.abs(states - golden.arrays[f"hidden_states.{i}"]).max() <= HIDDEN_TOLERANCE


def test_padded_pairs_of_the_tiny_model_equal_transformers():
    golden = Golden("tiny").arrays
    mask = golden["attention_mask"].astype(bool)
    batch = PackedBatch(
        golden["input_ids"][mask],
        golden["token_type_ids"][mask],
        np.broadcast_to(np.arange(mask.shape[1]), mask.shape)[mask],
        np.concatenate(([0], np.cumsum(mask.sum(axis=1)))),
    )
    states = np.stack(list(load(DATA / "tiny").hidden_states(batch)))
    assert np.abs(states - golden["hidden_states_float32"][:, mask]).max() <= HIDDEN_TOLERANCE


ENCODER = load(DATA / "tiny")
SEQUENCE = st.lists(st.integers(0, 100), min_size=1, max_size=64)
SEQUENCES = st.lists(SEQUENCE, min_size=1, max_size=12)


@settings(deadline=None)
@given(SEQUENCES)
def test_packed_equals_one_at_a_time_for_any_composition(sequences):
    together = ENCODER.forward(pack(sequences))
    alone = np.concatenate([ENCODER.forward(pack([sequence])) for sequence in sequences])
    # Hidden states reach 4, where two float32 are 4.8e-7 apart; embeddings are held to 1e-6.
    assert np.abs(together - alone).max() <= 2e-6


@pytest.mark.parametrize("lengths", [[64] * 8, [40, 40, 40, 64, 64, 1], [60] * 3 + [9] * 20])
def test_rows_shared_across_texts_of_one_length_equal_the_same_alone(lengths):
    batch = pack([list(range(length)) for length in lengths])
    alone = ENCODER.forward(batch)
    for threads in (2, 3, 5):
        assert np.abs(ENCODER.forward(batch, threads) - alone).max() <= 2e-6


@pytest.mark.parametrize("small", [False, True])
def test_attention_takes_no_more_scores_at_once_than_it_may(monkeypatch, small):
    batch = pack([list(range(64))] * 2 + [list(range(16))] * 9 + [[1, 2]] * 200)
    expected, seen = ENCODER.forward(batch), []

    def watched(query, key, value, context, bias):
        scores = query.size // query.shape[-1] * key.shape[-1]
        seen.append(scores)
        attend(query, key, value, context, bias)

    attend = kernels.attend
    monkeypatch.setattr(kernels, "attend", watched)
    monkeypatch.setattr(encoder, "_small_kernels", lambda: small)
    monkeypatch.setattr(encoder, "_MAX_SCORES", 1 << 11)
    assert np.abs(ENCODER.forward(batch) - expected).max() <= 2e-6
    assert (1 << 10) < max(seen) <= 1 << 11


def test_another_pass_between_two_hidden_states_changes_neither():
    long, short = pack([list(range(64))] * 4), pack([[3, 1, 2]])
    expected = [state.copy() for state in ENCODER.hidden_states(long)]
    for state, wanted in zip(ENCODER.hidden_states(long), expected, strict=True):
        assert state.tobytes() == wanted.tobytes()
        ENCODER.forward(short)
        ENCODER.forward(pack([[9] * 64] * 4))


@pytest.mark.parametrize(
    ("hidden", "inner", "widths"),
    [(24, 40, (24, 40)), (128, 320, (128, 64)), (1024, 128, (64, 64)), (2048, 128, (128, 128))],
)
def test_weights_lie_in_blocks_as_wide_as_small_products_allow(
    tmp_path, monkeypatch, hidden, inner, widths
):
    monkeypatch.setattr(encoder, "_small_kernels", lambda: True)
    shape = {"hidden_size": hidden, "intermediate_size": inner, "num_attention_heads": 2,
             "num_hidden_layers": 1, "vocab_size": 9}  # fmt: skip
    folder = write_model(tmp_path / "blocks", {**TINY, **shape}, 5, [f"word{i}" for i in range(9)])
    config = read_config(folder)
    weights = load_weights(folder, config)
    blocks = Encoder(weights, config)
    layer = blocks._layers[0]
    assert (layer.query_key_value.blocks.shape[-1], layer.intermediate.blocks.shape[-1]) == widths
    batch = pack([[1, 5, 2, 8], *[[3] * 60] * 9])
    exact = reference.forward(
        astype(weights, np.float64), config, batch.input_ids[:4], batch.token_type_ids[:4],
        batch.position_ids[:4],
    ).hidden_states[-1]  # fmt: skip
    assert np.abs(blocks.forward(batch)[:4] - exact).max() <= HIDDEN_TOLERANCE


def test_an_empty_batch_gives_no_rows():
    assert ENCODER.forward(pack([])).shape == (0, 32)


def test_loading_a_model_takes_at_most_1_6_times_its_file_in_memory(minilm):
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from peak_memory import peak_megabytes
from gtenp import Embedder
before = peak_megabytes()
Embedder(sys.argv[2])
print(peak_megabytes() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(DATA.parent), str(minilm)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    file_size = (minilm / "model.safetensors").stat().st_size / 2**20
    assert int(done.stdout) <= 1.6 * file_size


def test_a_thread_keeps_no_array_beyond_the_bound():
    workspace = _Workspace()
    small = workspace.array("scratch", 10, 100)
    assert np.shares_memory(workspace.array("scratch", 50), small)
    assert np.shares_memory(workspace.array("scratch", 1000), small)
    huge = workspace.array("scratch", _MOST_KEPT + 1)
    assert not np.shares_memory(huge, small)
    assert np.shares_memory(workspace.array("scratch", 50), small)
    most = workspace.array("scratch", _MOST_KEPT)
    assert np.shares_memory(workspace.array("scratch", 50), most)
    assert sum(array.nbytes for array in vars(workspace).values()) == 4 * _MOST_KEPT


LAYER_OF_T5_XXL = {"d_model": 128, "num_heads": 16, "d_kv": 64, "d_ff": 8192, "num_layers": 12}


def test_float16_that_stays_in_the_file_takes_less_memory_than_its_float32(tmp_path):
    """In the shape of T5's largest layer, an eighth as wide: A·D is 8·H, F is 64·H."""
    config = t5(128, 12, **LAYER_OF_T5_XXL, vocab_size=100)
    tensors = {name: t.astype(np.float16) for name, t in t5_tensors(config, 1).items()}
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(config))
    script = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from peak_memory import peak_megabytes
from gtenp.engine import encoder
from gtenp.engine.batch import pack
from gtenp.model_files.model import load_weights, read_config
if sys.argv[3] == "in the file":
    encoder._MOST_LAID_OUT = 0
before = peak_megabytes()
config = read_config(Path(sys.argv[2]))
weights = load_weights(Path(sys.argv[2]), config)
states = encoder.Encoder(weights, config).forward(pack([[5, 6, 7, 1]] * 8, None, config.arithmetic))
print(peak_megabytes() - before, float(abs(states).sum()))
"""
    found = {}
    for where in ("in the file", "laid out"):
        command = [sys.executable, "-c", script, str(DATA.parent), str(tmp_path), where]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        found[where] = [float(number) for number in done.stdout.split()]
    float32 = sum(t.size for name, t in tensors.items() if name != "shared.weight") * 4 / 2**20
    (in_file, its_sum), (laid_out, other_sum) = found["in the file"], found["laid out"]
    assert its_sum == pytest.approx(other_sum, rel=1e-4)
    assert laid_out > float32  # the file's pages and the whole of its float32
    assert in_file < 0.75 * float32  # the file's pages, half of it, and a piece of one matrix

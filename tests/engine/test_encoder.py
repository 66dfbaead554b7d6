import subprocess
import sys

import numpy as np
from golden import HIDDEN_TOLERANCE, Golden
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DATA

from gtenp.engine.batch import PackedBatch, pack
from gtenp.engine.encoder import _MOST_KEPT, Encoder, _Workspace
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
    huge = workspace.array("scratch", _MOST_KEPT + 1)
    assert not np.shares_memory(huge, small)
    assert np.shares_memory(workspace.array("scratch", 50), small)
    most = workspace.array("scratch", _MOST_KEPT)
    assert np.shares_memory(workspace.array("scratch", 50), most)
    assert sum(array.nbytes for array in vars(workspace).values()) == 4 * _MOST_KEPT

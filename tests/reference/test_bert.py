import numpy as np
import pytest
from golden import FLOAT64_TOLERANCE, HIDDEN_TOLERANCE, Golden

from gtenp import reference
from gtenp.model_files.checkpoint import astype
from gtenp.model_files.model import load_weights, read_config
from gtenp.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, FLOAT64_TOLERANCE), (np.float32, HIDDEN_TOLERANCE)]
)
def test_pairs_through_the_tiny_model_equal_torch_at_every_level(tiny, dtype, tolerance):
    golden = Golden("tiny").arrays
    config = read_config(tiny)
    weights = astype(load_weights(tiny, config), dtype)
    for row, mask in enumerate(golden["attention_mask"].astype(bool)):
        trace = reference.forward(
            weights, config, golden["input_ids"][row][mask], golden["token_type_ids"][row][mask]
        )
        length = mask.sum()
        states = golden[f"hidden_states_{dtype.__name__}"][:, row, :length]
        assert np.abs(np.stack(trace.hidden_states) - states).max() <= tolerance
        for layer, attention in zip(
            trace.layers, golden[f"attentions_{dtype.__name__}"], strict=True
        ):
            assert np.abs(layer.attention - attention[row, :, :length, :length]).max() <= tolerance
            assert layer.output.dtype == dtype


def test_gte_smalls_shape_in_float64_equals_torch_at_all_13_levels(gte_small):
    golden = Golden("gte-small")
    config = read_config(gte_small)
    ids = Tokenizer.from_folder(gte_small)(golden.facts["traced"][2])["input_ids"]
    weights = astype(load_weights(gte_small, config), np.float64)
    states = np.stack(reference.forward(weights, config, np.array(ids)).hidden_states)
    assert states.shape == (13, 3, 384)
    assert np.abs(states - golden.arrays["hidden_states_float64.2"]).max() <= FLOAT64_TOLERANCE

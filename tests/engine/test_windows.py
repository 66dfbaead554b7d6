"""Local layers: a token looks at its neighbours alone, and little more is computed."""

from dataclasses import replace

import numpy as np
import pytest
from golden import HIDDEN_TOLERANCE
from models.families import FAMILIES, write_family

from gtenp.engine import encoder as encoder_module
from gtenp.engine import kernels
from gtenp.engine.batch import pack
from gtenp.engine.encoder import Encoder
from gtenp.model_files.checkpoint import astype
from gtenp.model_files.model import load_weights, read_config
from gtenp.reference import variations


class Local:
    """A model whose last layers are local, its window so many tokens to either side."""

    def __init__(self, folder, window, name="modernbert-newer"):
        write_family(folder, {**FAMILIES[name], "local_attention": 2 * window + 1})
        self.config = read_config(folder)
        self.weights = load_weights(folder, self.config)
        self.doubles = astype(self.weights, np.float64)
        self.encoder = Encoder(self.weights, self.config)

    def exact(self, ids):
        """The last states by the reference, which computes all scores and masks what is far."""
        return variations.forward(self.doubles, self.config, np.array(ids)).hidden_states[-1]


def ids_of(length, seed=0):
    return np.random.default_rng(seed).integers(5, 100, length).tolist()


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("window", [0, 1, 3, 8, 21, 64])
def test_the_states_are_those_of_the_mask_at_every_edge(window, small, tmp_path, monkeypatch):
    model = Local(tmp_path, window)
    monkeypatch.setattr(encoder_module, "_small_kernels", lambda: small)
    lengths = {
        1,
        2,
        window,
        window + 1,
        window + 2,
        2 * window + 1,
        3 * window,
        3 * window + 1,
        150,
    }
    for length in sorted(lengths - {0}):
        ids = ids_of(length)
        found = model.encoder.forward(pack([ids], arithmetic=model.config.arithmetic))
        assert np.abs(found - model.exact(ids)).max() <= HIDDEN_TOLERANCE, length


def test_companions_and_threads_change_no_text(tmp_path):
    model = Local(tmp_path, 8)
    rows = [ids_of(length, length) for length in (300, 300, 33, 33, 33, 9, 1)]
    batch = pack(rows, arithmetic=model.config.arithmetic)
    exact = np.concatenate([model.exact(ids) for ids in rows])
    starts = batch.cu_seqlens[:-1]
    middle = (starts + batch.cu_seqlens[1:]) // 2
    for threads in (1, 2, 3):
        assert np.abs(model.encoder.forward(batch, threads) - exact).max() <= HIDDEN_TOLERANCE
        for wanted in (starts, middle):
            found = model.encoder.forward(batch, threads, wanted)
            assert np.abs(found - exact[wanted]).max() <= HIDDEN_TOLERANCE


def test_what_is_beyond_all_windows_changes_nothing(tmp_path):
    model = Local(tmp_path, 4)
    # Layer 0 looks at all tokens: without it a state hangs on 3 · 4 tokens to either side alone.
    local = model.config.layer_arithmetics[1:]
    layers = model.weights.layers[1:]
    config = replace(model.config, num_hidden_layers=3, layer_arithmetics=local)
    weights = replace(model.weights, layers=layers)
    encoder = Encoder(weights, config)
    ids = ids_of(100)
    changed = [*ids[:40], 7 if ids[40] != 7 else 8, *ids[41:]]
    found, other = (
        encoder.forward(pack([row], arithmetic=config.arithmetic)) for row in (ids, changed)
    )
    differs = np.flatnonzero(np.abs(found - other).max(axis=1) > 0)
    assert (differs.min(), differs.max()) == (40 - 12, 40 + 12)


def test_the_scores_of_local_layers_grow_with_the_length_and_not_with_its_square(
    tmp_path, monkeypatch
):
    model = Local(tmp_path, 64, "modernbert")
    attend, seen = kernels.attend, []

    def watched(query, key, value, context, bias):
        seen.append((key.shape[-1], query.size // query.shape[-1] * key.shape[-1]))
        attend(query, key, value, context, bias)

    monkeypatch.setattr(kernels, "attend", watched)
    heads, local = model.config.num_attention_heads, len(model.config.local_layers)
    for length in (512, 2048):
        seen.clear()
        model.encoder.forward(pack([ids_of(length)], arithmetic=model.config.arithmetic))
        near = [scores for keys, scores in seen if keys < length]
        assert sum(near) <= local * heads * length * 3 * 64
        assert sum(scores for _, scores in seen) - sum(near) == 2 * heads * length**2

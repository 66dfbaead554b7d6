"""Where one row of each sequence is read, the last layer is computed for that row alone."""

import numpy as np
import pytest
from places import DATA

from gtenp.engine.batch import pack
from gtenp.engine.encoder import Encoder
from gtenp.model_files.model import load_weights, read_config

CONFIG = read_config(DATA / "tiny")
ENCODER = Encoder(load_weights(DATA / "tiny", CONFIG), CONFIG)
LENGTHS = [40, 40, 40, 12, 12, 7, 1, 1, 1, 1]
IDS = [list(np.random.default_rng(n).integers(5, 100, length)) for n, length in enumerate(LENGTHS)]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("which", ["first", "last", "middle"])
def test_the_wanted_rows_are_those_of_the_whole_pass(which, threads):
    batch = pack(IDS)
    starts, ends = batch.cu_seqlens[:-1], batch.cu_seqlens[1:]
    wanted = {"first": starts, "last": ends - 1, "middle": (starts + ends) // 2}[which]
    whole = ENCODER.forward(batch)[wanted]
    found = ENCODER.forward(batch, threads, wanted)
    assert found.shape == whole.shape
    assert np.abs(found - whole).max() <= 1e-6 * np.abs(whole).max()


@pytest.mark.parametrize("threads", [1, 4])
def test_a_single_long_text_may_be_shared_between_threads(threads):
    batch = pack([list(range(5, 69)) * 1])
    wanted = np.array([63])
    whole = ENCODER.forward(batch)[wanted]
    assert np.abs(ENCODER.forward(batch, threads, wanted) - whole).max() <= 1e-5


def test_less_is_computed(monkeypatch):
    rows = []
    activation = Encoder._activation

    def counted(self, x, *others):
        rows.append(len(x))
        return activation(self, x, *others)

    monkeypatch.setattr(Encoder, "_activation", counted)
    batch = pack(IDS)
    ENCODER.forward(batch, wanted=batch.cu_seqlens[:-1])
    assert rows == [sum(LENGTHS), len(LENGTHS)]

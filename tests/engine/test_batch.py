import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gtenp.engine.batch import length_sorted, pack

LENGTHS = st.lists(st.integers(2, 40), max_size=50)


def test_nothing_packs_to_nothing():
    batch = pack([])
    assert batch.input_ids.shape == (0,)
    assert batch.cu_seqlens.tolist() == [0]


@given(LENGTHS, st.integers(1, 100), st.none() | st.integers(1, 5), st.integers(1, 4))
def test_every_index_comes_once_and_no_batch_exceeds_its_budget(lengths, budget, most, threads):
    batches = list(length_sorted(lengths, budget, most, threads))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:  # half of its first and half of its last text may stand over
        inner = sum(lengths[i] for i in batch) - (lengths[batch[0]] + lengths[batch[-1]]) / 2
        assert inner <= budget
        assert most is None or len(batch) <= most
    in_order = [lengths[i] for batch in batches for i in batch]
    assert in_order == sorted(lengths, reverse=True)


@given(st.lists(st.integers(2, 40), min_size=100, max_size=300), st.integers(1, 4))
def test_each_thread_gets_as_many_batches_of_one_size(lengths, threads):
    batches = list(length_sorted(lengths, 200, threads=threads))
    assert len(batches) % threads == 0
    sizes = [sum(lengths[i] for i in batch) for batch in batches]
    assert max(sizes) - min(sizes) <= 2 * max(lengths)


def test_a_sequences_rows_do_not_keep_the_others_alive():
    rows = np.arange(12.0).reshape(6, 2)
    parts = pack([[1, 2], [3], [4, 5, 6]]).split(rows)
    assert [part.tolist() for part in parts] == [
        [[0, 1], [2, 3]], [[4, 5]], [[6, 7], [8, 9], [10, 11]],
    ]  # fmt: skip
    assert not any(np.shares_memory(part, rows) for part in parts)

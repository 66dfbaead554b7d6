from hypothesis import given
from hypothesis import strategies as st

from gtenp.batch import length_sorted, pack

LENGTHS = st.lists(st.integers(2, 40), max_size=50)


def test_nothing_packs_to_nothing():
    batch = pack([])
    assert batch.input_ids.shape == (0,)
    assert batch.cu_seqlens.tolist() == [0]


@given(LENGTHS, st.integers(1, 100), st.none() | st.integers(1, 5))
def test_every_index_comes_once_and_no_batch_exceeds_its_budget(lengths, budget, most):
    batches = list(length_sorted(lengths, budget, most))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or sum(lengths[i] for i in batch) <= budget
        assert most is None or len(batch) <= most
    in_order = [lengths[i] for batch in batches for i in batch]
    assert in_order == sorted(lengths, reverse=True)

import numpy as np
import pytest
from golden import EMBEDDING_TOLERANCE, HIDDEN_TOLERANCE, Golden
from places import DATA

from gtenp import BertModel, Tokenizer
from gtenp.errors import InputError

TINY = BertModel.from_pretrained(DATA / "tiny")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def test_padded_pairs_give_what_transformers_gives_at_every_real_token():
    golden = Golden("tiny").arrays
    output = TINY(
        **{name: golden[name] for name in INPUTS}, output_hidden_states=True, output_attentions=True
    )
    mask = golden["attention_mask"].astype(bool)
    states = np.stack(output.hidden_states)
    assert states.dtype == np.float32
    assert np.abs(states - golden["hidden_states_float32"])[:, mask].max() <= HIDDEN_TOLERANCE
    np.testing.assert_array_equal(output.last_hidden_state, states[-1])
    attentions = np.stack(output.attentions)
    real = mask[None, :, None, :, None] & mask[None, :, None, None, :]
    difference = np.abs(attentions - golden["attentions_float32"]) * real
    assert difference.max() <= HIDDEN_TOLERANCE


def test_without_a_mask_every_token_counts():
    output = TINY(input_ids=[[2, 10, 11, 3]])
    masked = TINY(input_ids=[[2, 10, 11, 3, 0]], attention_mask=[[1, 1, 1, 1, 0]])
    assert output.hidden_states is None
    assert output.attentions is None
    np.testing.assert_allclose(
        masked.last_hidden_state[:, :4], output.last_hidden_state, atol=EMBEDDING_TOLERANCE
    )
    assert not masked.last_hidden_state[:, 4].any()


def test_padding_on_the_left_keeps_its_positions_as_transformers_does():
    left = TINY(input_ids=[[0, 2, 10, 3]], attention_mask=[[0, 1, 1, 1]])
    right = TINY(input_ids=[[2, 10, 3]], position_ids=[[1, 2, 3]])
    np.testing.assert_allclose(
        left.last_hidden_state[:, 1:], right.last_hidden_state, atol=EMBEDDING_TOLERANCE
    )


def test_the_tokenizers_output_goes_straight_in():
    batch = Tokenizer.from_pretrained(DATA / "tiny")(
        ["hello", "hello world"], padding=True, return_tensors="np"
    )
    assert TINY(**batch).last_hidden_state.shape == (2, 4, 32)


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"input_ids": [2, 3]}, r"input_ids: found int64 of shape \(2,\)"),
        ({"input_ids": [[2, 3], [2]]}, "input_ids: rows of different lengths"),
        ({"input_ids": [[2.5]]}, "input_ids: found float64"),
        ({"input_ids": [[]]}, "input_ids: found"),
        ({"input_ids": [[10_000]]}, "input_ids: 10000 is outside the model's table"),
        ({"input_ids": [[-1]]}, "input_ids: -1 is outside"),
        ({"input_ids": [[2] * 65]}, "position_ids: 64 is outside"),
        ({"input_ids": [[2]], "token_type_ids": [[2]]}, "token_type_ids: 2 is outside"),
        ({"input_ids": [[2]], "attention_mask": [[1, 1]]}, r"attention_mask: shape \(1, 2\)"),
        ({"input_ids": [[2]], "attention_mask": [[2]]}, "attention_mask: wanted 0 and 1"),
    ],
)
def test_arrays_that_cannot_be_run_are_named(inputs, complaint):
    with pytest.raises(InputError, match=complaint):
        TINY(**inputs)

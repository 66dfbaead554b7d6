import pickle

import numpy as np
import pytest
from golden import EMBEDDING_TOLERANCE, HIDDEN_TOLERANCE, Golden
from places import DATA
from safetensors.numpy import load_file, save_file

from gtenp import BertModel, Tokenizer
from gtenp.errors import InputError, ModelFileError

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


# ── as transformers' users call it ───────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def real(minilm):
    return BertModel.from_pretrained(minilm)


def test_the_pooler_gives_what_transformers_gives(real, minilm):
    golden = Golden("calls")
    batch = Tokenizer.from_pretrained(minilm)(
        golden.facts["texts"], padding=True, return_tensors="np"
    )
    found = real(**batch).pooler_output
    assert found.dtype == np.float32
    assert np.abs(found - golden.arrays["pooler_output"]).max() <= EMBEDDING_TOLERANCE


def test_the_output_goes_by_name_and_by_place_as_in_transformers(real):
    ids = [[101, 1037, 102]]
    output = real(ids, output_hidden_states=True)
    last, pooled, states = output
    assert output[0] is last is output.last_hidden_state is output["last_hidden_state"]
    assert output[1] is pooled is output.pooler_output
    assert output[2] is states is output["hidden_states"]
    assert len(output[:2]) == 2
    assert output.to_tuple() == tuple(output)
    assert output.attentions is None
    with pytest.raises(KeyError, match="attentions"):
        output["attentions"]
    assert real(ids, output_attentions=True)[2][0].shape == (1, 12, 3, 3)
    last, pooled = real(ids, return_dict=False)
    assert (last.shape, pooled.shape) == ((1, 3, 384), (1, 384))
    again = pickle.loads(pickle.dumps(output))
    np.testing.assert_array_equal(again.hidden_states, again[2])


def test_without_a_pooler_in_the_file_there_is_none():
    output = TINY([[2, 10, 3]])
    assert output.pooler_output is None
    assert len(output) == 1
    (last,) = output
    assert last is output[0]


def test_a_pooler_that_is_half_there_is_an_error(tiny):
    tensors = load_file(tiny / "model.safetensors")
    weight = {"pooler.dense.weight": np.ones((32, 32), np.float32)}
    save_file(tensors | weight, tiny / "model.safetensors")
    with pytest.raises(ModelFileError, match=r"lacks the tensor pooler\.dense\.bias"):
        BertModel.from_pretrained(tiny)


def test_a_first_token_that_is_masked_pools_to_zeros(real):
    output = real([[0, 101, 102], [101, 1037, 102]], attention_mask=[[0, 1, 1], [1, 1, 1]])
    assert not output.pooler_output[0].any()
    assert output.pooler_output[1].any()


def test_the_model_stays_on_the_cpu_in_float32(real):
    assert real.eval().to("cpu") is real
    assert (real.device, real.dtype) == ("cpu", np.float32)
    with pytest.raises(InputError, match="gtenp computes on the CPU alone"):
        real.to("cuda")


def test_the_arrays_are_no_views_of_larger_ones(real):
    output = real([[101, 1037, 102]], output_hidden_states=True)
    for array in (*output[:2], *output.hidden_states):
        assert array.base is None
        assert array.flags.c_contiguous
        assert array.flags.owndata


@pytest.mark.parametrize(
    ("option", "harmless", "refused"),
    [
        ("torch_dtype", "auto", "float16"),
        ("dtype", np.float32, np.float16),
        ("attn_implementation", "sdpa", "flash_attention_2"),
        ("trust_remote_code", False, True),
    ],
)
def test_an_option_of_from_pretrained_is_taken_where_it_changes_nothing(option, harmless, refused):
    assert BertModel.from_pretrained(DATA / "tiny", **{option: harmless})
    with pytest.raises(InputError, match=f"^{option}="):
        BertModel.from_pretrained(DATA / "tiny", **{option: refused})


def test_what_makes_a_decoder_of_it_is_refused_by_name():
    assert len(TINY([[2, 3]], use_cache=False, return_dict=True)) == 1
    with pytest.raises(InputError, match=r"past_key_values=.*: gtenp runs encoders alone"):
        TINY([[2, 3]], past_key_values=[1])
    with pytest.raises(TypeError, match="input_idx"):
        TINY([[2, 3]], input_idx=[1])

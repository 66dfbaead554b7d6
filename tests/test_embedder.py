import json
import tracemalloc
import warnings

import numpy as np
import pytest
from golden import EMBEDDING_TOLERANCE, Golden
from hypothesis import given, settings
from hypothesis import strategies as st
from models.build import built
from places import DATA
from safetensors.numpy import load_file, save_file
from texts import CARD, golden_texts

import gtenp
from gtenp import Embedder
from gtenp.errors import (
    InputError,
    ModelFileError,
    ModelNotFoundError,
    TruncationWarning,
    UnsupportedModelError,
)

TINY = Embedder(DATA / "tiny")


@pytest.fixture(scope="module")
def real(minilm):
    return Embedder(minilm)


# ── the published weights ────────────────────────────────────────────────────────────────────────


def test_all_minilm_gives_the_ids_of_transformers_for_every_golden_text(real):
    golden = Golden("minilm")
    assert len(golden.facts["texts"]) >= 300
    assert real.tokenizer(golden.facts["texts"])["input_ids"] == golden.sequences()


def test_all_minilm_gives_the_embeddings_of_transformers_for_every_golden_text(real):
    golden = Golden("minilm")
    embeddings = real.encode(golden.facts["texts"], truncate="silent")
    assert np.abs(embeddings - golden.arrays["embeddings"]).max() <= EMBEDDING_TOLERANCE


def test_the_golden_texts_are_those_of_this_suite():
    assert Golden("minilm").facts["texts"] == golden_texts()


def test_gte_smalls_shape_gives_the_embeddings_of_transformers(gte_small):
    golden = Golden("gte-small")
    embeddings = Embedder(gte_small).encode(golden.facts["texts"], truncate="silent")
    assert np.abs(embeddings - golden.arrays["embeddings"]).max() <= EMBEDDING_TOLERANCE


def test_capitals_are_nearer_to_the_capital_question_than_algorithms(real):
    scores = real.similarity(*np.split(real.encode(CARD), [1]))[0]
    assert scores[1] > scores[2]


# ── shapes and dtypes ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sentences", "shape"),
    [
        ("one text", (32,)),
        ("", (32,)),
        (["one", "two", ""], (3, 32)),
        (["one"], (1, 32)),
        ([], (0, 32)),
        (("a", "tuple"), (2, 32)),
        (np.array(["an", "array", "of", "strings"]), (4, 32)),
        (np.array(["objects", "too"], dtype=object), (2, 32)),
        ((text for text in ["a", "generator"]), (2, 32)),
    ],
)
def test_a_str_gives_one_vector_and_any_list_gives_rows_of_float32(sentences, shape):
    embeddings = TINY.encode(sentences)
    assert embeddings.shape == shape
    assert embeddings.dtype == np.float32
    assert np.isfinite(embeddings).all()


def test_the_dimension_and_the_lengths_are_told():
    assert TINY.get_embedding_dimension() == 32
    assert TINY.max_seq_length == 64


def test_similarity_is_the_cosine():
    embeddings = TINY.encode(CARD)
    scores = TINY.similarity(embeddings, embeddings)
    assert scores.shape == (4, 4)
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-6)


def test_normalising_can_be_asked_for():
    plain, unit = TINY.encode(CARD[0]), TINY.encode(CARD[0], normalize_embeddings=True)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain), atol=1e-6)


def test_a_model_that_normalises_does_so_unasked(sentence_tiny):
    embedder = Embedder(sentence_tiny)
    for asked in (False, True):  # False is sentence-transformers' default and means the same there
        assert abs(np.linalg.norm(embedder.encode(CARD[0], normalize_embeddings=asked)) - 1) < 1e-6


# ── too long a text ──────────────────────────────────────────────────────────────────────────────


def short_embedder() -> Embedder:
    embedder = Embedder(DATA / "tiny")
    embedder.max_seq_length = 5
    return embedder


def test_a_text_longer_than_max_seq_length_is_cut_there():
    embedder = short_embedder()
    expected = embedder.encode("a b c", truncate="error")  # just fits
    np.testing.assert_array_equal(embedder.encode("a b c d e f", truncate="silent"), expected)
    np.testing.assert_array_equal(embedder.encode("a b c d", truncate="silent"), expected)


def test_what_is_cut_is_told_once_with_its_count():
    embedder = short_embedder()
    with pytest.warns(TruncationWarning, match="2 of 3 texts have more than 5 tokens") as caught:
        embedder.encode(["a b c d", "a", "a b c d e"])
    assert caught[0].filename == __file__
    embedder.encode("a b c d")


def test_a_text_that_would_be_cut_can_be_refused():
    with pytest.raises(InputError, match=r"sentences\[1\]: more than 5 tokens, as are 2 of 3"):
        short_embedder().encode(["a", "a b c d", "a b c d e"], truncate="error")


def test_the_prompt_counts_towards_the_length():
    embedder = short_embedder()
    expected = embedder.encode("a b c")
    found = embedder.encode("b c d", prompt="a ", truncate="silent")
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(InputError, match="more than 5 tokens"):
        embedder.encode("b c d", prompt="a ", truncate="error")


def test_a_text_is_cut_on_the_side_that_the_tokenizer_states(tiny):
    (tiny / "tokenizer_config.json").write_text('{"truncation_side": "left"}')
    embedder = Embedder(tiny)
    embedder.max_seq_length = 5
    found = embedder.encode("a b c d", truncate="silent")
    np.testing.assert_array_equal(found, embedder.encode("b c d"))


@pytest.mark.parametrize("length", [2, 65, 0, -1, "8", 8.0, True, None])
def test_a_max_seq_length_that_the_model_cannot_do_is_an_error(length):
    with pytest.raises(InputError, match="wanted a whole number from 3 to 64"):
        Embedder(DATA / "tiny").max_seq_length = length


# ── batches ──────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(st.lists(st.text(max_size=80), max_size=12), st.none() | st.integers(1, 5))
def test_no_vector_depends_on_its_neighbours_or_on_the_batch_size(texts, batch_size):
    together = TINY.encode(texts, batch_size=batch_size, normalize_embeddings=True)
    for text, embedding in zip(texts, together, strict=True):
        alone = TINY.encode(text, normalize_embeddings=True)
        assert np.abs(embedding - alone).max() <= EMBEDDING_TOLERANCE


def test_a_hundred_thousand_empty_strings_are_embedded_alike():
    embeddings = TINY.encode([""] * 100_000)
    assert embeddings.shape == (100_000, 32)
    assert np.abs(embeddings - TINY.encode("")).max() <= EMBEDDING_TOLERANCE


def test_the_tokens_of_all_texts_are_never_held_at_once():
    embedder = Embedder(DATA / "tiny", threads=1)  # further threads allocate at times of their own

    def peak(count: int) -> int:
        texts = ["word " * 60] * count
        embedder.encode(texts, truncate="silent")  # what is made once is there from now on
        tracemalloc.start()
        try:
            vectors = embedder.encode(texts, truncate="silent")
            return tracemalloc.get_traced_memory()[1] - vectors.nbytes
        finally:
            tracemalloc.stop()

    assert (peak(2_000) - peak(500)) / 1_500 < 200  # bytes a text; its 62 tokens would take 500


def test_ten_megabytes_in_one_str_are_embedded():
    assert np.isfinite(TINY.encode("hello world " * 900_000, truncate="silent")).all()


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, 2.0, True, np.True_, np.float32(2), "32"])
def test_a_batch_size_that_is_none_is_an_error(batch_size):
    with pytest.raises(InputError, match="batch_size"):
        TINY.encode(["a"], batch_size=batch_size)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("truncate_dim", 0),
        ("truncate_dim", "8"),
        ("output_value", "cls"),
        ("precision", "int4"),
        ("truncate", True),
        ("prompt_name", "passage"),
    ],
)
def test_an_option_of_an_unknown_value_is_named(option, value):
    with pytest.raises(InputError, match=f"{option}: {value!r}"):
        TINY.encode(["a"], **{option: value})


def test_an_option_that_nobody_knows_is_an_error():
    with pytest.raises(TypeError, match="normalise"):
        TINY.encode_query(["a"], normalise=True)


def test_the_progress_bar_counts_texts(capsys):
    TINY.encode(["a", "b", "c"], show_progress_bar=True)
    assert "3/3" in capsys.readouterr().err


# ── prompts ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def prompted(sentence_tiny) -> Embedder:
    (sentence_tiny / "config_sentence_transformers.json").write_text(
        json.dumps(
            {
                "prompts": {"query": "what is ", "passage": "hello ", "corpus": "the "},
                "default_prompt_name": "corpus",
            }
        )
    )
    return Embedder(sentence_tiny)


def test_each_way_to_a_prompt_puts_it_before_the_text(prompted):
    def plain(text):
        return prompted.encode(text, prompt="").tolist()

    assert prompted.encode("china").tolist() == plain("the china")
    assert prompted.encode("china", prompt_name="query").tolist() == plain("what is china")
    assert prompted.encode("china", prompt="new ").tolist() == plain("new china")
    both = prompted.encode("china", prompt_name="query", prompt="new ")
    assert both.tolist() == plain("new china")
    assert prompted.encode_query("china").tolist() == plain("what is china")
    assert prompted.encode_document("china").tolist() == plain("hello china")
    assert prompted.encode_document("china", prompt_name="query").tolist() == plain("what is china")
    assert prompted.encode_query(["china"], "corpus").tolist() == [plain("the china")]


def test_without_a_query_prompt_encode_query_does_not_fall_back_on_the_default(prompted):
    prompted.prompts = {"corpus": "the "}
    assert prompted.encode_query("china").tolist() == prompted.encode("china", prompt="").tolist()
    prompted.prompts = {}
    assert prompted.encode_document("a").tolist() == prompted.encode("a", prompt="").tolist()


@pytest.mark.parametrize("name", ["query", "document"])
def test_every_model_has_prompts_for_queries_and_documents_if_empty_ones(sentence_tiny, name):
    settings = {"prompts": {"passage": "hello "}, "default_prompt_name": name}
    (sentence_tiny / "config_sentence_transformers.json").write_text(json.dumps(settings))
    embedder = Embedder(sentence_tiny)
    plain = embedder.encode("china", prompt="").tolist()
    assert embedder.default_prompt_name == name
    assert embedder.encode("china").tolist() == plain
    embedder.default_prompt_name = None
    embedder.default_prompt_name = name
    assert embedder.encode("china", prompt_name=name).tolist() == plain
    assert Embedder(sentence_tiny, default_prompt_name=name).encode("china").tolist() == plain
    embedder.prompts[name] = "the "
    assert embedder.encode("china").tolist() == embedder.encode("the china", prompt="").tolist()


def test_a_prompt_of_the_empty_name_is_one_like_others(sentence_tiny):
    settings = {"prompts": {"": "what is ", "query": "the "}, "default_prompt_name": None}
    path = sentence_tiny / "config_sentence_transformers.json"
    path.write_text(json.dumps(settings))
    embedder = Embedder(sentence_tiny)
    plain = embedder.encode("china", prompt="").tolist()
    prompted = embedder.encode("what is china", prompt="").tolist()
    assert embedder.encode("china").tolist() == plain
    assert embedder.encode("china", prompt_name="").tolist() == prompted
    path.write_text(json.dumps({**settings, "default_prompt_name": ""}))
    assert Embedder(sentence_tiny).encode("china").tolist() == prompted


def test_an_unknown_prompt_name_is_told_which_there_are(prompted):
    with pytest.raises(InputError, match="'nobody'; the model has 'query', 'passage', 'corpus'"):
        prompted.encode("china", prompt_name="nobody")


@pytest.mark.parametrize(
    "name",
    [
        "e5-small-v2",
        "e5-large",
        "multilingual-e5-small",
        "models--intfloat--e5-base-v2/snapshots/" + "0" * 40,
    ],
)
def test_e5_folders_have_their_prompts_by_their_name(sentence_tiny, name):
    folder = sentence_tiny.parent / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    sentence_tiny.rename(folder)
    embedder = Embedder(folder)
    query, passage = embedder.encode(["query: hello", "passage: hello"])
    np.testing.assert_allclose(embedder.encode_query("hello"), query, atol=1e-6)
    np.testing.assert_allclose(embedder.encode_document("hello"), passage, atol=1e-6)
    named = embedder.encode("hello", prompt_name="passage")
    np.testing.assert_allclose(named, passage, atol=1e-6)


def test_a_pulled_e5_has_its_prompts_whatever_the_folder_is_called(sentence_tiny):
    (sentence_tiny / "gtenp.json").write_text('{"model": "intfloat/e5-small-v2"}')
    assert Embedder(sentence_tiny).prompts["query"] == "query: "


@pytest.mark.parametrize(
    "name", ["multilingual-e5-large-instruct", "e5-small-v2-finetuned", "my-e5-base"]
)
def test_other_names_bring_no_prompts(sentence_tiny, name):
    assert Embedder(sentence_tiny.rename(sentence_tiny.parent / name)).prompts == {}


def test_prompts_that_the_files_state_win_over_those_of_the_name(sentence_tiny):
    (sentence_tiny / "config_sentence_transformers.json").write_text(
        '{"prompts": {"query": "ask: "}}'
    )
    folder = sentence_tiny.rename(sentence_tiny.parent / "e5-base")
    assert Embedder(folder).prompts == {"query": "ask: "}


def test_a_prompt_is_left_out_of_the_pooling_where_the_model_says_so(sentence_tiny):
    (sentence_tiny / "1_Pooling/config.json").write_text(
        '{"pooling_mode": "mean", "include_prompt": false}'
    )
    embedder = Embedder(sentence_tiny)
    tokens = embedder.encode("hello world", prompt="what is ", output_value="token_embeddings")
    kept = tokens[3:].mean(axis=0)  # without [CLS] what is
    found = embedder.encode("hello world", prompt="what is ")
    np.testing.assert_allclose(found, kept / np.linalg.norm(kept), atol=1e-6)


# ── options of sentence-transformers ─────────────────────────────────────────────────────────────


def test_what_the_files_say_can_be_said_at_the_start(prompted):
    embedder = Embedder(
        prompted.folder,
        device="cpu",
        prompts={"query": "the ", "new": "hello "},
        default_prompt_name="new",
        similarity_fn_name="dot",
        truncate_dim=np.int64(8),
        local_files_only=True,
        token=False,
    )
    assert embedder.prompts == {
        "query": "the ", "passage": "hello ", "corpus": "the ", "new": "hello "
    }  # fmt: skip
    assert embedder.similarity_fn_name == "dot"
    assert embedder.encode("china").tolist() == embedder.encode("hello china", prompt="").tolist()
    assert embedder.encode_query("a").tolist() == embedder.encode("the a", prompt="").tolist()
    assert embedder.encode("a").shape == (8,)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("prompts", ["query: "]),
        ("prompts", {"query": 3}),
        ("default_prompt_name", "nobody"),
        ("similarity_fn_name", "maxsim"),
        ("truncate_dim", 8.0),
        ("threads", True),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(option, value):
    with pytest.raises(InputError, match=f"{option}: "):
        Embedder(DATA / "tiny", **{option: value})


def test_a_name_is_looked_up_as_the_options_say(tmp_path):
    options = {"cache_folder": tmp_path, "local_files_only": True, "token": "hf_x"}
    with pytest.raises(ModelNotFoundError, match=f"(?s){tmp_path}.*local_files_only is set"):
        Embedder(model_name_or_path="a/b", **options)


@pytest.mark.parametrize(
    ("option", "harmless", "refused"),
    [
        ("device", "cpu", "cuda"),
        ("device", None, ["cpu", "cpu"]),
        ("modules", None, ["a module"]),
        ("backend", "torch", "onnx"),
        ("trust_remote_code", False, True),
        ("use_auth_token", None, "hf_x"),
        ("model_kwargs", {}, {"dtype": "float16"}),
        ("config_kwargs", None, {"a": 1}),
        ("processor_kwargs", None, {"a": 1}),
        ("tokenizer_kwargs", None, {"a": 1}),
        ("model_card_data", None, "a card"),
    ],
)
def test_an_option_of_the_constructor_is_taken_where_it_changes_nothing(option, harmless, refused):
    assert Embedder(DATA / "tiny", **{option: harmless}).max_seq_length == 64
    with pytest.raises(InputError, match=f"^{option}=.*[:] .*"):
        Embedder(DATA / "tiny", **{option: refused})


@pytest.mark.parametrize("method", ["encode", "encode_query", "encode_document"])
@pytest.mark.parametrize(
    ("option", "harmless", "refused"),
    [
        ("device", "cpu", "cuda:0"),
        ("convert_to_tensor", False, True),
        ("pool", None, {"processes": []}),
        ("chunk_size", None, 100),
        ("num_workers", 0, 2),
        ("processing_kwargs", None, {"text": {}}),
        ("task", "query", "classification"),
    ],
)
def test_an_option_of_encode_is_taken_where_it_changes_nothing(method, option, harmless, refused):
    encode = getattr(TINY, method)
    assert encode("a", **{option: harmless}).shape == (32,)
    with pytest.raises(InputError, match=f"^{option}=.*[:] .*"):
        encode("a", **{option: refused})


@pytest.mark.parametrize("method", ["encode", "encode_query", "encode_document"])
def test_encode_takes_its_options_in_sentence_transformers_order(method):
    options = ["a", None, "the ", 32, None, "sentence_embedding", "float32", True, False, "cpu"]
    found = getattr(TINY, method)(*options, True, 8)
    wanted = TINY.encode("a", prompt="the ", normalize_embeddings=True, truncate_dim=8)
    assert found.tolist() == wanted.tolist()
    assert getattr(TINY, method)(inputs="a", prompt="").tolist() == TINY.encode("a").tolist()
    with pytest.raises(TypeError, match="inputs and sentences are the same"):
        getattr(TINY, method)(inputs="a", sentences="a")


def test_without_numpy_there_is_a_list_of_vectors():
    found = TINY.encode(CARD, convert_to_numpy=False)
    assert isinstance(found, list)
    np.testing.assert_array_equal(np.stack(found), TINY.encode(CARD))
    assert TINY.encode("a", convert_to_numpy=False).shape == (32,)
    assert TINY.encode([], convert_to_numpy=False) == []


def test_older_names_and_those_of_torch_are_there(tiny):
    embedder = Embedder(tiny)
    assert embedder.get_sentence_embedding_dimension() == 32
    assert embedder.get_max_seq_length() == 64
    assert embedder.device == "cpu"
    assert embedder.eval().to("cpu") is embedder
    with pytest.raises(InputError, match="device='cuda': gtenp computes on the CPU alone"):
        embedder.to("cuda")


def test_tokenize_gives_what_the_model_reads():
    embedder = short_embedder()
    found = embedder.tokenize(["a b c d e", "a"])
    assert list(found) == ["input_ids", "token_type_ids", "attention_mask"]
    assert found["input_ids"].shape == (2, 5)
    assert found["attention_mask"].tolist() == [[1] * 5, [1, 1, 1, 0, 0]]


def test_pairs_are_shown_to_the_cross_encoder():
    for pairs in ([("a", "b")], [["a", "b"]], np.array([["a", "b"], ["c", "d"]])):
        with pytest.raises(InputError, match=r"sentences\[0\].*gtenp.CrossEncoder scores pairs"):
            TINY.encode(pairs)


def test_a_numpy_whole_number_is_one():
    three = np.int64(3)
    embedder = Embedder(DATA / "tiny", threads=three)
    embedder.max_seq_length = embedder.truncate_dim = np.int32(5)
    assert (embedder.max_seq_length, embedder.get_embedding_dimension()) == (5, 5)
    assert embedder.encode(CARD, truncate="silent", batch_size=three).shape == (4, 5)
    assert embedder.encode("a", truncate_dim=three).shape == (3,)


def arrays_of(result):
    """Every array of what encode gave."""
    if isinstance(result, dict):
        return list(result.values())
    if isinstance(result, list):
        return [array for part in result for array in arrays_of(part)]
    return [result]


@pytest.mark.parametrize("sentences", ["hello world", [*CARD] * 30])
@pytest.mark.parametrize("truncate_dim", [None, 8, 32])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalize_embeddings": True},
        {"convert_to_numpy": False},
        {"output_value": "token_embeddings"},
        {"output_value": None},
        {"precision": "binary"},
        {"precision": "ubinary"},
        {"precision": "int8"},
        {"precision": "uint8", "output_value": "token_embeddings"},
    ],
)
def test_an_array_that_is_returned_is_no_view_of_a_larger_one(sentences, truncate_dim, options):
    if options.get("precision") == "int8" and sentences == "hello world":
        return  # one vector has no range
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = TINY.encode(sentences, truncate_dim=truncate_dim, **options)
    for array in arrays_of(result):
        assert array.base is None
        assert array.flags.c_contiguous
        assert array.flags.owndata
        assert array.flags.writeable


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
def test_scores_are_no_views_either(name):
    embedder = Embedder(DATA / "tiny", similarity_fn_name=name)
    vectors = embedder.encode(CARD)
    for method in (embedder.similarity, embedder.similarity_pairwise):
        assert method(vectors, vectors).base is None


# ── what encode gives ────────────────────────────────────────────────────────────────────────────


def test_token_embeddings_are_those_of_all_tokens_of_each_text():
    first, second = TINY.encode(["hello", "hello world"], output_value="token_embeddings")
    assert (first.shape, second.shape) == ((3, 32), (4, 32))
    np.testing.assert_allclose(second.mean(axis=0), TINY.encode("hello world"), atol=1e-6)
    assert TINY.encode("hello", output_value="token_embeddings").tolist() == first.tolist()
    assert TINY.encode([], output_value="token_embeddings") == []


def test_none_gives_all_there_is():
    found = TINY.encode(["hello world"], output_value=None, truncate_dim=8)[0]
    assert found["input_ids"].tolist() == TINY.tokenizer("hello world")["input_ids"]
    assert found["attention_mask"].tolist() == [1] * 4
    assert found["token_type_ids"].tolist() == [0] * 4
    assert found["token_embeddings"].shape == (4, 32)
    assert found["sentence_embedding"].tolist() == TINY.encode("hello world")[:8].tolist()
    with pytest.raises(InputError, match="precision: 'int8' with output_value None"):
        TINY.encode("a", output_value=None, precision="int8")


def test_truncate_dim_keeps_the_first_values_and_does_not_normalise_them_anew(sentence_tiny):
    embedder = Embedder(sentence_tiny)
    whole, cut = embedder.encode(CARD), embedder.encode(CARD, truncate_dim=8)
    np.testing.assert_array_equal(cut, whole[:, :8])
    again = embedder.encode(CARD, truncate_dim=8, normalize_embeddings=True)
    np.testing.assert_allclose(np.linalg.norm(again, axis=1), 1, atol=1e-6)
    assert embedder.encode(CARD, truncate_dim=99).shape == (4, 32)
    embedder.truncate_dim = 4
    assert embedder.get_embedding_dimension() == embedder.encode(CARD).shape[1] == 4


def test_precision_is_that_of_quantize_embeddings():
    texts = [f"{a} {b}" for a in "abcdefghij" for b in "0123456789"]
    plain = TINY.encode(texts)
    for precision in ("int8", "uint8", "binary", "ubinary"):
        expected = gtenp.quantize_embeddings(plain, precision)
        found = TINY.encode(texts, precision=precision)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    assert TINY.encode([], precision="binary").shape == (0, 4)
    assert TINY.encode([], precision="uint8").shape == (0, 32)
    assert TINY.encode("a", precision="ubinary").shape == (4,)


def test_token_embeddings_are_quantized_by_the_ranges_of_them_all():
    texts = ["hello world"] * 40
    tokens = TINY.encode(texts, output_value="token_embeddings")
    expected = gtenp.quantize_embeddings(np.concatenate(tokens), "int8")
    found = TINY.encode(texts, output_value="token_embeddings", precision="int8")
    np.testing.assert_array_equal(np.concatenate(found), expected)
    assert len(found) == 40


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarity_is_what_the_model_or_the_caller_names(name):
    embedder = Embedder(DATA / "tiny")
    embedder.similarity_fn_name = name
    embeddings = embedder.encode(CARD)
    scores = embedder.similarity(embeddings, embeddings[::-1])
    pairs = embedder.similarity_pairwise(embeddings, embeddings[::-1])
    np.testing.assert_allclose(np.diag(scores), pairs, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="similarity_fn_name: 'maxsim'; wanted one of cosine"):
        embedder.similarity_fn_name = "maxsim"


# ── bad models ───────────────────────────────────────────────────────────────────────────────────


def test_a_cross_encoder_is_refused_with_a_sentence(edit_json):
    folder = edit_json("config.json", architectures=["BertForSequenceClassification"])
    tensors = {f"bert.{name}": t for name, t in load_file(folder / "model.safetensors").items()}
    head = {"classifier.weight": np.ones((1, 32), np.float32), "classifier.bias": np.ones(1)}
    save_file(tensors | head, folder / "model.safetensors")
    with pytest.raises(UnsupportedModelError, match="a cross-encoder, which scores two texts read"):
        Embedder(folder)


def test_do_lower_case_before_a_cased_tokenizer_lowers_and_keeps_accents(sentence_tiny):
    (sentence_tiny / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    (sentence_tiny / "vocab.txt").write_text(
        (sentence_tiny / "vocab.txt").read_text(encoding="utf-8").replace("hello", "é"),
        encoding="utf-8",
    )
    settings = sentence_tiny / "sentence_bert_config.json"
    settings.write_text('{"do_lower_case": false}')
    cased = Embedder(sentence_tiny).tokenizer
    settings.write_text('{"do_lower_case": true}')
    lowered = Embedder(sentence_tiny).tokenizer
    assert cased.convert_ids_to_tokens(cased("É World")["input_ids"])[1:3] == ["[UNK]", "[UNK]"]
    assert lowered.convert_ids_to_tokens(lowered("É World")["input_ids"])[1:3] == ["é", "world"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "name", ["embeddings.position_embeddings.weight", "embeddings.word_embeddings.weight"]
)
def test_a_table_with_a_number_that_is_none_gives_no_vector(tiny, name, value):
    tensors = {key: tensor.copy() for key, tensor in load_file(tiny / "model.safetensors").items()}
    tensors[name][2, 3] = value  # position 2, and [CLS]
    save_file(tensors, tiny / "model.safetensors")
    with pytest.raises(ModelFileError, match="gives vectors that are not finite"):
        Embedder(tiny).encode("hello world")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda lines: [*lines[:9], "", *lines[10:]], "a blank line or the same line twice"),
        (lambda lines: [*lines[:9], *lines[8:-1]], "a blank line or the same line twice"),
        (lambda lines: lines[:9] + lines[10:], r"gives \d+ tokens, config.json wants"),
    ],
    ids=["blank", "doubled", "missing"],
)
def test_a_vocabulary_whose_lines_are_not_the_tables_rows_is_an_error(tiny, damage, complaint):
    lines = (tiny / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert len(lines) % 8, "a table of a multiple of 8 may be padded"
    (tiny / "vocab.txt").write_text("\n".join(damage(lines)) + "\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match=complaint):
        Embedder(tiny)


# ── saving ───────────────────────────────────────────────────────────────────────────────────────


def test_a_saved_folder_gives_the_same_vectors_and_keeps_what_was_set(sentence_tiny, tmp_path):
    (sentence_tiny / "README.md").write_text("---\nlicense: mit\n---\n")
    embedder = Embedder(sentence_tiny.rename(sentence_tiny.parent / "e5-small"))
    embedder.max_seq_length = 30
    embedder.truncate_dim = 8
    embedder.similarity_fn_name = "dot"
    embedder.save_pretrained(tmp_path / "saved")
    again = Embedder(tmp_path / "saved")
    assert again.max_seq_length == 30
    assert again.similarity_fn_name == "dot"
    assert again.prompts["query"] == "query: "
    assert (tmp_path / "saved/README.md").exists()
    np.testing.assert_array_equal(again.encode(CARD), embedder.encode(CARD))
    np.testing.assert_array_equal(again.encode_query(CARD), embedder.encode_query(CARD))


def test_a_saved_folder_names_the_prompt_of_documents_as_sentence_transformers_wants_it(
    prompted, tmp_path
):
    prompted.save_pretrained(tmp_path / "saved")
    assert Embedder(tmp_path / "saved").prompts == {**prompted.prompts, "document": "hello "}


def test_a_saved_folder_states_the_pooling_that_was_assumed(tmp_path):
    TINY.save_pretrained(tmp_path / "saved")
    again = Embedder(tmp_path / "saved")
    assert again.sentence_config.has_modules
    np.testing.assert_array_equal(again.encode(CARD), TINY.encode(CARD))


def test_a_folder_that_holds_something_is_not_written_to(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        TINY.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# ── bad input ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prompt", [3, b"x", ["x"]])
def test_a_prompt_that_is_no_str_is_named(prompt):
    with pytest.raises(InputError, match="prompt: found"):
        TINY.encode(["a"], prompt=prompt)


@pytest.mark.parametrize("name", [None, 3, b"model"])
def test_a_model_that_is_no_name_and_no_path_is_named(name):
    with pytest.raises(InputError, match="model: found"):
        Embedder(name)


@pytest.mark.parametrize("sentences", [None, 3, b"bytes", {"a": 1}, {"a"}, 1.5, np.array("a")])
def test_what_is_no_text_and_no_list_is_named(sentences):
    found = "None" if sentences is None else f"of type {type(sentences).__name__}"
    with pytest.raises(InputError, match=f"sentences is {found}, a str or a list of str was"):
        TINY.encode(sentences)


@pytest.mark.parametrize("wrong", [None, 7, b"bytes", ["nested"], float("nan")])
def test_an_element_that_is_no_str_is_named_with_its_place(wrong):
    found = "None" if wrong is None else type(wrong).__name__
    with pytest.raises(InputError, match=rf"\[2\].*{found}"):
        TINY.encode(["fine", "fine too", wrong])
    with pytest.raises(InputError, match=rf"\[1000\].*{found}"):
        TINY.encode(["fine"] * 1000 + [wrong, wrong])


def test_an_array_of_numbers_or_of_two_dimensions_is_an_error():
    for wrong in (np.arange(3), np.array([["a", "b"], ["c", "d"]])):
        with pytest.raises(InputError, match="0"):
            TINY.encode(wrong)


def test_a_lone_surrogate_is_named_with_its_place():
    with pytest.raises(InputError, match=r"1.*surrogate"):
        TINY.encode(["fine", "half \ud83d of an emoji"])
    with pytest.raises(InputError, match=r"1000.*surrogate"):
        TINY.encode(["fine"] * 1000 + ["half \ud83d of an emoji"])
    embedder = short_embedder()  # which reads the beginning of a long text only
    named = []
    for place in range(60):
        late = "a " * place + "\ud800" + " a" * 60
        try:
            embedder.encode(["a"] * 300 + [late], truncate="silent")
        except InputError as error:
            named.append(str(error))
    assert len(named) > 5
    assert all("number 300 " in error for error in named)


def test_a_vocabulary_larger_than_the_embedding_table_is_an_error(tiny):
    words = (tiny / "vocab.txt").read_text(encoding="utf-8")
    (tiny / "vocab.txt").write_text(words + "extra\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match="the tokenizer's ids go up to"):
        Embedder(tiny)


def test_what_is_no_str_is_found_before_any_text_is_tokenized(monkeypatch):
    embedder = Embedder(DATA / "tiny")
    monkeypatch.setattr(type(embedder.tokenizer), "__call__", None)
    texts = ["hello"] * 1_000 + [7]
    with pytest.raises(InputError, match=r"sentences\[1000\] is of type int, a str was wanted"):
        embedder.encode(texts)
    with pytest.raises(InputError, match=r"sentences\[1000\] is of type int, a str was wanted"):
        embedder.encode(texts, prompt="query: ")


def test_ids_give_what_their_texts_give():
    texts = ["hello world", "", "a quick sort", "the capital of china"]
    ids = TINY.token_ids(texts)
    np.testing.assert_allclose(TINY.encode_ids(ids), TINY.encode(texts), atol=1e-6)
    assert TINY.encode_ids([]).shape == (0, TINY.get_embedding_dimension())
    found = TINY.encode_ids(ids, every_token=True)
    wanted = TINY.encode(texts, output_value="token_embeddings")
    for rows, matrix in zip(found, wanted, strict=True):
        np.testing.assert_allclose(rows, matrix, atol=1e-6)
    alone = TINY.encode_ids(ids[:1], batch_invariant=True)
    together = TINY.encode_ids(ids, batch_invariant=True)
    assert together[:1].tobytes() == alone.tobytes()


def test_ids_of_a_prompt_that_the_pooling_leaves_out_are_left_out(sentence_tiny):
    path = sentence_tiny / "1_Pooling/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "include_prompt": False}))
    embedder = Embedder(sentence_tiny)
    prompt = "the capital of "
    ids = embedder.tokenizer([prompt + "china"])["input_ids"]
    found = embedder.encode_ids(ids, prompt_length=embedder.prompt_length(prompt))
    np.testing.assert_allclose(found[0], embedder.encode("china", prompt=prompt), atol=1e-6)
    assert not np.allclose(found, embedder.encode_ids(ids), atol=1e-3)


# ── prompts with an end ──────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def sgpt(tmp_path_factory):
    """BLOOM's layers under the name of a model that wants brackets; they are words of its own."""
    parent = tmp_path_factory.mktemp("models")
    folder = built("blooms-layers", parent).rename(parent / "sgpt-bloom-7b1-msmarco")
    words = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = words["model"]["vocab"]
    for mark, word in zip("[]{}", ("0", "1", "2", "3"), strict=True):
        vocabulary[mark] = vocabulary.pop(word)
    (folder / "tokenizer.json").write_text(json.dumps(words), encoding="utf-8")
    return Embedder(folder)


def test_a_prompt_with_an_end_stands_on_both_sides_of_a_text(sgpt):
    marks = sgpt.tokenizer.convert_tokens_to_ids(list("[]{}"))
    (plain,) = sgpt.token_ids(["the capital of china"])
    ways = ((sgpt.encode_query, marks[:2]), (sgpt.encode_document, marks[2:]))
    for encode, (before, behind) in ways:
        (found,) = encode(["the capital of china"], output_value=None)
        assert found["input_ids"].tolist() == [before, *plain, behind]
    assert sgpt.encode("the capital of china", output_value=None)["input_ids"].tolist() == plain


def test_a_text_that_is_cut_keeps_the_end_of_its_prompt(sgpt):
    marks = sgpt.tokenizer.convert_tokens_to_ids(list("[]"))
    text = "the capital of china " * 500
    with pytest.warns(TruncationWarning):
        ids = sgpt.encode_query(text, output_value=None)["input_ids"].tolist()
    assert len(ids) == sgpt.max_seq_length
    assert [ids[0], ids[-1]] == marks
    with pytest.raises(InputError, match="more than"):
        sgpt.encode_query(text, truncate="error")


def test_a_prompt_with_an_end_cant_be_written_for_sentence_transformers(sgpt, tmp_path):
    with pytest.raises(InputError, match="copy the folder itself"):
        sgpt.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()

"""Text → ids and back, where the reference has surprises, and what the fuzz test has found."""

from __future__ import annotations

import itertools
import pickle
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tokenizer_reference import SPECIAL, ours, reference, telling_vocab, uncased_vocab
from tokenizers import AddedToken

from gtenp.errors import InputError
from gtenp.tokenizer import REMEMBERED, REMEMBERED_LENGTH

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer as Reference

    from gtenp.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def theirs() -> Reference:
    return reference(uncased_vocab(), lowercase=True)


@pytest.fixture(scope="module")
def tokenizer(theirs: Reference, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return ours(theirs, tmp_path_factory.mktemp("uncased"))


def tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokenizer.convert_ids_to_tokens(ids)  # type: ignore[no-any-return]


def assert_equal(tokenizer: Tokenizer, theirs: Reference, text: str) -> None:
    found = tokenizer([text], return_offsets_mapping=True)
    wanted = theirs.encode(text)
    assert tokenizer(text)["input_ids"] == wanted.ids
    assert found["input_ids"][0] == wanted.ids
    assert found["offset_mapping"][0] == wanted.offsets
    assert found.word_ids() == wanted.word_ids


# ── characters ──


def test_a_zero_width_space_joins_its_neighbours(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "super\u200bman") == ["superman"]


def test_a_vertical_tab_joins_its_neighbours_though_python_splits_there(
    tokenizer: Tokenizer,
) -> None:
    assert tokens(tokenizer, "super\vman super\x1cman super\x85man") == ["superman"] * 3


def test_a_no_break_space_parts_its_neighbours(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "super\u00a0man") == ["super", "man"]


def test_a_final_sigma_stays_a_sigma_in_the_middle(tokenizer: Tokenizer) -> None:
    assert "".join(tokens(tokenizer, "ΟΔΟΣ")).replace("##", "") == "οδοσ"


def test_a_not_equal_sign_becomes_an_equal_sign(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "a≠b") == ["a", "=", "b"]


def test_a_cjk_block_that_the_reference_forgets_is_not_spaced_out(
    tokenizer: Tokenizer, theirs: Reference
) -> None:
    assert_equal(tokenizer, theirs, "a\U0002b81fb a\U0002b820b")
    assert tokens(tokenizer, "a\U0002b81fb") == ["a", "[UNK]", "b"]
    assert tokens(tokenizer, "a\U0002b820b") == ["[UNK]"]


def test_hangul_falls_apart_into_jamo_with_the_syllables_offset(
    tokenizer: Tokenizer, theirs: Reference
) -> None:
    assert_equal(tokenizer, theirs, "한국어 각")
    assert tokens(tokenizer, "각") == ["ᄀ", "##ᅡ", "##ᆨ"]


def test_marks_that_survive_are_sorted_and_take_each_others_offsets(tmp_path: Path) -> None:
    theirs = reference(telling_vocab(), lowercase=True)
    tokenizer = ours(theirs, tmp_path)
    for text in ("a\u302e\U0001d165b", "e\u0301\u302ex", "a\u302e\u200b\U0001d165", "\ua9c0\u1b34"):
        assert_equal(tokenizer, theirs, text)


def test_a_word_of_100_characters_is_cut_and_one_of_101_is_unknown(tokenizer: Tokenizer) -> None:
    assert "[UNK]" not in tokens(tokenizer, "a" * 100)
    assert tokens(tokenizer, "a" * 101) == ["[UNK]"]


# ── added tokens ──


def test_special_tokens_are_found_inside_text_but_not_in_lower_case(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "a[MASK]b [SEP]") == ["a", "[MASK]", "b", "[SEP]"]
    assert tokens(tokenizer, "[mask]") == ["[", "mask", "]"]
    assert tokens(tokenizer, "[unused1]") == ["[", "unused", "##1", "]"]


def added(tmp_path: Path, *extra: AddedToken, **options: Any) -> tuple[Tokenizer, Reference]:
    words = [*SPECIAL, "new", "york", "a", "b", "x", "中", "##b", "é", "e", "york!"]
    theirs = reference({word: n for n, word in enumerate(words)}, extra, **options)
    return ours(theirs, tmp_path), theirs


@pytest.mark.parametrize("lstrip", [False, True])
@pytest.mark.parametrize("rstrip", [False, True])
@pytest.mark.parametrize("single_word", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
def test_an_added_tokens_flags_mean_what_they_mean_there(
    tmp_path: Path, lstrip: bool, rstrip: bool, single_word: bool, normalized: bool
) -> None:
    flags = {"lstrip": lstrip, "rstrip": rstrip, "single_word": single_word}
    token = AddedToken("New York", normalized=normalized, special=False, **flags)
    tokenizer, theirs = added(tmp_path, token)
    for text in (
        "a New York b", "aNew York b", "New Yorkb", "new york", "a \t\u2003New York \n b",
        "New York  New York", "\u0301New York", "-New York_", "NEW YORK", "New  York",
    ):  # fmt: skip
        assert_equal(tokenizer, theirs, text)


def test_of_two_added_tokens_at_one_place_the_longer_is_taken(tmp_path: Path) -> None:
    tokenizer, theirs = added(tmp_path, AddedToken("<a"), AddedToken("<a b>"), AddedToken("a b>!"))
    for text in ("<a b>!", "<a b", "x<a b>!x"):
        assert_equal(tokenizer, theirs, text)


def test_two_added_tokens_that_strip_the_same_spaces_take_them_once(tmp_path: Path) -> None:
    token = AddedToken(" ", lstrip=True, rstrip=True, normalized=True, special=False)
    tokenizer, theirs = added(tmp_path, token)
    assert_equal(tokenizer, theirs, "中中")


def test_an_added_token_that_normalizes_to_nothing_is_not_found(tmp_path: Path) -> None:
    tokenizer, _ = added(tmp_path, AddedToken("\u0301", normalized=True, special=False))
    assert tokens(tokenizer, "a b") == ["a", "b"]


def test_an_added_token_comes_back_in_the_form_in_which_it_is_matched(tmp_path: Path) -> None:
    tokenizer, theirs = added(tmp_path, AddedToken("Été", normalized=True, special=False))
    ids = theirs.encode("x ÉTÉ").ids
    assert tokenizer.decode(ids) == theirs.decode(ids, skip_special_tokens=False)


# ── options ──


def cases() -> list[dict[str, Any]]:
    """Combinations of all options, drawn with a fixed seed."""
    choices: dict[str, list[Any]] = {
        "add_special_tokens": [True, False],
        "truncation": [False, True, "longest_first", "only_first", "only_second"],
        # Together, for the reference refuses a large stride even where nothing is truncated.
        "length": [(3, 0), (4, 0), (4, 1), (5, 2), (8, 0), (8, 2), (13, 0), (13, 3)],
        "truncation_side": ["right", "left"],
        "padding": [False, True, "longest", "max_length"],
        "padding_side": ["right", "left"],
        "pad_to_multiple_of": [None, 8],
        "is_split_into_words": [False, True],
    }
    draw = random.Random(0)
    drawn = [{name: draw.choice(values) for name, values in choices.items()} for _ in range(600)]
    for case in drawn:
        case["max_length"], case["stride"] = case.pop("length")
    return drawn


def test_every_combination_of_options_gives_what_the_reference_gives(
    tokenizer: Tokenizer, theirs: Reference
) -> None:
    try:
        compared = sum(
            options_are_equal(tokenizer, theirs, case, paired=number % 2 == 0)
            for number, case in enumerate(cases())
        )
    finally:
        theirs.no_truncation()
        theirs.no_padding()
    assert compared > 300


def options_are_equal(
    tokenizer: Tokenizer, theirs: Reference, case: dict[str, Any], paired: bool
) -> bool:
    """Compare one call; False where it is refused, which has tests of its own."""
    first: list[Any] = [
        "The unaffable [MASK] wasn't here.",
        "",
        "中国 naïve \u200b",
        "a b c d e f g",
    ]
    second: list[Any] = ["Embeddings, transformed!", "x", "a b c d e f g h i", "y z"]
    if case["is_split_into_words"]:
        first, second = ([text.split() for text in texts] for texts in (first, second))
    try:
        found = tokenizer(
            first,
            second if paired else None,
            return_overflowing_tokens=True,
            return_special_tokens_mask=True,
            return_offsets_mapping=True,
            **case,
        )
    except InputError:
        return False
    theirs.no_truncation()
    theirs.no_padding()
    if case["truncation"]:
        theirs.enable_truncation(
            case["max_length"],
            stride=case["stride"],
            strategy="longest_first" if case["truncation"] is True else case["truncation"],
            direction=case["truncation_side"],
        )
    if case["padding"]:
        theirs.enable_padding(
            direction=case["padding_side"],
            length=case["max_length"] if case["padding"] == "max_length" else None,
            pad_to_multiple_of=case["pad_to_multiple_of"],
        )
    heads = theirs.encode_batch(
        list(zip(first, second, strict=True)) if paired else first,
        is_pretokenized=case["is_split_into_words"],
        add_special_tokens=case["add_special_tokens"],
    )
    wanted = [encoding for head in heads for encoding in (head, *head.overflowing)]
    rows = range(len(wanted))
    assert found["input_ids"] == [each.ids for each in wanted], case
    assert found["token_type_ids"] == [each.type_ids for each in wanted], case
    assert found["attention_mask"] == [each.attention_mask for each in wanted], case
    assert found["special_tokens_mask"] == [each.special_tokens_mask for each in wanted], case
    assert found["offset_mapping"] == [each.offsets for each in wanted], case
    assert [found.word_ids(row) for row in rows] == [each.word_ids for each in wanted], case
    assert [found.sequence_ids(row) for row in rows] == [each.sequence_ids for each in wanted], case
    samples = [number for number, head in enumerate(heads) for _ in (head, *head.overflowing)]
    assert found["overflow_to_sample_mapping"] == samples, case
    return True


def test_a_tie_leaves_the_odd_token_to_the_second_text(tokenizer: Tokenizer) -> None:
    batch = tokenizer("a b c d", "e f g h", truncation=True, max_length=8)
    assert batch["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_max_length_below_the_special_tokens_is_an_error(tokenizer: Tokenizer) -> None:
    assert tokenizer("a", truncation=True, max_length=2)["input_ids"] == [101, 102]
    with pytest.raises(InputError, match="max_length is 1, but the special tokens alone are 2"):
        tokenizer("a", truncation=True, max_length=1)
    with pytest.raises(InputError, match="the special tokens alone are 3"):
        tokenizer("a", "b", truncation=True, max_length=2)


def test_a_max_length_alone_truncates_as_it_does_in_transformers(tokenizer: Tokenizer) -> None:
    assert len(tokenizer("a b c d", max_length=4)["input_ids"]) == 4
    assert len(tokenizer("a b c d", max_length=4, truncation=False)["input_ids"]) == 6


def test_an_empty_text_pair_is_a_pair_only_in_a_batch(tokenizer: Tokenizer) -> None:
    assert tokenizer("a", "")["input_ids"] == [101, 1037, 102]
    assert tokenizer(["a"], [""])["input_ids"] == [[101, 1037, 102, 102]]


def test_arrays_are_int64_and_a_single_text_gives_one_row(tokenizer: Tokenizer) -> None:
    batch = tokenizer("a b", return_tensors="np", return_offsets_mapping=True)
    assert batch["input_ids"].dtype == np.int64
    assert batch["input_ids"].shape == (1, 4)
    assert batch["offset_mapping"].shape == (1, 4, 2)


def test_no_texts_give_no_rows(tokenizer: Tokenizer) -> None:
    assert tokenizer([]) == {"input_ids": [], "token_type_ids": [], "attention_mask": []}
    assert tokenizer([], return_tensors="np")["input_ids"].shape == (0, 0)


def test_the_result_unpacks_into_a_call(tokenizer: Tokenizer) -> None:
    assert dict(**tokenizer("a", return_token_type_ids=False)) == {
        "input_ids": [101, 1037, 102],
        "attention_mask": [1, 1, 1],
    }


def test_an_option_with_a_typo_is_a_type_error(tokenizer: Tokenizer) -> None:
    with pytest.raises(TypeError, match="max_lenght"):
        tokenizer("a", max_lenght=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"truncation": "longest"}, "truncation is 'longest', wanted one of"),
        ({"padding": "max"}, "padding is 'max', wanted one of"),
        ({"padding": 1}, "padding is 1, wanted one of"),
        ({"padding_side": "top"}, "padding_side is 'top'"),
        ({"max_length": "5"}, "max_length is '5', an int was wanted"),
        ({"stride": -1}, "stride is -1"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of is 0"),
        ({"return_tensors": "pt"}, "return_tensors is 'pt'"),
        ({"truncation": True, "max_length": 4, "stride": 2}, "stride is 2, but a window has room"),
        ({"truncation": "only_second", "max_length": 4}, "only_second"),
        (
            {"padding": True, "truncation": True, "max_length": 9, "pad_to_multiple_of": 8},
            "no mult",
        ),
    ],
)
def test_an_option_that_makes_no_sense_is_named(
    tokenizer: Tokenizer, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tokenizer("a b c d e", **options)


# ── bad input ──


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "text is None, a str or a list of str was wanted"),
        (3, "text is of type int"),
        (b"a", "text is of type bytes.*decode it"),
        ((char for char in "ab"), "text is of type generator.*list"),
        (np.array(["a"]), "text is of type ndarray.*tolist"),
        (["a", None], r"text\[1\] is None, a str was wanted"),
        (["a", b"b"], r"text\[1\] is of type bytes"),
        ([["a", "b"]], r"text\[0\] is of type list.*text_pair"),
        ({"a": 1}, "text is of type dict"),
        ("ab\ud800", "text number 0 has a lone surrogate, U\\+D800, at position 2"),
        (["a", "é\udfffb"], "text number 1 has a lone surrogate, U\\+DFFF, at position 1"),
    ],
)
def test_what_is_not_text_is_named_with_its_place(
    tokenizer: Tokenizer, text: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tokenizer(text)


def test_a_pair_that_does_not_fit_is_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match="text has 2 texts, text_pair has 1"):
        tokenizer(["a", "b"], ["c"])
    with pytest.raises(InputError, match="text_pair is of type str, a list was wanted"):
        tokenizer(["a", "b"], "c")
    with pytest.raises(InputError, match=r"text_pair\[1\] is None"):
        tokenizer(["a", "b"], ["c", None])
    with pytest.raises(InputError, match="text_pair number 0 has a lone surrogate"):
        tokenizer("a", "\ud800")


def test_words_must_be_words(tokenizer: Tokenizer) -> None:
    assert tokenizer(["a", "b"], is_split_into_words=True)["input_ids"] == [101, 1037, 1038, 102]
    with pytest.raises(InputError, match=r"text\[0\]\[1\] is None"):
        tokenizer([["a", None]], is_split_into_words=True)
    with pytest.raises(InputError, match="text is of type str, a list of words was wanted"):
        tokenizer("a b", is_split_into_words=True)


# ── back to text ──


def test_decoding_gives_what_the_reference_gives(tokenizer: Tokenizer, theirs: Reference) -> None:
    texts = ["It's [MASK] isn't it, unaffable?", "don't . ' s re-embed !", "", "a ' b 'm ' s"]
    for text, skip in itertools.product(texts, (False, True)):
        ids = theirs.encode(text).ids
        decoded = theirs.decode(ids, skip_special_tokens=skip)
        assert tokenizer.decode(ids, skip_special_tokens=skip) == decoded
    rows = [theirs.encode(text).ids for text in texts]
    assert tokenizer.batch_decode(rows) == [theirs.decode(row, False) for row in rows]
    assert tokenizer.decode(np.array(rows[0])) == tokenizer.decode(rows[0])


def test_clean_up_takes_out_spaces_that_english_does_not_write(tokenizer: Tokenizer) -> None:
    ids = tokenizer("it's ' done '", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == "it ' s ' done '"
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=True) == "it's'done '"


def test_an_id_beyond_the_vocabulary_is_left_out(tokenizer: Tokenizer, theirs: Reference) -> None:
    assert tokenizer.decode([1037, 999_999, 1038]) == theirs.decode([1037, 999_999, 1038]) == "a b"
    assert tokenizer.convert_ids_to_tokens(999_999) is None
    with pytest.raises(InputError, match="an int of 0 or more was wanted"):
        tokenizer.decode([-1])
    with pytest.raises(InputError, match="an int of 0 or more was wanted"):
        tokenizer.decode([0.5])


def test_ids_and_tokens_convert_both_ways(tokenizer: Tokenizer) -> None:
    assert tokenizer.convert_tokens_to_ids("[MASK]") == tokenizer.mask_token_id == 103
    assert tokenizer.convert_tokens_to_ids(["hello", "Hello"]) == [7592, tokenizer.unk_token_id]
    assert tokenizer.convert_ids_to_tokens([101, 7592], skip_special_tokens=True) == ["hello"]
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id) == (101, 102, 0)
    assert tokenizer.vocab_size == len(tokenizer) == 30_522


# ── cost ──


def test_it_pickles_and_threads_may_share_it(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    texts = [f"the {n} naïve embeddings of {n * n}" for n in range(2000)]
    wanted = tokenizer(texts)["input_ids"]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: copy(texts)["input_ids"], range(8)):
            assert found == wanted


@pytest.mark.parametrize(
    "text",
    ["a" * 1_000_000, "a\u0301" * 500_000, "[" * 1_000_000, "中国" * 500_000, "\u302e" * 300_000,
     "[MASK]" * 160_000, " " * 1_000_000, ("x" * 99 + " ") * 10_000],
    ids=["one word", "marks", "brackets", "ideographs", "sorted marks", "masks", "spaces", "long"],
)  # fmt: skip
def test_a_megabyte_of_anything_takes_no_quadratic_time(tokenizer: Tokenizer, text: str) -> None:
    start = time.perf_counter()
    tokenizer(text)
    assert time.perf_counter() - start < 10  # a second or less where nothing else runs


def test_a_long_text_costs_what_is_kept_of_it(tokenizer: Tokenizer) -> None:
    for text in ("the embeddings " * 400_000, "中国" * 3_000_000):
        start = time.perf_counter()
        ids = tokenizer(text, truncation=True, max_length=512)["input_ids"]
        assert time.perf_counter() - start < 0.5  # all of it takes seconds
        assert len(ids) == 512


def test_what_is_remembered_of_ever_new_words_and_characters_is_bounded(
    tokenizer: Tokenizer,
) -> None:
    fresh = pickle.loads(pickle.dumps(tokenizer))
    for block in range(4):
        fresh(" ".join(f"w{block}x{n}" for n in range(100_000)))
        fresh(
            "x" * 50
            + " "
            + "".join(map(chr, range(0x20000 + 0x8000 * block, 0x28000 + 0x8000 * block)))
        )
        for remembered in (fresh._word_ids, fresh._chunk_ids):
            assert len(remembered) <= REMEMBERED
            assert max(map(len, remembered)) <= REMEMBERED_LENGTH
        assert max(len(fresh._normal), len(fresh._split), len(fresh._isolated)) <= REMEMBERED


def test_many_empty_texts_are_fine(tokenizer: Tokenizer) -> None:
    assert tokenizer([""] * 100_000)["input_ids"] == [[101, 102]] * 100_000

"""What a tokenizer costs, and the rest of what transformers' users ask of it."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from golden import Golden

from gtenp.errors import InputError, ModelNotFoundError
from gtenp.tokenizer import Tokenizer
from gtenp.tokenizer.memory import REMEMBERED, REMEMBERED_LENGTH

if TYPE_CHECKING:
    from pathlib import Path

CALLS = Golden("calls").facts


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
    for text in (
        "the embeddings " * 400_000,
        "中国" * 3_000_000,
        " " * 5000 + "the embeddings " * 400_000,
    ):
        start = time.perf_counter()
        ids = tokenizer(text, truncation=True, max_length=512)["input_ids"]
        assert time.perf_counter() - start < 0.5  # all of it takes seconds
        assert len(ids) == 512


def test_a_text_without_a_place_to_cut_is_not_searched_for_one(tokenizer: Tokenizer) -> None:
    start = time.perf_counter()
    assert len(tokenizer("x" * 5_000_000, truncation=True, max_length=512)["input_ids"]) == 3
    assert time.perf_counter() - start < 1  # 0.1 s; each character takes four times as long as that


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
        pipeline = fresh._pipeline
        for remembered in (pipeline._wordpiece.ids, pipeline._chunk_ids):
            assert len(remembered) <= REMEMBERED
            assert max(map(len, remembered)) <= REMEMBERED_LENGTH
        for forms in (pipeline._normalizer.forms, pipeline._split, pipeline._isolated):
            assert len(forms) <= REMEMBERED


def test_many_empty_texts_are_fine(tokenizer: Tokenizer) -> None:
    assert tokenizer([""] * 100_000)["input_ids"] == [[101, 102]] * 100_000


# ── transformers' other names ────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def uncased(minilm: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(minilm)


@pytest.mark.parametrize(("name", "arguments", "options", "wanted"), CALLS["calls"])
def test_a_method_gives_what_transformers_gives(
    uncased: Tokenizer, name: str, arguments: list[Any], options: dict[str, Any], wanted: Any
) -> None:
    found = getattr(uncased, name)(*arguments, **options)
    assert found == wanted
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)


@pytest.mark.parametrize(("name", "wanted"), CALLS["attributes"].items())
def test_an_attribute_is_what_it_is_in_transformers(
    uncased: Tokenizer, name: str, wanted: Any
) -> None:
    assert getattr(uncased, name) == wanted


def test_the_vocabulary_is_a_dict_of_all_tokens(uncased: Tokenizer) -> None:
    assert len(uncased.get_vocab()) == len(uncased.vocab) == len(uncased)
    assert uncased.get_vocab()["[CLS]"] == 101


def test_arrays_that_are_padded_stay_arrays_where_asked_for(uncased: Tokenizer) -> None:
    batch = uncased.pad(
        [{"input_ids": np.array([5, 6])}, {"input_ids": np.array([7])}], return_tensors="np"
    )
    assert batch.input_ids.tolist() == [[5, 6], [7, 0]]
    assert uncased.pad({"input_ids": [5]}, return_tensors="np").input_ids.shape == (1,)


@pytest.mark.parametrize(
    ("encoded", "complaint"),
    [
        ([], "wanted a dict with input_ids"),
        ([[1, 2]], "wanted a dict with input_ids"),
        ({"ids": [1]}, "wanted a dict with input_ids"),
        ([{"input_ids": [1]}, {"input_ids": [2], "labels": 3}], "different keys"),
    ],
)
def test_what_cannot_be_padded_is_named(uncased: Tokenizer, encoded: Any, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        uncased.pad(encoded)


def test_a_text_is_tokenized_one_at_a_time(uncased: Tokenizer) -> None:
    with pytest.raises(InputError, match=r"text is of type list.*call once for each text"):
        uncased.tokenize(["a", "b"])


@pytest.mark.parametrize("number", [7, np.int64(7), np.int32(7), np.uint8(7)])
def test_any_librarys_whole_number_is_an_id(uncased: Tokenizer, number: Any) -> None:
    assert uncased.convert_ids_to_tokens(number) == "[unused6]"
    assert uncased.convert_ids_to_tokens([number]) == ["[unused6]"]
    assert uncased.decode(number) == uncased.decode([number]) == "[unused6]"


def test_rows_of_ids_may_be_arrays(uncased: Tokenizer) -> None:
    rows = [np.array([1037, 102]), np.array([1038])]
    assert uncased.batch_decode(rows, skip_special_tokens=True) == ["a", "b"]


@pytest.mark.parametrize("number", [7.0, True, np.float32(7), np.bool_(1), None, -1])
def test_what_is_no_whole_number_is_no_id(uncased: Tokenizer, number: Any) -> None:
    for ids in (number, [number]):
        for method in (uncased.convert_ids_to_tokens, uncased.decode):
            with pytest.raises(InputError, match=r"a token id: .*; wanted a whole number from 0"):
                method(ids)


@pytest.mark.parametrize("name", ["padding_side", "model_max_length", "pad_token", "pad_token_id"])
def test_what_the_files_settle_cannot_be_set_in_vain(uncased: Tokenizer, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is what the model's files say"):
        setattr(uncased, name, "left")


def test_a_saved_tokenizer_is_the_same(uncased: Tokenizer, tmp_path: Path) -> None:
    uncased.save_pretrained(tmp_path / "saved")
    uncased.save_pretrained(tmp_path / "saved")  # the same again is fine
    assert Tokenizer.from_folder(tmp_path / "saved").spec == uncased.spec
    (tmp_path / "saved/vocab.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is another"):
        pickle.loads(pickle.dumps(uncased)).save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved/vocab.txt").read_text() == "mine"
    with pytest.raises(InputError, match="was not read from a folder"):
        Tokenizer(uncased.spec).save_pretrained(tmp_path)


def test_a_tokenizer_is_found_by_transformers_words(minilm: Path, tmp_path: Path) -> None:
    by_name = {"pretrained_model_name_or_path": minilm, "use_fast": True}
    assert Tokenizer.from_pretrained(**by_name).vocab_size == 30522
    with pytest.raises(ModelNotFoundError, match="local_files_only is set"):
        Tokenizer.from_pretrained("a/b", cache_dir=tmp_path, local_files_only=True)
    with pytest.raises(InputError, match="use_fast=False: gtenp has one tokenizer"):
        Tokenizer.from_pretrained(minilm, use_fast=False)
    with pytest.raises(TypeError, match="user_fast"):
        Tokenizer.from_pretrained(minilm, user_fast=True)

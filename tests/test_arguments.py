"""What a caller may pass as texts, with small stand-ins for other packages' columns and tables."""

import collections
import re
import types

import numpy as np
import pytest
from places import DATA

from gtenp import Embedder, Tokenizer, semantic_search
from gtenp.arguments import Foreign, as_texts, understands, whole_number
from gtenp.errors import InputError

TINY = Embedder(DATA / "tiny")
TOKENIZER = Tokenizer.from_folder(DATA / "tiny")
TAKES_TEXTS = [TINY.encode, TINY.encode_query, TINY.tokenize, TOKENIZER]


class Series:
    """What pandas' Series offers, and its keys(), which make no mapping of it."""

    def __init__(self, values, index=()):
        self.array = values
        self.index = index

    @property
    def values(self):
        return np.array(self.array, dtype=object)

    def keys(self):
        return self.index

    def __getattr__(self, name):
        if name in self.index:
            return "a row"
        raise AttributeError(name)

    def __getitem__(self, place):
        return self.array[place]

    def __iter__(self):
        return iter(self.array)

    def tolist(self):
        return list(self.array)

    def fillna(self, value): ...

    def dropna(self): ...


class Frame:
    """pandas', polars' or pyarrow's table: iterating gives columns or their names."""

    @property
    def columns(self):
        raise RuntimeWarning("worked out when asked")  # as a polars LazyFrame's are

    def __iter__(self):
        return iter(["text", "id"])


class Dataset:
    def __init__(self):
        self.column_names = ["text"]

    def __iter__(self):
        return iter(["text"])


class Scalar:
    """pyarrow's."""

    def __init__(self, value):
        self.value = value

    def as_py(self):
        return self.value


class ChunkedArray:
    """pyarrow's: iterating gives scalars."""

    def __init__(self, values):
        self.array = values

    def __iter__(self):
        return map(Scalar, self.array)

    def to_pylist(self):
        return self.array

    def fill_null(self, value): ...

    def drop_null(self): ...


class Settings:
    """A mapping that says so nowhere."""

    def keys(self):
        return ["text"]

    def values(self):
        return ["one"]

    def __getitem__(self, key):
        return "one"

    def __iter__(self):
        return iter(self.keys())


TEXTS = ["hello", "hello world"]


@pytest.mark.parametrize(
    "texts",
    [
        tuple(TEXTS),
        (text for text in TEXTS),
        {"a": TEXTS[0], "b": TEXTS[1]}.values(),
        dict.fromkeys(TEXTS),
        collections.deque(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        list(np.array(TEXTS)),
        np.array([*TEXTS, *TEXTS])[:2],
        Series(TEXTS),
        Series(TEXTS, index=["columns", "column_names", "to_pylist"]),
        ChunkedArray(TEXTS),
        list(ChunkedArray(TEXTS)),
    ],
    ids=lambda texts: type(texts).__name__,
)
def test_a_column_of_any_library_is_a_list_of_texts(texts):
    if isinstance(texts, dict):
        texts = list(texts)
    assert as_texts("text", texts) == TEXTS


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy has no such strings")
def test_numpys_own_strings_are_texts():
    assert as_texts("text", np.array(TEXTS, dtype=np.dtypes.StringDType())) == TEXTS


def test_the_tokenizer_and_the_embedder_take_the_same_columns():
    wanted, ids = TINY.encode(TEXTS).tolist(), TOKENIZER(TEXTS)["input_ids"]
    for make in (np.array, Series, ChunkedArray, iter):
        assert TINY.encode(make(TEXTS)).tolist() == wanted
        assert TOKENIZER(make(TEXTS))["input_ids"] == ids
        pairs = TOKENIZER(make(TEXTS), make(TEXTS))["input_ids"]
        assert pairs == TOKENIZER(TEXTS, TEXTS)["input_ids"]


def test_words_come_in_columns_too():
    words = [["hello", "world"], ["a"]]
    wanted = TOKENIZER(words, is_split_into_words=True)["input_ids"]
    of_arrays, of_series = [np.array(row) for row in words], Series([Series(row) for row in words])
    for column in (of_arrays, of_series, ChunkedArray(words)):
        assert TOKENIZER(column, is_split_into_words=True)["input_ids"] == wanted
    assert TOKENIZER(np.array(words[0]), is_split_into_words=True)["input_ids"] == wanted[0]


@pytest.mark.parametrize("call", TAKES_TEXTS)
@pytest.mark.parametrize(
    ("texts", "advice"),
    [
        (Frame(), r'a table: pass the column that holds the texts, as in table\["text"\]'),
        (Dataset(), r'a table: pass .* table\["text"\]'),
        (np.array([("a", 1)], dtype=[("text", "U5"), ("id", int)]), "a table: pass the column"),
        ({"text": "a"}, r"a mapping the keys would be taken: pass list\(….values\(\)\)"),
        (types.MappingProxyType({"text": "a"}), "of a mapping the keys would be taken"),
        (collections.UserDict(text="a"), "of a mapping the keys would be taken"),
        (collections.ChainMap({"text": "a"}), "of a mapping the keys would be taken"),
        (Settings(), "of a mapping the keys would be taken"),
        (TOKENIZER("a"), "of a mapping the keys would be taken"),
        ({"a", "b"}, "a set has no order"),
        (frozenset("ab"), "a set has no order"),
        ({"a": 1}.keys(), "a set has no order"),
        ({"a": 1}.items(), "a set has no order"),
        (iter({"a", "b"}), "a set has no order"),
        (b"a", "decode it first"),
        (7, "is of type int"),
        (None, "is None"),
    ],
    ids=lambda texts: type(texts).__name__,
)
def test_what_gives_no_texts_in_an_order_is_refused(call, texts, advice):
    with pytest.raises(InputError, match=f"a str or a list of str was wanted.*{advice}|{advice}"):
        call(texts)


@pytest.mark.parametrize("call", TAKES_TEXTS)
@pytest.mark.parametrize("element", [Frame(), {"text": "a"}, {"a"}, 7, b"a"])
def test_a_generator_of_such_is_refused_with_the_place(call, element):
    found = type(element).__name__
    with pytest.raises(InputError, match=rf"\w+\[1\] is of type {found}, a str was wanted"):
        call(text for text in ["fine", element])


NA = type("NAType", (), {"__repr__": lambda _: "<NA>", "__eq__": lambda a, _: a, "__hash__": id})()
NAT = type("NaTType", (), {"__repr__": lambda _: "NaT"})()


@pytest.mark.parametrize("call", TAKES_TEXTS)
@pytest.mark.parametrize("gap", [None, float("nan"), NA, NAT, np.float64("nan")])
def test_a_gap_is_named_with_its_place_and_the_mend(call, gap):
    found = "None" if gap is None else f"{gap!r}, of type {type(gap).__name__}"
    place = rf"\[2\] is {re.escape(found)}, a str was wanted"
    with pytest.raises(InputError, match=rf'{place}; fill it with .fillna\(""\) or .*dropna\(\)'):
        call(Series(["a", "b", gap, gap]))
    with pytest.raises(InputError, match=rf"{place}; put \"\" in its place or leave it out"):
        call(["a", "b", gap])
    with pytest.raises(InputError, match=rf'{place}; fill it with .fill_null\(""\) or .*drop_null'):
        call(ChunkedArray(["a", "b", gap]))


def test_a_null_among_scalars_is_a_gap():
    with pytest.raises(InputError, match=r"text\[1\] is None, a str was wanted; put"):
        as_texts("text", [Scalar("a"), Scalar(None)])


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_any_librarys_whole_number_is_one(value):
    found = whole_number("n", value, 1, 3)
    assert type(found) is int
    assert found == 3


@pytest.mark.parametrize("value", [3.0, 2.5, "3", True, False, np.True_, np.float64(3), None, 0, 4])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(InputError, match=r"n: .*; wanted a whole number from 1 to 3"):
        whole_number("n", value, 1, 3)


def test_top_k_is_a_whole_number_of_any_library():
    assert len(semantic_search([1.0], [[1.0], [2.0]], top_k=np.int64(1))[0]) == 1
    for wrong in (1.0, True, 0):
        with pytest.raises(InputError, match=r"top_k: .*; wanted a whole number from 1"):
            semantic_search([1.0], [[1.0]], top_k=wrong)


def test_a_harmless_value_is_one_by_its_type_too():
    @understands(workers=Foreign((None, 0), "there are none"))
    def call():
        return "called"

    assert call(workers=0) == call(workers=None) == call() == "called"
    for value in (False, 0.0, "0", np.zeros(3)):
        with pytest.raises(InputError, match=r"^workers=.*: there are none"):
            call(workers=value)
    with pytest.raises(TypeError, match="worker"):
        call(worker=0)

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DATA

from gtenp import Tokenizer
from gtenp.jobs.chunks import chunk
from gtenp.jobs.records import Record

TOKENIZER = Tokenizer.from_pretrained(DATA / "tiny")


def parts_of(text, size, overlap=0):
    return list(chunk(Record(0, "a", "a", text), TOKENIZER, size, overlap))


def tokens(text):
    return len(TOKENIZER(text, add_special_tokens=False)["input_ids"])


def test_a_short_text_is_one_part():
    (part,) = parts_of("hello world", 10)
    assert (part.text, part.start, part.end) == ("hello world", 0, 11)


@pytest.mark.parametrize("text", ["", "  ", "\n\n"])
def test_a_text_without_tokens_is_one_part(text):
    assert [part.text for part in parts_of(text, 5)] == [text]


def test_a_part_ends_behind_a_paragraph_before_a_sentence_and_a_sentence_before_a_line():
    words = "a a a a a a"  # six tokens
    assert parts_of(f"{words}\n\na a. a a", 10)[0].text == words
    assert parts_of("a a a a a. a\na a a a a a", 10)[0].text == "a a a a a."
    assert parts_of(f"{words}\na a a a a a a", 10)[0].text == words
    assert parts_of("a " * 20, 10)[0].text == "a a a a a a a a a a"


def test_a_paragraph_in_the_first_half_does_not_make_a_part_short():
    assert parts_of("a\n\n" + "a " * 20, 10)[0].text == "a\n\n" + "a a a a a a a a a"


def test_parts_overlap_by_whole_words():
    first, second, *_ = parts_of("a b c d e f g h i j k l m n o p", 8, 3)
    assert (first.text, second.text) == ("a b c d e f g h", "f g h i j k l m")


def test_a_text_without_spaces_is_cut_between_its_words():
    text = "日本語の文章は空白なしで書かれます" * 3
    parts = parts_of(text, 10, 2)
    assert all(tokens(part.text) <= 10 for part in parts)
    assert parts[0].start == 0
    assert parts[-1].end == len(text)
    assert all(b.start < a.end for a, b in itertools.pairwise(parts))


TEXTS = st.lists(
    st.sampled_from(
        ["a", "be", "word", "x.", "don't", "unbelievable", "!", "\n", "\n\n", "語", "é"]
    ),
    max_size=80,
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.integers(20, 30), st.integers(0, 10))
def test_parts_are_pieces_of_the_text_that_leave_out_spaces_alone(text, size, overlap):
    parts = parts_of(text, size, overlap)
    reached = 0
    for part in parts:
        assert part.text == text[part.start : part.end]
        assert tokens(part.text) <= size
        assert not text[reached : part.start].strip()  # nothing is lost between two parts
        reached = part.end
        # never inside a word
        assert part.start == 0 or text[part.start - 1].isspace()
        assert part.end == len(text) or text[part.end].isspace()
    assert not text[reached:].strip()
    assert [part.start for part in parts] == sorted({part.start for part in parts})

"""Whatever text, options and added tokens: ids, offsets and words are the reference's.

``GTENP_FUZZ_SECONDS=600 pytest tests/tokenizer/test_fuzz.py`` runs it for ten minutes instead of
twenty seconds. Every difference found gets a test with a name in ``test_tokenizer.py``.
"""

from __future__ import annotations

import os
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, reject, seed, settings
from hypothesis import strategies as st
from tokenizer_reference import SPECIAL, ours, reference, telling_vocab, uncased_vocab
from tokenizers import AddedToken, Tokenizer
from tokenizers.normalizers import BertNormalizer
from tokenizers.processors import RobertaProcessing

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = float(os.environ.get("GTENP_FUZZ_SECONDS", "20"))
FIRST_SEED = int(os.environ.get("GTENP_FUZZ_SEED", "0"))

# Marks that the reference sorts and does not strip, and characters that hold some.
SURVIVING_MARKS = "\u08d4\u1b44\u1baa\u302e\u302f\ua9c0\U0001d165\U0001d15f\U0001e944\U0001d1bb"
fragments = st.one_of(
    st.sampled_from(
        "the quick Brown fox unaffable tokenization Été naïve Straße ΟΔΟΣ İstanbul don't x²".split()
    ),
    st.sampled_from(
        [*SPECIAL, "[unused1]", "[mask]", "[CLS", "CLS]", "[[SEP]]", "##ing", "[ MASK ]", "<new>"]
    ),
    st.sampled_from(list(" \t\n\r\v\f\x1c\x1f\x85\xa0\u1680\u2003\u2028\u202f\u205f\u3000")),
    st.sampled_from(list("\0\x01\x7f\xad\u061c\u200b\u200d\u2060\ufeff\ufffd\ue000\U000e0041")),
    st.text("\u0300\u0301\u0323\u0345\u0334\u0344\u0f73\u1dfa\u3099" + SURVIVING_MARKS, max_size=4),
    st.text(st.characters(min_codepoint=0xA0, max_codepoint=0x2FFF), max_size=6),
    st.sampled_from(["中国", "漢字かな", "각나", "\U0002b820\U0002b81f", "\uf900", "\U0002f800"]),
    st.sampled_from(["👩‍👩‍👧", "é́", "≠", "ά΅", "؟", "‽", "$1,000.00", "...", "a" * 99, "é" * 101]),
    st.text("ab[]#.éĠ", max_size=8),
    st.text(max_size=5),
)  # fmt: skip
texts = st.lists(fragments, max_size=12).map("".join)

flags = st.fixed_dictionaries(
    {name: st.booleans() for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
)
contents = st.one_of(
    st.text("aAbé .[]中\u0301", min_size=1, max_size=4),
    st.sampled_from(["<new>", "New York", "Été", "[MASK]", "##ing", " x", "x ", "the"]),
)
added_tokens = st.lists(st.tuples(contents, flags), max_size=4, unique_by=lambda pair: pair[0])
normalizers = st.fixed_dictionaries(
    {
        "lowercase": st.booleans(),
        "strip_accents": st.sampled_from([None, True, False]),
        "handle_chinese_chars": st.booleans(),
        "clean_text": st.booleans(),
    }
)


def for_a_while(share: float, property_: Callable[..., None], **strategies: Any) -> None:
    """Check a property with fresh examples until its share of the time is over."""
    stop = time.monotonic() + SECONDS * share
    quiet = settings(
        max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    number = FIRST_SEED
    while time.monotonic() < stop:
        seed(number)(quiet(given(**strategies)(property_)))()
        number += 1


def assert_equal(tokenizer: Any, theirs: Tokenizer, text: str, pair: str | None) -> None:
    try:
        wanted = theirs.encode(text, pair)
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # the reference's own trouble
            reject()
        raise
    assert tokenizer(text, pair)["input_ids"] == wanted.ids
    if not pair and pair is not None:  # transformers takes an empty text_pair for none
        return
    found = tokenizer([text], pair and [pair], return_offsets_mapping=True)
    assert found["input_ids"][0] == wanted.ids
    assert found["offset_mapping"][0] == wanted.offsets
    assert found["token_type_ids"][0] == wanted.type_ids
    assert found.word_ids(0) == wanted.word_ids
    assert found.sequence_ids(0) == wanted.sequence_ids
    length = 2 + len(text) % 7
    head = tokenizer(text, truncation=True, max_length=length)["input_ids"]
    whole = theirs.encode(text).ids
    assert head == (whole if len(whole) <= length else [*whole[: length - 1], whole[-1]])
    for skip in (False, True):
        decoded = theirs.decode(wanted.ids, skip_special_tokens=skip)
        assert tokenizer.decode(wanted.ids, skip_special_tokens=skip) == decoded


@cache
def usual() -> list[tuple[Any, Tokenizer]]:
    """The tokenizers that published models have, over vocabularies that tell much."""
    pairs = []
    for vocab in (uncased_vocab(), telling_vocab()):
        for lowercase in (True, False):
            theirs = reference(vocab, lowercase=lowercase)
            pairs.append((ours(theirs, Path(tempfile.mkdtemp())), theirs))
    return pairs


def test_any_text_gives_what_the_reference_gives() -> None:
    def check(which: int, text: str, pair: str | None) -> None:
        assert_equal(*usual()[which], text, pair)

    for_a_while(
        0.5, check, which=st.integers(0, 3), text=texts, pair=st.none() | texts.filter(bool)
    )


def test_any_added_tokens_and_options_give_what_the_reference_gives(tmp_path: Path) -> None:
    words = [*SPECIAL, "the", "a", "##a", "A", "b", "##b", "é", "##é", "e", "##e", ".", "[", "]"]
    words += [
        "中",
        "##中",
        "\u0301",
        "##\u0301",
        "york",
        "##ing",
        "x",
        "<",
        "new",
        ">",
        "\ua9c0",
        "Ġ",
        "##Ġ",
    ]
    vocab = {word: number for number, word in enumerate(words)}

    def check(
        added: Any, options: dict[str, Any], text: str, pieces: list[str], trims: list[bool] | None
    ) -> None:
        tokens = tuple(AddedToken(content, **flags) for content, flags in added)
        normal = BertNormalizer(**options).normalize_str
        forms = [normal(token.content) for token in tokens if token.normalized]
        # The reference panics on forms that are empty and picks one at random of two alike.
        if "" in forms or len(set(forms)) < len(forms):
            reject()
        made = reference(vocab, tokens, **options)
        if trims is not None:
            made.post_processor = RobertaProcessing(("[SEP]", 3), ("[CLS]", 2), *trims)
        tokenizer = ours(made, tmp_path)
        # From the file: the one in memory remembers what a token was before it was added anew.
        theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
        # The added tokens themselves, at random places of a random text.
        text = "".join(part for piece in pieces for part in (text, piece)) if pieces else text
        assert_equal(tokenizer, theirs, text, None)

    pieces = st.lists(contents, max_size=4)
    trims = st.none() | st.lists(st.booleans(), min_size=2, max_size=2)
    for_a_while(
        0.5, check, added=added_tokens, options=normalizers, text=texts, pieces=pieces, trims=trims
    )

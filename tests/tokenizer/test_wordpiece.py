"""Words are cut into the longest pieces that there are."""

from __future__ import annotations

from gtenp.tokenizer.files import TokenizerSpec
from gtenp.tokenizer.wordpiece import WordPiece


def test_the_longest_piece_of_the_vocabulary_is_found_at_a_words_start() -> None:
    wordpiece = WordPiece(TokenizerSpec({"[UNK]": 0, "embedding": 1, "embeddin": 2, "##g": 3}))
    assert wordpiece.ids["embedding"] == (1,)
    assert wordpiece.ids["embeddingg"] == (1, 3)
    assert wordpiece.ids["embed"] == (0,)

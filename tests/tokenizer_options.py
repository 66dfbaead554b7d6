"""Every combination of a call's options, beside the reference."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from gtenp.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Reference

    from gtenp.tokenizer import Tokenizer


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


def options_are_equal(
    tokenizer: Tokenizer, theirs: Reference, case: dict[str, Any], paired: bool
) -> bool:
    """Compare one call; False where it is refused, which has tests of its own."""
    first: list[Any] = [
        "The unaffable [MASK] <mask> wasn't here.",
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
        try:
            theirs.enable_truncation(
                case["max_length"],
                stride=case["stride"],
                strategy="longest_first" if case["truncation"] is True else case["truncation"],
                direction=case["truncation_side"],
            )
        except ValueError:  # the stride is too large, though nothing may be truncated
            return False
    if case["padding"]:
        theirs.enable_padding(
            direction=case["padding_side"],
            length=case["max_length"] if case["padding"] == "max_length" else None,
            pad_id=tokenizer.pad_token_id or 0,
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

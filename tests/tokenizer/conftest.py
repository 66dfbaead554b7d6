"""bert-base-uncased's tokenizer, ours and the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tokenizer_reference import ours, reference, uncased_vocab

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Reference

    from gtenp.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def theirs() -> Reference:
    return reference(uncased_vocab(), lowercase=True)


@pytest.fixture(scope="session")
def tokenizer(theirs: Reference, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return ours(theirs, tmp_path_factory.mktemp("uncased"), **names)

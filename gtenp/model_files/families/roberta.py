"""RoBERTa (Liu 2019, arXiv:1907.11692) and those of its form: XLM-RoBERTa (Conneau 2019,
arXiv:1911.02116), CamemBERT (Martin 2019, arXiv:1911.03894).

BERT with its own training and tokenizer. Of the arithmetic the positions alone differ: they begin
behind the padding token's id, and a padding token inside a text is not counted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gtenp.errors import ModelFileError
from gtenp.model_files.checkpoint import Classifier
from gtenp.model_files.config import Arithmetic, shown
from gtenp.model_files.families import bert

if TYPE_CHECKING:
    from gtenp.model_files.checkpoint import Tensors
    from gtenp.model_files.config import BertConfig, JsonObject

PREFIX = "roberta."
ENCODER = bert.ENCODER

read_weights = bert.read_weights


def read_config(found: JsonObject) -> BertConfig:
    """Raises what BERT's raises."""
    pad = found.get("pad_token_id", 1)
    if type(pad) is not int or pad < 0:
        raise ModelFileError(found.path, f"pad_token_id is {shown(pad)}; wanted a token's id")
    arithmetic = Arithmetic(first_position=pad + 1, uncounted_token_id=pad)
    return replace(bert.read_config(found), arithmetic=arithmetic)


def read_classifier(found: Tensors, config: BertConfig) -> Classifier:
    """A head of its own in the pooler's place."""
    hidden = config.hidden_size
    return Classifier(
        dense=found.linear("classifier.dense", hidden, hidden),
        activation="Tanh",
        output=found.linear("classifier.out_proj", config.num_labels, hidden),
    )

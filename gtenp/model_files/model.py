"""A model's folder → the sizes of its encoder and its weights, whatever its family.

A family's file has ``read_config``, ``read_weights``, the names that its encoder's tensors begin
with, and ``read_classifier`` where there are cross-encoders of it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.checkpoint import Tensors, weight_files
from gtenp.model_files.config import JsonObject, check_sizes, refuse_links_outside

if TYPE_CHECKING:
    from pathlib import Path

    from gtenp.model_files.checkpoint import BertWeights, Classifier, Linear
    from gtenp.model_files.config import BertConfig

# config.json's model_type → the file that reads it.
FAMILIES = {
    "bert": "bert",
    "bloom": "bloom",
    "camembert": "roberta",
    "distilbert": "distilbert",
    "gte": "gte",
    "modernbert": "modernbert",
    "mpnet": "mpnet",
    "new": "gte",
    "nomic_bert": "nomic_bert",
    "roberta": "roberta",
    "t5": "t5",
    "xlm-roberta": "roberta",
}


def read_config(folder: Path) -> BertConfig:
    """Read config.json; ModelFileError for a wrong value, UnsupportedModelError for another
    family, activation or position scheme than gtenp computes.
    """
    refuse_links_outside(folder)
    found = JsonObject(folder / "config.json")
    if not found.values:  # every key has a default, but a model's file states some
        raise ModelFileError(found.path, "is an object without keys; copy it anew")
    found.refuse_others("model_type", tuple(FAMILIES), null_is_missing=True)
    model_type = found.get("model_type") or "bert"
    config: BertConfig = _family(model_type).read_config(found)
    architectures = tuple(found.strings("architectures"))
    config = replace(config, model_type=model_type, architectures=architectures)
    return check_sizes(found.path, config)


def load_weights(folder: Path, config: BertConfig) -> BertWeights:
    """Map the folder's weights and check each tensor's shape against config.json.

    ModelFileError names the tensor that is missing, comes twice, has another shape, is not finite
    or belongs to a larger model than config.json tells of. The embedding tables alone are not
    looked through, which would read them all: what is not finite there shows in the hidden states.
    """
    found = _tensors(folder, config)
    weights: BertWeights = _family(config.model_type).read_weights(found, config)
    return replace(weights, ignored=found.ignored(_encoders_own(config)))


def load_classifier(folder: Path, config: BertConfig) -> Classifier:
    """The head of a cross-encoder; ModelFileError where the folder has none,
    UnsupportedModelError where the family's is not known here.
    """
    family = _family(config.model_type)
    if not hasattr(family, "read_classifier"):
        raise UnsupportedModelError(
            folder / "config.json",
            f"is a {config.model_type}, whose cross-encoders gtenp does not know; pick another one",
        )
    classifier: Classifier = family.read_classifier(_tensors(folder, config), config)
    return classifier


def load_pooler(folder: Path, config: BertConfig) -> Linear | None:
    """The dense layer that BERT puts on its first token, which no embedding depends on; None where
    the folder has none.
    """
    found = _tensors(folder, config)
    if not found.has("pooler.dense.weight"):
        return None
    return found.linear("pooler.dense", config.hidden_size, config.hidden_size)


def _family(model_type: str) -> Any:
    return import_module(f"gtenp.model_files.families.{FAMILIES[model_type]}")


def _tensors(folder: Path, config: BertConfig) -> Tensors:
    return Tensors(weight_files(folder), _family(config.model_type).PREFIX)


def _encoders_own(config: BertConfig) -> re.Pattern[str]:
    """What begins the names of the encoder's tensors; buffers that hold 0, 1, 2 … are none."""
    names = _family(config.model_type).ENCODER
    return re.compile(f"(?!embeddings\\.(position_ids|token_type_ids)$)({names})")

"""What other models change: BERT's relatives, told by their differences. Read bert.py first.

Each variation is a small function with its paper. ``forward`` puts them in bert.py's place where a
model's description (``config.arithmetic``) asks for them; where it is BERT's, every number is
bert.py's to the last bit.

Sources: Liu 2019, "RoBERTa" (arXiv:1907.11692); Conneau 2019, "XLM-RoBERTa" (arXiv:1911.02116);
Sanh 2019, "DistilBERT" (arXiv:1910.01108); Nogueira 2019, "Passage Re-ranking with BERT"
(arXiv:1901.04085).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gtenp.reference import bert
from gtenp.reference.bert import Array, Trace

if TYPE_CHECKING:
    from gtenp.engine.batch import Int
    from gtenp.model_files.checkpoint import BertWeights, Classifier
    from gtenp.model_files.config import Arithmetic, BertConfig


# ── Positions ────────────────────────────────────────────────────────────────────────────────────


def position_ids(input_ids: Int, arithmetic: Arithmetic) -> Int:
    """Each token's row of the position table: [S] -> [S].

    BERT counts from 0. RoBERTa's rows begin behind its padding token's id p: the first token has
    row p + 1. A padding token, wherever it stands, has row p and is not counted. No paper says so:
    it is how RoBERTa's authors numbered rows (fairseq, ``make_positions``), and its table is
    trained that way.

    >>> from gtenp.model_files.config import Arithmetic
    >>> position_ids(np.array([0, 7, 1, 8, 2]), Arithmetic()).tolist()
    [0, 1, 2, 3, 4]
    >>> roberta = Arithmetic(first_position=2, uncounted_token_id=1)
    >>> position_ids(np.array([0, 7, 1, 8, 2]), roberta).tolist()
    [2, 3, 1, 4, 5]
    """
    before_first = arithmetic.first_position - 1
    counted = np.ones(len(input_ids), np.int64)
    if arithmetic.uncounted_token_id is not None:
        counted = (input_ids != arithmetic.uncounted_token_id).astype(np.int64)
    return before_first + counted * np.cumsum(counted)


# ── One pass ─────────────────────────────────────────────────────────────────────────────────────


def forward(
    weights: BertWeights,
    config: BertConfig,
    input_ids: Int,
    token_type_ids: Int | None = None,
    position_ids_: Int | None = None,
) -> Trace:
    """One text through the model: token ids [S] -> every value on the way, in the weights' dtype.

    Segments default to all 0, positions to the family's.
    """
    if position_ids_ is None:
        position_ids_ = position_ids(input_ids, config.arithmetic)
    return bert.forward(weights, config, input_ids, token_type_ids, position_ids_)


# ── A cross-encoder's head ───────────────────────────────────────────────────────────────────────


def classify(hidden_states: Array, classifier: Classifier) -> Array:
    """The scores of a text, or of two read together: [S, H] -> [labels] (Nogueira 2019, section 2).

    The first token's state goes through one more product and its activation, then through the
    scores' own: BERT's pooler (tanh), RoBERTa's head (tanh), DistilBERT's (ReLU).

    >>> from gtenp.model_files.checkpoint import Classifier, Linear
    >>> same, total = Linear(np.eye(2), np.zeros(2)), Linear(np.ones((1, 2)), np.ones(1))
    >>> classify(np.array([[2.0, -3.0], [9.0, 9.0]]), Classifier(same, "ReLU", total)).tolist()
    [3.0]
    """
    hidden = CLASSIFIER_ACTIVATIONS[classifier.activation](
        bert.linear(hidden_states[:1], classifier.dense)
    )
    scores: Array = bert.linear(hidden, classifier.output)[0]
    return scores


CLASSIFIER_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"Tanh": np.tanh, "ReLU": bert.relu}

"""The few PyTorch names that a model card's transformers snippet uses, over NumPy arrays.

With the card's imports changed to ``from gtenp.torchlike import AutoModel, AutoTokenizer, F,
Tensor`` and its ``return_tensors="pt"`` to "np", the rest of the gte cards' snippet runs as it
stands. For code of your own, ``gtenp.Tokenizer`` and ``gtenp.BertModel`` give plain arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp import bert
from gtenp.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path


class Tensor(np.ndarray):
    """A NumPy array that answers to PyTorch's names for what a snippet does with it."""

    def masked_fill(self, mask: Any, value: float) -> Tensor:
        """A copy that holds value where the mask, broadcast to this shape, is true."""
        filled = self.copy()
        filled[np.broadcast_to(mask, self.shape)] = value
        return filled

    def bool(self) -> Tensor:
        return self.astype(np.bool_).view(Tensor)

    def sum(self, dim: int) -> Tensor:  # type: ignore[override]
        sums: Tensor = np.asarray(self).sum(axis=dim).view(Tensor)
        return sums

    def __truediv__(self, other: Any) -> Any:
        # PyTorch: float32 / int64 is float32. NumPy: float64.
        if self.dtype.kind == "f":
            other = np.asarray(other, self.dtype)
        return super().__truediv__(other)


class F:
    """torch.nn.functional, as far as a snippet needs it."""

    @staticmethod
    def normalize(x: Tensor, p: float = 2.0, dim: int = 1) -> Tensor:
        """x divided by its p-norm along dim, which is at least 1e-12."""
        lengths = np.linalg.norm(np.asarray(x), ord=p, axis=dim, keepdims=True)
        normed: Tensor = x / np.maximum(lengths, 1e-12)
        return normed


class AutoTokenizer:
    """gtenp.Tokenizer, whose arrays are Tensors."""

    def __init__(self, inner: Tokenizer) -> None:
        self._inner = inner

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path) -> AutoTokenizer:
        return cls(Tokenizer.from_pretrained(name_or_path))

    def __call__(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        batch = self._inner(*args, **kwargs)
        return {name: np.asarray(values).view(Tensor) for name, values in batch.items()}


class AutoModel:
    """gtenp.BertModel, whose last_hidden_state is a Tensor."""

    def __init__(self, inner: bert.BertModel) -> None:
        self._inner = inner

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path) -> AutoModel:
        return cls(bert.BertModel.from_pretrained(name_or_path))

    def __call__(self, **inputs: Any) -> bert.BertOutput:
        output = self._inner(**inputs)
        last = output.last_hidden_state.view(Tensor)
        return bert.BertOutput(last, output.pooler_output, output.hidden_states, output.attentions)

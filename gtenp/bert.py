"""BERT under transformers' names: padded arrays in, padded arrays out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.arguments import Foreign, check_device, understands
from gtenp.engine.batch import PackedBatch
from gtenp.engine.batch import position_ids as default_positions
from gtenp.engine.encoder import Encoder
from gtenp.engine.parallel import blas_threads, default_threads, forks_wait
from gtenp.engine.pooling import dense
from gtenp.errors import InputError
from gtenp.model_files import hub
from gtenp.model_files.checkpoint import astype
from gtenp.model_files.model import load_pooler, load_weights, read_config
from gtenp.reference import variations

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from gtenp.engine.batch import Int
    from gtenp.engine.kernels import Float32


_FLOAT32 = Foreign(
    (None, "auto", "float32", np.float32, np.dtype(np.float32)),
    "gtenp computes in float32, whatever the weights are kept in; leave it out",
)


class BertOutput(tuple[Any, ...]):
    """What a call of BertModel gives. Where attention_mask is 0, every array is 0.

    By name: ``output.last_hidden_state``, or in brackets; what was not asked for is None. By place,
    as a tuple: those that are there, in transformers' order, ``last, pooled = output``. Only
    iterating differs: transformers' own output gives names, unless ``return_dict`` is false.
    """

    last_hidden_state: Float32  # [B, S, H]
    # tanh(x Wᵀ + b) of the first token, [B, H]. None where the file has no pooler; transformers
    # would draw random weights for it.
    pooler_output: Float32 | None
    hidden_states: tuple[Float32, ...] | None  # L + 1 times [B, S, H]
    attentions: tuple[Float32, ...] | None  # L times [B, A, S, S]

    def __new__(
        cls,
        last_hidden_state: Float32,
        pooler_output: Float32 | None = None,
        hidden_states: tuple[Float32, ...] | None = None,
        attentions: tuple[Float32, ...] | None = None,
    ) -> BertOutput:
        values = (last_hidden_state, pooler_output, hidden_states, attentions)
        self = super().__new__(cls, (value for value in values if value is not None))
        self.__dict__.update(zip(_OUTPUTS, values, strict=True))
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in _OUTPUTS)  # for copies

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if self.__dict__.get(key) is None:
            raise KeyError(key)
        return self.__dict__[key]

    def to_tuple(self) -> tuple[Any, ...]:
        """Itself as a plain tuple."""
        return tuple(self)


_OUTPUTS = ("last_hidden_state", "pooler_output", "hidden_states", "attentions")


class BertModel:
    """The bare model, called as transformers' BertModel is."""

    dtype = np.dtype(np.float32)
    device = "cpu"

    def __init__(self, folder: Path) -> None:
        self.config = read_config(folder)
        self._weights = load_weights(folder, self.config)
        self._pooler = load_pooler(folder, self.config)
        self._encoder = Encoder(self._weights, self.config)

    @classmethod
    @understands(
        {"pretrained_model_name_or_path": "name_or_path"},
        trust_remote_code=Foreign((None, False), "gtenp runs no code that comes with a model"),
        attn_implementation=Foreign((None, "eager", "sdpa"), "gtenp has one attention"),
        dtype=_FLOAT32,
        torch_dtype=_FLOAT32,
    )
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
    ) -> BertModel:
        """Find (or fetch) the model as Embedder does, and load it.

        ``cache_dir``, ``local_files_only`` and ``token`` say how a name is looked up, in
        huggingface_hub's words.
        """
        folder = hub.resolve(
            name_or_path,
            revision=revision,
            cache_folder=cache_dir,
            local_files_only=local_files_only,
            token=token,
        )
        return cls(folder)

    def eval(self) -> BertModel:
        """Itself, for it is never trained."""
        return self

    def to(self, device: object) -> BertModel:
        """Itself, for it is on the CPU; InputError for another device."""
        check_device(device)
        return self

    @understands(
        inputs_embeds=Foreign((None,), "pass input_ids"),
        encoder_hidden_states=Foreign((None,), "gtenp runs encoders alone"),
        encoder_attention_mask=Foreign((None,), "gtenp runs encoders alone"),
        past_key_values=Foreign((None,), "gtenp runs encoders alone"),
        use_cache=Foreign((None, False), "gtenp runs encoders alone"),
        return_dict=Foreign((None, False, True), "the output is a tuple either way"),
    )
    def __call__(
        self,
        input_ids: npt.ArrayLike,
        attention_mask: npt.ArrayLike | None = None,
        token_type_ids: npt.ArrayLike | None = None,
        position_ids: npt.ArrayLike | None = None,
        *,
        output_hidden_states: bool | None = False,
        output_attentions: bool | None = False,
    ) -> BertOutput:
        """Run the model: integers [B, S] each -> float32 arrays.

        A token whose attention_mask is 0 is left out of the computation, and its place in the
        result is 0. Attentions come from the readable reference: asking for them is slow. Hidden
        states come from one thread.
        InputError where shapes differ or an id is outside its table, and, where a layer looks at a
        token's neighbours alone, for a mask with a 0 between two 1s.
        """
        ids = _matrix("input_ids", input_ids)
        kept = np.ones(ids.shape, bool)
        if attention_mask is not None:
            mask = _matrix("attention_mask", attention_mask, like=ids)
            if not np.isin(mask, (0, 1)).all():
                raise InputError("attention_mask: wanted 0 and 1 only")
            kept = mask == 1
        if self.config.local_layers:
            _refuse_gaps(kept)
        if position_ids is None:
            rows = np.arange(len(ids) + 1) * ids.shape[1]
            positions = default_positions(ids.reshape(-1), rows, self.config.arithmetic)
            positions = positions.reshape(ids.shape)
        else:
            positions = _matrix("position_ids", position_ids, like=ids)
        types = (
            np.zeros_like(ids)
            if token_type_ids is None
            else _matrix("token_type_ids", token_type_ids, like=ids)
        )
        config = self.config
        batch = PackedBatch(
            input_ids=_below("input_ids", ids[kept], config.vocab_size),
            token_type_ids=_below("token_type_ids", types[kept], config.type_vocab_size),
            position_ids=_below("position_ids", positions[kept], config.max_position_embeddings),
            cu_seqlens=np.concatenate(([0], np.cumsum(kept.sum(axis=1)))),
        )

        def unpack(packed: Float32) -> Float32:
            """[T, H] -> [B, S, H]."""
            padded = np.zeros((*kept.shape, packed.shape[1]), np.float32)
            padded[kept] = packed
            return padded

        states, threads = None, default_threads()
        if output_hidden_states:
            with blas_threads(threads):
                states = tuple(unpack(state) for state in self._encoder.hidden_states(batch))
            last = states[-1]
        else:
            last = unpack(self._encoder.forward(batch, threads))
        with forks_wait:
            attentions = self._attentions(batch, kept) if output_attentions else None
            pooled = self._pool(last, kept)
        return BertOutput(last, pooled, states, attentions)

    def _pool(self, last_hidden_state: Float32, kept: npt.NDArray[np.bool_]) -> Float32 | None:
        """tanh(x Wᵀ + b) of each first token: [B, S, H] -> [B, H]; 0 where that is masked."""
        if self._pooler is None:
            return None
        pooled = dense(last_hidden_state[:, 0], self._pooler, "Tanh")
        pooled[~kept[:, 0]] = 0
        return pooled

    def _attentions(self, batch: PackedBatch, kept: npt.NDArray[np.bool_]) -> tuple[Float32, ...]:
        """Each layer's attention weights, one sequence at a time: L times [B, A, S, S]."""
        size, length = kept.shape
        shape = (size, self.config.num_attention_heads, length, length)
        attentions = tuple(np.zeros(shape, np.float32) for _ in self._weights.layers)
        weights = astype(self._weights, np.float32)
        for b, (start, end) in enumerate(zip(batch.cu_seqlens, batch.cu_seqlens[1:], strict=False)):
            if start == end:
                continue
            trace = variations.forward(
                weights,
                self.config,
                batch.input_ids[start:end],
                batch.token_type_ids[start:end],
                batch.position_ids[start:end],
            )
            columns = np.flatnonzero(kept[b])
            for padded, layer in zip(attentions, trace.layers, strict=True):
                padded[b][:, columns[:, None], columns] = layer.attention
        return attentions


def _matrix(name: str, values: npt.ArrayLike, like: Int | None = None) -> Int:
    """The argument as integers [B, S]."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"{name}: rows of different lengths; wanted [B, S]: tokenize with padding=True"
        ) from error
    if array.ndim != 2 or array.dtype.kind not in "iub" or not array.size:
        raise InputError(
            f"{name}: found {array.dtype} of shape {array.shape}; wanted whole numbers [B, S]"
        )
    if like is not None and array.shape != like.shape:
        raise InputError(f"{name}: shape {array.shape}; input_ids has {like.shape}")
    return array.astype(np.int64)


def _refuse_gaps(kept: npt.NDArray[np.bool_]) -> None:
    """InputError where the tokens of a row [B, S] do not stand side by side."""
    begins = np.diff(kept.astype(np.int8), axis=1, prepend=0) == 1
    rows = np.flatnonzero(begins.sum(axis=1) > 1)
    if rows.size:
        raise InputError(
            f"attention_mask: row {rows[0]} has a 0 between two 1s, over which the windows of "
            "this model's local layers would close; take that token out of input_ids"
        )


def _below(name: str, ids: Int, limit: int) -> Int:
    if ids.size and (ids.min() < 0 or ids.max() >= limit):
        wrong = int(ids[(ids < 0) | (ids >= limit)][0])
        raise InputError(f"{name}: {wrong} is outside the model's table, 0 to {limit - 1}")
    return ids

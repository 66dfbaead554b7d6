"""Two texts in, a score out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.arguments import as_texts, check_device, understands, whole_number
from gtenp.engine.batch import pack
from gtenp.engine.encoder import Encoder
from gtenp.engine.parallel import blas_threads, default_threads
from gtenp.engine.pooling import DENSE_ACTIVATIONS, classify, pool, rows_read
from gtenp.engine.schedule import run_batches
from gtenp.errors import InputError, ModelFileError, UnsupportedModelError
from gtenp.loading import (
    CALL_OPTIONS,
    CONSTRUCTOR_OPTIONS,
    TO_TENSOR,
    choose_prompt,
    load_tokenizer,
)
from gtenp.model_files import hub
from gtenp.model_files.cross_encoder_config import is_cross_encoder, read_cross_encoder_config
from gtenp.model_files.model import load_classifier, load_weights, read_config
from gtenp.model_files.sentence_config import Pooling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from gtenp.engine.kernels import Float32

_LEAST_LENGTH = 5  # the special tokens around a pair, and a token of it

# Pairs whose tokens are counted in one call of the tokenizer.
_PAIRS_AT_ONCE = 256


class CrossEncoder:
    """A model that reads two texts together and scores them, under sentence-transformers' names.

    A reranker such as "cross-encoder/ms-marco-MiniLM-L6-v2" or "BAAI/bge-reranker-base": better
    than an Embedder's vectors, and slower, since every pair goes through the model.
    ``name_or_path``, ``threads`` and the options of loading are those of Embedder.

    ``max_seq_length``, in tokens of both texts together, is the lesser of what the model's files
    say and ``max_length``; it may be set. So may ``prompts`` and ``default_prompt_name``, and
    ``activation_fn``, which takes the logits as that of ``predict`` does.

    ModelNotFoundError where the model can't be had; ModelFileError and UnsupportedModelError where
    its folder is damaged or asks for what gtenp does not do.
    """

    @understands({"model_name_or_path": "name_or_path"}, **CONSTRUCTOR_OPTIONS)
    def __init__(
        self,
        name_or_path: str | Path,
        *,
        revision: str | None = None,
        threads: int | None = None,
        max_length: int | None = None,
        activation_fn: Callable[[Float32], Any] | None = None,
        device: str | None = None,
        cache_folder: str | Path | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
    ) -> None:
        check_device(device)
        self.threads = threads
        self.name_or_path = str(name_or_path)
        self.folder = hub.resolve(
            name_or_path,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        if not is_cross_encoder(self.folder):
            raise UnsupportedModelError(
                self.folder / "config.json",
                "names no architecture for sequence classification, so this is no cross-encoder; "
                "gtenp.Embedder opens models that make vectors",
            )
        settings = read_cross_encoder_config(self.folder)
        self.transformer_folder = folder = self.folder / settings.transformer_folder
        self.config = read_config(folder)
        self.tokenizer = load_tokenizer(folder, self.config, settings.do_lower_case)
        self.encoder = Encoder(load_weights(folder, self.config), self.config)
        self.classifier = load_classifier(folder, self.config)
        self.pooling = Pooling((self.config.classifier_pooling,))
        self.num_labels = self.config.num_labels
        usual = "Sigmoid" if self.num_labels == 1 else "Identity"
        self.activation = settings.activation or usual  # by the name of torch.nn's class
        self.prompts = settings.prompts
        self.default_prompt_name = settings.default_prompt_name
        self.activation_fn = activation_fn
        self.max_seq_length = min(
            settings.max_seq_length or self.tokenizer.model_max_length, self.config.max_tokens
        )
        if max_length is not None:
            self.max_seq_length = max_length

    @property
    def threads(self) -> int:
        """How many threads ``predict`` uses. May be set; None for the default, as Embedder's."""
        return self._threads or default_threads()

    @threads.setter
    def threads(self, count: int | None) -> None:
        self._threads = None if count is None else whole_number("threads", count, 1)

    @property
    def max_seq_length(self) -> int:
        """Tokens kept of a pair, special tokens included. May be set."""
        return self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, length: int) -> None:
        self._max_seq_length = whole_number(
            "max_seq_length", length, _LEAST_LENGTH, self.config.max_tokens
        )

    @understands({"sentences": "inputs"}, **CALL_OPTIONS)
    def predict(
        self,
        inputs: Sequence[Sequence[str]],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = False,
        activation_fn: Callable[[Float32], Any] | None = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | None = None,
    ) -> Any:
        """Score pairs of texts: n pairs -> float32 [n], or [n, labels] where the model has several
        labels; one pair -> its score alone.

        ``prompt``, or the one of ``prompts`` that ``prompt_name`` names, goes before each pair's
        first text. A pair of more than ``max_seq_length`` tokens is cut, the longer text first.
        ``batch_size`` caps the pairs that go through the model at once; without it a token budget
        alone decides.

        ``activation_fn`` takes the logits, float32 [n, labels], in place of what the model's files
        ask for (``activation``): a sigmoid for some rerankers, nothing for others, whose scores
        then have no bounds. ``apply_softmax`` makes the scores of several labels sum to 1.
        ``convert_to_numpy`` False gives a list.

        InputError names the place of what is no pair of str; ModelFileError where the weights give
        no finite numbers.
        """
        TO_TENSOR.refuse("convert_to_tensor", convert_to_tensor)
        check_device(device)
        batch_size = None if batch_size is None else whole_number("batch_size", batch_size, 1)
        pairs, single = _read_pairs(inputs)
        prompt = choose_prompt(self.prompts, self.default_prompt_name, prompt_name, prompt)
        lengths = self._lengths(pairs, prompt)
        logits = np.empty((len(pairs), self.num_labels), np.float32)
        eps = self.config.layer_norm_eps

        def score(indices: list[int], threads: int) -> None:
            tokens = self._tokenize([pairs[i] for i in indices], prompt)
            batch = pack(tokens["input_ids"], self._types(tokens), self.config.arithmetic)
            with np.errstate(all="ignore"):  # what is not finite is refused below
                wanted = rows_read(self.pooling, batch.cu_seqlens)
                states = self.encoder.forward(batch, threads, wanted)
                if wanted is None:
                    states = pool(states, batch.cu_seqlens, self.pooling)
                with blas_threads(1):
                    logits[indices] = classify(states, self.classifier, eps)

        run_batches(
            score,
            lengths,
            self.threads,
            max_sequences=batch_size,
            show_progress_bar=bool(show_progress_bar),
        )
        if not np.isfinite(logits).all():
            raise ModelFileError(
                self.transformer_folder / "model.safetensors",
                "gives scores that are not finite; copy the file anew",
            )
        scores = self._activated(logits, activation_fn or self.activation_fn)
        if self.num_labels == 1 and scores.ndim > 1:
            scores = scores[:, 0].copy()
        if apply_softmax and scores.ndim > 1:
            scores = softmax(scores)
        if single:
            return scores[0]
        return scores if convert_to_numpy else list(scores)

    @understands({}, **CALL_OPTIONS)
    def rank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = False,
        activation_fn: Callable[[Float32], Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Score documents for a query: at most ``top_k`` of {"corpus_id", "score"}, best first,
        and with ``return_documents`` their "text"; of equal scores the earlier document first.

        InputError where the model has several labels, whose scores have no order, and where one
        text or the other is no str.
        """
        if self.num_labels != 1:
            raise InputError(
                f"rank: the model has {self.num_labels} labels, whose scores have no order; "
                "predict gives them all"
            )
        if top_k is not None:
            top_k = whole_number("top_k", top_k, 1)
        if isinstance(documents, str) or not isinstance(query, str):
            raise InputError("rank: wanted one query, a str, and a list of documents")
        texts = as_texts("documents", documents)
        scores = self.predict(
            [(query, text) for text in texts],
            prompt_name,
            prompt,
            batch_size,
            show_progress_bar,
            activation_fn,
        ).tolist()
        best = sorted(range(len(texts)), key=lambda i: -scores[i])[:top_k]
        found: list[dict[str, Any]] = [{"corpus_id": i, "score": scores[i]} for i in best]
        if return_documents:
            found = [{**hit, "text": texts[hit["corpus_id"]]} for hit in found]
        return found

    def pair_tokens(self, pairs: Sequence[Sequence[str]]) -> list[tuple[list[int], list[int]]]:
        """Each pair's tokens and their types as ``predict`` makes them: the default prompt before
        the first text, and cut at ``max_seq_length``. InputError names the place of what is no pair
        of str.
        """
        prompt = choose_prompt(self.prompts, self.default_prompt_name, None, None)
        tokens = self._tokenize(_read_pairs(list(pairs))[0], prompt)
        ids = tokens["input_ids"]
        types = self._types(tokens) or [[0] * len(row) for row in ids]
        return list(zip(ids, types, strict=True))

    def _activated(self, logits: Float32, function: Callable[[Float32], Any] | None) -> Float32:
        """[n, labels] -> [n, labels], or whatever shape the caller's function gives."""
        if function is not None:
            scores: Float32 = np.asarray(function(logits), np.float32)
            return scores
        DENSE_ACTIVATIONS[self.activation](logits)
        return logits

    def _types(self, tokens: dict[str, Any]) -> list[list[int]] | None:
        """Token types, where the model has more than one."""
        return tokens["token_type_ids"] if self.config.type_vocab_size > 1 else None

    def _lengths(self, pairs: list[tuple[str, str]], prompt: str) -> list[int]:
        """How many tokens of each pair go through the model. They are made again when their batch
        has come: those of all pairs would take more room than anything else.
        """
        lengths: list[int] = []
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            some = pairs[start : start + _PAIRS_AT_ONCE]
            lengths += map(len, self._tokenize(some, prompt)["input_ids"])
        return lengths

    def _tokenize(self, pairs: list[tuple[str, str]], prompt: str) -> dict[str, Any]:
        return self.tokenizer(
            [prompt + first for first, _ in pairs],
            [second for _, second in pairs],
            truncation=True,
            max_length=self.max_seq_length,
            return_attention_mask=False,
        )


def _read_pairs(inputs: Any) -> tuple[list[tuple[str, str]], bool]:
    """The pairs as a list, and whether it was a single one.

    >>> _read_pairs(("a", "b")), _read_pairs([["a", "b"]])
    (([('a', 'b')], True), ([('a', 'b')], False))

    InputError where something in it is no pair of str; the message says where.
    """
    values = inputs.tolist() if hasattr(inputs, "tolist") else inputs
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise InputError(
            f"inputs: found {type(inputs).__name__}; wanted pairs of str: [(query, document), …]"
        )
    values = list(values)
    single = bool(values) and isinstance(values[0], str)
    pairs = []
    for place, pair in enumerate([values] if single else values):
        where = "inputs" if single else f"inputs[{place}]"
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            kind = f"{len(pair)} of them" if isinstance(pair, (list, tuple)) else repr(pair)[:40]
            raise InputError(f"{where}: found {kind}; wanted a pair of str: (query, document)")
        for text in pair:
            if not isinstance(text, str):
                raise InputError(f"{where}: found {type(text).__name__} in a pair; wanted two str")
        pairs.append((pair[0], pair[1]))
    return pairs, single


def softmax(scores: Float32) -> Float32:
    """e^s / Σ e^s of each row: [n, labels] -> [n, labels].

    >>> softmax(np.array([[0.0, 0.0]], np.float32)).tolist()
    [[0.5, 0.5]]
    """
    exponentials: Float32 = np.exp(scores - scores.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials

"""Text in, sentence vectors out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gtenp.arguments import as_texts, check_device, understands, whole_number
from gtenp.engine.batch import pack
from gtenp.engine.encoder import Encoder
from gtenp.engine.parallel import blas_threads, default_threads
from gtenp.engine.pooling import (
    PRECISIONS,
    dense,
    layer_norm,
    normalize,
    pool,
    quantize_embeddings,
    rows_read,
)
from gtenp.engine.schedule import run_batches
from gtenp.errors import (
    InputError,
    ModelFileError,
    TruncationWarning,
    UnsupportedModelError,
)
from gtenp.loading import (
    CALL_OPTIONS,
    CONSTRUCTOR_OPTIONS,
    TO_TENSOR,
    choose_prompt,
    load_tokenizer,
    named_prompt,
)
from gtenp.model_files import hub
from gtenp.model_files.checkpoint import load_dense, load_layer_norm
from gtenp.model_files.config import BertConfig
from gtenp.model_files.model import load_weights, read_config
from gtenp.model_files.sentence_config import (
    EMPTY_PROMPTS,
    Dense,
    LayerNorm,
    Normalize,
    SentenceConfig,
    known_ends,
    known_prompts,
)
from gtenp.similarity import SIMILARITY, similarity_pairwise

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from gtenp.engine.kernels import Float32

# Texts whose tokens are counted in one call of the tokenizer.
_TEXTS_AT_ONCE = 256


_OF_PAIRS = "; a vector is of one text: gtenp.CrossEncoder scores pairs"


class Embedder:
    """A BERT sentence embedding model, under the names of sentence-transformers.

    ``name_or_path`` is a folder, a Hub id ("Supabase/gte-small") or a short name ("gte-small",
    "gte-base", "gte-large", "all-MiniLM-L6-v2"). A folder never touches the network, nor does a
    model that is on this machine already; another Hub id is downloaded. ``threads`` is by default
    the number of CPUs that the process may use, or fewer where OPENBLAS_NUM_THREADS,
    OMP_NUM_THREADS or threadpoolctl's ``threadpool_limits`` keep NumPy to fewer; a number given
    here is taken as it is.

    ``prompts``, ``default_prompt_name``, ``similarity_fn_name`` and ``truncate_dim`` are what the
    model's files say where they are not given, and may be set; ``prompts`` that are given stand
    beside those of the files or in their place. ``prompt_ends`` has what a model wants
    behind a text too, by the prompt before it: SGPT's "[" and "]" around a query.
    ``cache_folder``, ``local_files_only`` and ``token`` say how a name is looked up, in
    huggingface_hub's words. ``device`` is the CPU.

    Other options of sentence-transformers are taken where they ask for nothing that gtenp has not,
    and refused by an InputError that says what to do: docs/drop-in.md lists them.

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
        device: str | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
        truncate_dim: int | None = None,
        cache_folder: str | Path | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
    ) -> None:
        check_device(device)
        self.name_or_path = str(name_or_path)
        self.threads = threads
        self.folder = hub.resolve(
            name_or_path,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        self.sentence_config = sentence = SentenceConfig.from_folder(self.folder)
        self.transformer_folder = folder = self.folder / sentence.transformer_folder
        self.config = read_config(folder)
        self.tokenizer = load_tokenizer(folder, self.config, sentence.do_lower_case)
        weights = load_weights(folder, self.config)
        self.ignored_tensors = weights.ignored
        _refuse_cross_encoder(folder, self.config, weights.ignored)
        self.encoder = Encoder(weights, self.config)
        self._dimension = sentence.dimension(self.config.hidden_size)
        self.heads = [_load_head(head) for head in sentence.heads]
        self.known_prompts = known_prompts(self.name_or_path, self.folder, sentence.prompts)
        self.prompt_ends = known_ends(self.name_or_path, self.folder)
        self.prompts = {**sentence.prompts, **self.known_prompts, **_prompts(prompts)}
        self.default_prompt_name = (
            sentence.default_prompt_name if default_prompt_name is None else default_prompt_name
        )
        self.similarity_fn_name = (
            sentence.similarity_fn_name if similarity_fn_name is None else similarity_fn_name
        )
        self.truncate_dim = sentence.truncate_dim if truncate_dim is None else truncate_dim
        self.max_seq_length = min(
            sentence.max_seq_length or self.tokenizer.model_max_length,
            self.config.max_tokens,
        )
        self._warned_of_truncation = False

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, **options: Any) -> Embedder:
        """The same as calling the class; the name that transformers' users look for."""
        return cls(name_or_path, **options)

    @property
    def device(self) -> str:
        """Where it computes: "cpu"."""
        return "cpu"

    def to(self, device: object) -> Embedder:
        """Itself, for it is on the CPU; InputError for another device."""
        check_device(device)
        return self

    def eval(self) -> Embedder:
        """Itself, for it is never trained."""
        return self

    @property
    def threads(self) -> int:
        """How many threads ``encode`` uses. May be set; None for the default, which each call looks
        up anew.
        """
        return self._threads or default_threads()

    @threads.setter
    def threads(self, count: int | None) -> None:
        self._threads = _count("threads", count)

    @property
    def max_seq_length(self) -> int:
        """Tokens kept of a text, [CLS] and [SEP] included. May be set."""
        return self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, length: int) -> None:
        most = self.config.max_tokens
        self._max_seq_length = whole_number("max_seq_length", length, 3, most)

    def get_max_seq_length(self) -> int:
        """``max_seq_length``, under its older name."""
        return self.max_seq_length

    @property
    def similarity_fn_name(self) -> str:
        """What ``similarity`` computes: "cosine", "dot", "euclidean" or "manhattan"."""
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, name: str) -> None:
        if name not in SIMILARITY:
            raise InputError(f"similarity_fn_name: {name!r}; wanted one of {', '.join(SIMILARITY)}")
        self._similarity_fn_name = name

    @property
    def truncate_dim(self) -> int | None:
        """How many of a vector's values ``encode`` keeps; None for all."""
        return self._truncate_dim

    @truncate_dim.setter
    def truncate_dim(self, count: int | None) -> None:
        self._truncate_dim = _count("truncate_dim", count)

    @property
    def default_prompt_name(self) -> str | None:
        """The prompt of ``prompts`` that ``encode`` uses where none is named; None for none."""
        return self._default_prompt_name

    @default_prompt_name.setter
    def default_prompt_name(self, name: str | None) -> None:
        if name is not None:
            named_prompt("default_prompt_name", name, self.prompts, EMPTY_PROMPTS)
        self._default_prompt_name = name

    def get_embedding_dimension(self) -> int:
        """The length of one embedding."""
        return min(self._dimension, self.truncate_dim or self._dimension)

    get_sentence_embedding_dimension = get_embedding_dimension  # its older name

    @understands({"inputs": "sentences"}, **CALL_OPTIONS)
    def encode(
        self,
        sentences: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] | None = (
            "sentence_embedding"
        ),
        precision: str = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        *,
        truncate: Literal["warn", "error", "silent"] = "warn",
        batch_invariant: bool = False,
    ) -> Any:
        """Embed texts: a str -> float32 [H]; n texts -> float32 [n, H], in their order.

        ``sentences`` is a str or what holds several in an order: a list, a generator, an array of
        one dimension, a column of pandas, polars or pyarrow. Every array that is returned is its
        own: no view of a larger one.

        ``prompt``, or the one of ``prompts`` that ``prompt_name`` names, goes before each text.
        ``batch_size`` caps the texts that go through the model at once; without it a token budget
        alone decides. A text's vector depends on its neighbours by less than 1e-6, and not by a
        bit where ``batch_invariant`` is true: then each text goes through the model by itself, in
        one thread, and short ones take about three times as long. The ranges of ``precision``
        "int8" and "uint8" still come from all texts.

        ``truncate_dim`` keeps the first values of each vector; of a model whose vectors have length
        1, what is kept no longer has, unless ``normalize_embeddings`` is true, which normalises at
        the end whatever the model does. ``precision`` as in ``gtenp.quantize_embeddings``.

        ``output_value`` "token_embeddings" gives float32 [S, H] for each text, of all its tokens;
        None a dict of all there is: input_ids, token_type_ids, attention_mask, token_embeddings,
        sentence_embedding.

        A text of more than ``max_seq_length`` tokens is cut there. ``truncate`` "warn" tells so
        once (TruncationWarning), "error" refuses, "silent" does neither.

        ``convert_to_numpy`` false gives a list of n arrays [H] in place of one [n, H].
        ``convert_to_tensor`` and a ``device`` other than the CPU are refused; both are here for
        their places in sentence-transformers' order. Its ``pool``, ``chunk_size`` and ``task`` are
        taken where they are None.

        InputError names the option, or the place of what is not a str; ModelFileError where the
        weights give no finite numbers.
        """
        _check_options(output_value, precision, truncate)
        TO_TENSOR.refuse("convert_to_tensor", convert_to_tensor)
        check_device(device)
        batch_size = _count("batch_size", batch_size)
        truncate_dim = _count("truncate_dim", truncate_dim) or self.truncate_dim
        texts = (
            [sentences]
            if isinstance(sentences, str)
            else as_texts("sentences", sentences, of_lists=_OF_PAIRS)
        )
        prompt = self._choose_prompt(prompt_name, prompt)
        max_length = self.max_seq_length
        lengths = self._lengths(texts, prompt, max_length, truncate)
        prompt_length = self.prompt_length(prompt)

        embeddings = np.empty((len(texts), self._dimension), np.float32)
        token_ids: list[Any] = [None] * len(texts)  # these two are kept where they are asked for
        token_embeddings: list[Any] = [None] * len(texts)
        every_token = output_value != "sentence_embedding"

        def embed(indices: list[int], threads: int) -> None:
            ids = self.prompted_ids([texts[i] for i in indices], prompt, max_length)
            embeddings[indices], rows = self._forward(ids, threads, prompt_length, every_token)
            for i, row, tokens in zip(indices, ids, rows, strict=False):
                token_ids[i], token_embeddings[i] = row, tokens

        run_batches(
            embed,
            lengths,
            self.threads,
            max_sequences=batch_size,
            alone=batch_invariant,
            show_progress_bar=bool(show_progress_bar),
        )

        if truncate_dim is not None and truncate_dim < self._dimension:
            embeddings = embeddings[:, :truncate_dim].copy()  # a view would keep all of it
        if normalize_embeddings and output_value:
            embeddings = normalize(embeddings)

        result: Any
        if output_value == "sentence_embedding":
            result = quantize_embeddings(embeddings, precision)
        elif output_value == "token_embeddings":
            result = _quantize_all(token_embeddings, precision)
        else:
            result = list(map(_features, token_ids, token_embeddings, embeddings))
        if isinstance(sentences, str):
            return result[0].copy()
        if isinstance(result, np.ndarray) and not convert_to_numpy:
            return [vector.copy() for vector in result]
        return result

    @understands({"inputs": "sentences"})
    def encode_query(
        self,
        sentences: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        *arguments: Any,
        **options: Any,
    ) -> Any:
        """``encode`` with the prompt named "query", unless another is given. Without one there is
        none, not even the default prompt. ``arguments`` and ``options`` are those of ``encode``, in
        its order and by its names.
        """
        if prompt_name is None and prompt is None:
            prompt = self.prompts.get("query", "")
        return self.encode(sentences, prompt_name, prompt, *arguments, **options)

    @understands({"inputs": "sentences"})
    def encode_document(
        self,
        sentences: str | Iterable[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        *arguments: Any,
        **options: Any,
    ) -> Any:
        """``encode`` with the prompt named "document", "passage" or "corpus", the first that the
        model has, unless another is given. Without one there is none, not even the default prompt.
        ``arguments`` and ``options`` are those of ``encode``, in its order and by its names.
        """
        if prompt_name is None and prompt is None:
            prompt = self.document_prompt()
        return self.encode(sentences, prompt_name, prompt, *arguments, **options)

    def similarity(self, embeddings1: npt.ArrayLike, embeddings2: npt.ArrayLike) -> Float32:
        """How alike each of the first is to each of the second, by ``similarity_fn_name``:
        [N, H], [M, H] -> [N, M].
        """
        return SIMILARITY[self.similarity_fn_name](embeddings1, embeddings2)

    def similarity_pairwise(
        self, embeddings1: npt.ArrayLike, embeddings2: npt.ArrayLike
    ) -> Float32:
        """The same for each of the first and its counterpart of the second: 2 × [N, H] -> [N]."""
        return similarity_pairwise(embeddings1, embeddings2, self.similarity_fn_name)

    def save_pretrained(self, path: str | Path) -> None:
        """Write a folder that sentence-transformers loads, and that gives the same vectors there.

        What was set since loading (``max_seq_length``, ``prompts`` and so on) is written down, and
        so are prompts that gtenp knows of by the model's name, and the pooling of a model that had
        no modules.json. config.json asks for float32, in which gtenp computes, whatever the
        weights are kept in. InputError where ``path`` holds something already or can't be written,
        or where prompts have an end, which sentence-transformers' files can't say; ModelFileError
        where the model's own folder is no longer whole. No error leaves anything at ``path``.
        """
        if self.prompt_ends:
            raise InputError(
                "the model's prompts have an end, for which sentence-transformers' files have no "
                f"place; copy the folder itself, {self.folder}, and keep its name"
            )
        from gtenp.saving import save

        settings = {
            # sentence-transformers 6 looks for "document" alone: it always finds it, empty.
            "prompts": {**self.prompts, "document": self.document_prompt()},
            "default_prompt_name": self.default_prompt_name,
            "similarity_fn_name": self.similarity_fn_name,
            "truncate_dim": self.truncate_dim,
        }
        save(
            Path(os.path.abspath(os.path.expanduser(path))),
            self.folder,
            self.sentence_config,
            settings,
            max_seq_length=self.max_seq_length,
            hidden_size=self.config.hidden_size,
        )

    def document_prompt(self) -> str:
        """The prompt of ``encode_document``: "document", "passage" or "corpus", or none."""
        names = ("document", "passage", "corpus")
        return next((self.prompts[name] for name in names if name in self.prompts), "")

    def tokenize(self, texts: str | Iterable[str]) -> dict[str, npt.NDArray[np.int64]]:
        """The texts as the model reads them, cut at ``max_seq_length`` and padded: ``input_ids``,
        ``token_type_ids`` and ``attention_mask``, int64 [n, S] each. Without a prompt.
        """
        texts = [texts] if isinstance(texts, str) else as_texts("texts", texts, of_lists=_OF_PAIRS)
        most = self.max_seq_length
        batch = self.tokenizer(
            texts, padding=True, truncation=True, max_length=most, return_tensors="np"
        )
        return dict(batch)

    def token_ids(self, texts: list[str], truncate: str = "silent") -> list[list[int]]:
        """Each text's tokens as ``encode`` makes them: the default prompt before it, and cut at
        ``max_seq_length``, which ``truncate`` treats as there. InputError names the place of what
        is not a str.
        """
        prompt = self._choose_prompt(None, None)
        if truncate != "silent":
            self._lengths(texts, prompt, self.max_seq_length, truncate)
        return self.prompted_ids(texts, prompt, self.max_seq_length)

    def encode_ids(
        self,
        token_ids: Sequence[Sequence[int]],
        *,
        prompt_length: int = 0,
        every_token: bool = False,
        batch_invariant: bool = False,
    ) -> Any:
        """What ``encode`` makes of texts that are tokens already: n lists of ids -> float32 [n, H],
        or float32 [S, H] for each where ``every_token`` is true.

        The ids are the model's own, [CLS] and [SEP] among them, at most ``max_seq_length`` a text;
        they are not checked. ``prompt_length`` is how many of them a pooling that leaves prompts
        out leaves out. ``truncate_dim`` is not obeyed. ModelFileError where the weights give no
        finite numbers.
        """
        embeddings = np.empty((len(token_ids), self._dimension), np.float32)
        token_embeddings: list[Any] = [None] * len(token_ids)

        def embed(indices: list[int], threads: int) -> None:
            ids = [token_ids[i] for i in indices]
            embeddings[indices], rows = self._forward(ids, threads, prompt_length, every_token)
            for i, tokens in zip(indices, rows, strict=False):
                token_embeddings[i] = tokens

        run_batches(embed, list(map(len, token_ids)), self.threads, alone=batch_invariant)
        return token_embeddings if every_token else embeddings

    def _forward(
        self, ids: Sequence[Sequence[int]], threads: int, prompt_length: int, every_token: bool
    ) -> tuple[Float32, list[Float32]]:
        """A batch through the model: n lists of ids -> [n, H] and, where asked for, n × [S, H]."""
        pooling = self.sentence_config.pooling
        batch = pack(ids, arithmetic=self.config.arithmetic)
        with np.errstate(all="ignore"):  # what is not finite is refused below
            wanted = None
            if not every_token:
                wanted = rows_read(pooling, batch.cu_seqlens, prompt_length)
            hidden_states = self.encoder.forward(batch, threads, wanted)
            vectors = hidden_states
            if wanted is None:
                vectors = pool(hidden_states, batch.cu_seqlens, pooling, prompt_length)
            with blas_threads(1):
                for head in self.heads:  # dense, normalize and so on, as modules.json lists
                    vectors = head(vectors)
        self._refuse_not_finite(vectors)
        return vectors, batch.split(hidden_states) if every_token else []

    def _choose_prompt(self, prompt_name: str | None, prompt: str | None) -> str:
        default = self.default_prompt_name
        return choose_prompt(self.prompts, default, prompt_name, prompt, EMPTY_PROMPTS)

    def _lengths(self, texts: list[str], prompt: str, most: int, truncate: str) -> list[int]:
        """How many tokens ``encode`` keeps of each text, whose tokens it makes again when its batch
        has come: those of all texts would take more room than anything else.
        """
        lengths: list[int] = []
        try:
            for start in range(0, len(texts), _TEXTS_AT_ONCE):
                some = texts[start : start + _TEXTS_AT_ONCE]
                # One token more than is kept tells a cut text from one that just fits.
                lengths += map(len, self.prompted_ids(some, prompt, most + 1))
        except InputError:
            self.prompted_ids(texts, prompt, most + 1)  # names the place among all texts
            raise
        too_long = [i for i, length in enumerate(lengths) if length > most]
        if too_long and truncate == "error":
            raise InputError(
                f"sentences[{too_long[0]}]: more than {most} tokens, as are {len(too_long)} of "
                f"{len(texts)} texts; shorten them, or leave truncate at 'warn' to have them cut"
            )
        if too_long and truncate == "warn" and not self._warned_of_truncation:
            self._warned_of_truncation = True
            fact = (
                f"{len(too_long)} of {len(texts)} texts have more than {most} tokens and were cut"
            )
            advice = "this is said once. truncate='error' refuses them, 'silent' says nothing"
            warnings.warn(TruncationWarning(f"{fact} there", advice), stacklevel=4)
        return [min(length, most) for length in lengths]

    def prompted_ids(
        self, texts: list[str], prompt: str, most: int, truncation_side: str | None = None
    ) -> list[list[int]]:
        """Each text's token ids, its prompt around it, and at most so many; ``truncation_side`` is
        the model's own, or "left" or "right".
        """
        if prompt in self.prompt_ends:
            return self._ids_between(prompt, texts, self.prompt_ends[prompt], most, truncation_side)
        if prompt:  # what is no str is left for the tokenizer to name
            texts = [prompt + text if isinstance(text, str) else text for text in texts]
        token_ids: list[list[int]] = self.tokenizer(
            texts,
            truncation=True,
            max_length=most,
            truncation_side=truncation_side,
            return_token_type_ids=False,
            return_attention_mask=False,
        )["input_ids"]
        return token_ids

    def _ids_between(
        self, prompt: str, texts: list[str], end: str, most: int, truncation_side: str | None
    ) -> list[list[int]]:
        """The same with an end behind each text. Both are tokens of their own, which no cut takes
        away and no word of the text is joined with.
        """
        before, behind = self.tokenizer([prompt, end], add_special_tokens=False)["input_ids"]
        kept = most - len(before + behind)
        rows = self.tokenizer(
            texts, truncation=True, max_length=kept, truncation_side=truncation_side
        )
        return [[*before, *row, *behind] for row in rows["input_ids"]]

    def prompt_length(self, prompt: str) -> int:
        """Its tokens with [CLS] before them, where the pooling leaves them out; else 0."""
        if not prompt or self.sentence_config.pooling.include_prompt:
            return 0
        ids = self.tokenizer(prompt, truncation=True, max_length=self.max_seq_length)["input_ids"]
        return len(ids) - 1  # without [SEP]

    def _refuse_not_finite(self, embeddings: Float32) -> None:
        if not np.isfinite(embeddings).all():
            raise ModelFileError(
                self.folder / "model.safetensors",
                "gives vectors that are not finite: its embedding tables hold NaN or infinity, or "
                "its numbers are too large for float32; copy the file anew",
            )


def _refuse_cross_encoder(folder: Path, config: BertConfig, ignored: tuple[str, ...]) -> None:
    classifies = any(name.endswith("ForSequenceClassification") for name in config.architectures)
    if classifies and any(name.startswith("classifier.") for name in ignored):
        raise UnsupportedModelError(
            folder / "config.json",
            f"names a {config.architectures[0]} with its classifier: a cross-encoder, which scores "
            "two texts read together and has no sentence vectors. gtenp.CrossEncoder and `gtenp "
            "rerank` open it",
        )


def _load_head(module: Dense | LayerNorm | Normalize) -> Callable[[Float32], Float32]:
    """What one of the modules after the pooling does: [n, H] -> [n, H']."""
    if isinstance(module, Dense):
        return partial(dense, weights=load_dense(module), activation=module.activation)
    if isinstance(module, LayerNorm):
        return partial(layer_norm, weights=load_layer_norm(module))
    return normalize


def _features(
    token_ids: list[int], token_embeddings: Float32, embedding: Float32
) -> dict[str, Any]:
    return {
        "input_ids": np.array(token_ids),
        "token_type_ids": np.zeros(len(token_ids), np.int64),
        "attention_mask": np.ones(len(token_ids), np.int64),
        "token_embeddings": token_embeddings,
        "sentence_embedding": embedding.copy(),
    }


def _quantize_all(matrices: list[Float32], precision: str) -> list[Any]:
    """Matrices of any lengths, by the ranges of them all."""
    if precision == "float32" or not matrices:
        return matrices
    cuts = np.cumsum([len(matrix) for matrix in matrices])[:-1]
    quantized = quantize_embeddings(np.concatenate(matrices), precision)
    return [matrix.copy() for matrix in np.split(quantized, cuts)]


def _count(name: str, value: int | None) -> int | None:
    """A whole number from 1, or None."""
    return None if value is None else whole_number(name, value, 1)


def _prompts(given: Mapping[str, str] | None) -> dict[str, str]:
    """The prompts that a caller gives; InputError where they are no texts by names."""
    prompts = given or {}
    if not isinstance(prompts, Mapping) or not all(
        isinstance(text, str) for pair in prompts.items() for text in pair
    ):
        raise InputError(f'prompts: {given!r:.60}; wanted texts by their names: {{"query": "…"}}')
    return dict(prompts)


def _check_options(output_value: object, precision: object, truncate: object) -> None:
    for name, value, known in (
        ("output_value", output_value, ("sentence_embedding", "token_embeddings", None)),
        ("precision", precision, PRECISIONS),
        ("truncate", truncate, ("warn", "error", "silent")),
    ):
        if value not in known:
            raise InputError(f"{name}: {value!r}; wanted one of {', '.join(map(repr, known))}")
    if output_value is None and precision != "float32":
        raise InputError(f"precision: {precision!r} with output_value None; wanted 'float32'")
